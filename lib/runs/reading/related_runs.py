"""Relatives of a run: its experiment, parent, children and siblings. Reads only a name and a state of each.

Complete runs and run tables are read by `run_reader`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.runs.analysis.direction_tags import experiment_statements
from lib.runs.analysis.metric_direction import DirectionStatement
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS, read_run
from lib.runs.table.types import PARENT_TAG, Run

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

MAX_RELATED_RUNS = 500
"""Maximum relatives read per kind; `has_more` says that there are others."""


@dataclass(frozen=True)
class ExperimentRef:
    """The experiment of a run and the metric directions from its tags.

    `is_ledger` marks Podium's own experiments, which no page may change.
    """

    experiment_id: str
    name: str
    lifecycle: str
    directions: tuple[DirectionStatement, ...] = ()

    @property
    def is_ledger(self) -> bool:
        """Whether Podium stores its record there."""
        return self.name in HIDDEN_EXPERIMENTS


@dataclass(frozen=True)
class RelatedRun:
    """A related run in brief."""

    run_id: str
    name: str
    status: str
    lifecycle: str = "active"


@dataclass(frozen=True)
class RelatedRuns:
    """The relatives of a run. `parent_id` without a `parent` means that the named parent was permanently deleted.

    `siblings` are the other children of the same parent; a run without a parent has none. With `has_more` there are others.
    """

    parent_id: str = ""
    parent: RelatedRun | None = None
    children: tuple[RelatedRun, ...] = ()
    siblings: tuple[RelatedRun, ...] = ()
    has_more: bool = False


def read_experiment_ref(backend: Backend, experiment_id: str) -> ExperimentRef:
    """Return the experiment with this id, active or deleted."""
    with translate_errors(f"Experiment {experiment_id}"):
        experiment = client(backend).get_experiment(experiment_id)
    tags = {str(key): str(value) for key, value in (experiment.tags or {}).items()}
    return ExperimentRef(experiment_id, experiment.name, experiment.lifecycle_stage, experiment_statements(tags))


def read_related_runs(backend: Backend, run: Run) -> RelatedRuns:
    """Return the relatives of a run, newest first. Only active children and siblings count."""
    parent_id = run.tags.get(PARENT_TAG, "")
    children, has_more_children = _search_children(backend, run.experiment_id, run.run_id)
    parent_children, has_more_siblings = _search_children(backend, run.experiment_id, parent_id) if parent_id else ((), False)
    siblings = tuple(child for child in parent_children if child.run_id != run.run_id)
    return RelatedRuns(parent_id, _read_parent(backend, parent_id), children, siblings, has_more_children or has_more_siblings)


def read_children(backend: Backend, run: Run) -> tuple[RelatedRun, ...]:
    """Return the active children of a run, newest first; at most `MAX_RELATED_RUNS`."""
    return _search_children(backend, run.experiment_id, run.run_id)[0]


def _read_parent(backend: Backend, run_id: str) -> RelatedRun | None:
    try:
        parent = read_run(backend, run_id) if run_id else None
    except NotFound:
        return None
    return RelatedRun(parent.run_id, parent.name, parent.status, parent.lifecycle) if parent else None


def _search_children(backend: Backend, experiment_id: str, parent_id: str) -> tuple[tuple[RelatedRun, ...], bool]:
    if "'" in parent_id:  # no id contains one, and MLflow's filter has no escape
        return (), False
    with translate_errors("The related runs"), relaxed_gc():
        page = client(backend).search_runs(
            [experiment_id],
            f"tags.`{PARENT_TAG}` = '{parent_id}'",
            max_results=MAX_RELATED_RUNS,
            order_by=["attributes.start_time DESC"],
        )
    return tuple(_related_run(entity) for entity in page), bool(page.token)


def _related_run(entity: "MlflowRun") -> RelatedRun:
    info = entity.info
    return RelatedRun(info.run_id, info.run_name or info.run_id, info.status, info.lifecycle_stage)
