"""Types of run data: frozen values and typed tables. Pure; `lib.runs.reading` fills them.

No MLflow entity crosses this border. Missing values stay missing: NaN in a metric was logged as NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from lib.runs.analysis.metric_direction import NO_STATEMENTS, DirectionStatement, MetricDirections

if TYPE_CHECKING:
    import pandas as pd

MLFLOW_TAG_PREFIX = "mlflow."
PARENT_TAG = "mlflow.parentRunId"
COMMIT_TAG = "mlflow.source.git.commit"
SOURCE_TAG = "mlflow.source.name"
USER_TAG = "mlflow.user"
RUN_NAME_TAG = "mlflow.runName"
CONTEXT_TAG = "mlflow.data.context"
MODEL_HISTORY_TAG = "mlflow.log-model.history"
"""Set by MLflow 2, where a model is a folder of the run, not a separate logged model."""


LifecycleFilter = Literal["active", "deleted", "all"]
LIFECYCLES_BY_FILTER: Mapping[LifecycleFilter, tuple[str, ...]] = {
    "active": ("active",),
    "deleted": ("deleted",),
    "all": ("active", "deleted"),
}
"""The states of MLflow runs that a search can select."""
MAX_RUNS = 50_000
"""Maximum runs that MLflow's search returns."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALID_MILLIS = range(-62_135_596_800_000, 253_402_300_800_000)
"""Milliseconds since 1970 for the years 1 to 9999."""


def datetime_from_millis(millis: int | None) -> datetime | None:
    """Convert an MLflow time to UTC. One outside the calendar counts as missing, so it hides no run."""
    return EPOCH + timedelta(milliseconds=millis) if millis is not None and millis in VALID_MILLIS else None


def millis_from_datetime(at: datetime) -> int:
    """Convert a time to MLflow's format: integer milliseconds since 1970."""
    return (at - EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True)
class Clause:
    """One condition: kind (metric, parameter, tag, attribute, dataset), name, comparator in upper case, and value."""

    kind: str
    name: str
    comparator: str
    value: object


@dataclass(frozen=True)
class Filter:
    """A valid filter in MLflow's syntax: its text without outer spaces, and the AND-joined conditions in it. `parse_filter` makes it.

    Filters with the same text are equal and have one hash, so a search is found in a cache by the text.
    """

    text: str = ""
    clauses: tuple[Clause, ...] = field(default=(), compare=False)


NO_FILTER = Filter()
"""Matches every run."""


@dataclass(frozen=True)
class Search:
    """Which runs to read: from these experiments, in this state, matching the filter, at most the `limit` newest."""

    experiment_ids: tuple[str, ...]
    filter: Filter = NO_FILTER
    state: LifecycleFilter = "active"
    limit: int = MAX_RUNS


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model created from a run, and its stage."""

    model: str
    version: str
    stage: str


@dataclass(frozen=True)
class DataInput:
    """A dataset that a run read. `source` is its origin as stored by MLflow (often JSON)."""

    name: str
    digest: str
    context: str = ""
    source: str = ""


@dataclass(frozen=True)
class Run:
    """One complete run: the last value of each metric, parameters and tags as text, times in UTC.

    `lifecycle` is active or deleted; `model_ids` are its logged models, highest step first; `versions` were registered from it.
    """

    run_id: str
    name: str
    experiment_id: str
    status: str
    lifecycle: str
    started: datetime | None = None
    ended: datetime | None = None
    user: str = ""
    artifact_uri: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DataInput, ...] = ()
    model_ids: tuple[str, ...] = ()
    versions: tuple[RegisteredVersion, ...] = ()

    @property
    def has_model(self) -> bool:
        """Whether the run logged a model, as a logged model or in MLflow 2's format."""
        return bool(self.model_ids) or self.tags.get(MODEL_HISTORY_TAG) is not None


@dataclass(frozen=True)
class Experiment:
    """A group of runs. Times in UTC; `updated` is when the experiment itself was changed, not its runs.

    `directions` are the metric directions from its tags.
    """

    experiment_id: str
    name: str
    created: datetime | None = None
    updated: datetime | None = None
    lifecycle: str = "active"
    directions: tuple[DirectionStatement, ...] = ()


@dataclass(frozen=True, eq=False)
class RunTable:
    """The runs matching a search, newest first. Every table has the run ids as its index, in the same order.

    `identity`: name, experiment (its id), status, lifecycle (active or deleted), started, ended (UTC), seconds, user (the tag
    `mlflow.user`, else the run's own), source, git_commit, parent, artifact_uri, has_model, model_ids and versions (tuples).
    `metrics`: float columns. `params`: Int64 or float if every value is a number, else text; missing stays missing. `texts` are the same
    parameters as logged. `tags`: text.
    `nans` are the metrics (run id, name) logged as NaN: their cells look like those of a missing metric.
    `inputs` alone has one row per run and dataset: run_id, name, digest, context.
    `total` is how many runs the search matches on the backend, None if there are more than were read and they were not counted.
    `read_at` is the caller's clock. `directions` are the metric directions stated by the runs and by users.
    A table equals only itself: what was computed from it is memoized under it.
    """

    search: Search
    read_at: datetime | None
    identity: "pd.DataFrame"
    metrics: "pd.DataFrame"
    params: "pd.DataFrame"
    texts: "pd.DataFrame"
    tags: "pd.DataFrame"
    inputs: "pd.DataFrame"
    total: int | None = None
    nans: frozenset[tuple[str, str]] = frozenset()
    directions: MetricDirections = NO_STATEMENTS

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The run ids, newest run first."""
        return tuple(self.identity.index.tolist())

    @property
    def is_complete(self) -> bool:
        """Whether all runs matching the search were read."""
        return self.total == len(self)

    def __len__(self) -> int:
        return len(self.identity)
