"""Where a run belongs: its experiment, its parent, its children and the other children of its parent. Reads a name and a state each.

Whole runs, and tables of them, are read by `reading`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.runs.reading.run_reader import HIDDEN_EXPERIMENTS, read_run
from lib.runs.table.types import PARENT_TAG, Run

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

MAX_RELATED_RUNS = 500
"""How many relatives of a kind are read; `more` says that there are others."""


@dataclass(frozen=True)
class ExperimentRef:
    """The experiment of a run. `is_record` tells Podium's own, which no page may change."""

    experiment_id: str
    name: str
    lifecycle: str

    @property
    def is_ledger(self) -> bool:
        """Does Podium keep its record there?"""
        return self.name in HIDDEN_EXPERIMENTS


@dataclass(frozen=True)
class RelatedRun:
    """A related run, in short."""

    run_id: str
    name: str
    status: str
    lifecycle: str = "active"


@dataclass(frozen=True)
class RelatedRuns:
    """The relatives of a run. `parent_id` without a `parent`: the run names one that is gone for good.

    `siblings` are the other children of the same parent; a run without a parent has none here. With `more` there are others.
    """

    parent_id: str = ""
    parent: RelatedRun | None = None
    children: tuple[RelatedRun, ...] = ()
    siblings: tuple[RelatedRun, ...] = ()
    has_more: bool = False


def read_experiment_ref(backend: Backend, experiment_id: str) -> ExperimentRef:
    """The experiment with this id, active or deleted."""
    with translate_errors(f"Experiment {experiment_id}"):
        found = client(backend).get_experiment(experiment_id)
    return ExperimentRef(experiment_id, found.name, found.lifecycle_stage)


def read_related_runs(backend: Backend, run: Run) -> RelatedRuns:
    """The relatives of a run, the newest first. Only active children and siblings count."""
    parent_id = run.tags.get(PARENT_TAG, "")
    children, more = _children(backend, run.experiment_id, run.run_id)
    brood, still_more = _children(backend, run.experiment_id, parent_id) if parent_id else ((), False)
    siblings = tuple(one for one in brood if one.run_id != run.run_id)
    return RelatedRuns(parent_id, _parent(backend, parent_id), children, siblings, more or still_more)


def read_children(backend: Backend, run: Run) -> tuple[RelatedRun, ...]:
    """The active children of a run, the newest first; at most `MOST`."""
    return _children(backend, run.experiment_id, run.run_id)[0]


def _parent(backend: Backend, run_id: str) -> RelatedRun | None:
    try:
        found = read_run(backend, run_id) if run_id else None
    except NotFound:
        return None
    return RelatedRun(found.run_id, found.name, found.status, found.lifecycle) if found else None


def _children(backend: Backend, experiment_id: str, parent: str) -> tuple[tuple[RelatedRun, ...], bool]:
    if "'" in parent:  # no id has one, and MLflow's filter knows no escape
        return (), False
    with translate_errors("The related runs"), relaxed_gc():
        found = client(backend).search_runs(
            [experiment_id],
            f"tags.`{PARENT_TAG}` = '{parent}'",
            max_results=MAX_RELATED_RUNS,
            order_by=["attributes.start_time DESC"],
        )
    return tuple(_relative(one) for one in found), bool(found.token)


def _relative(entity: "MlflowRun") -> RelatedRun:
    info = entity.info
    return RelatedRun(info.run_id, info.run_name or info.run_id, info.status, info.lifecycle_stage)
