"""Where a run belongs: its experiment, its parent, its children and the other children of its parent. Reads a name and a state each.

Whole runs, and tables of them, are read by `reading`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, quick_reading, translated
from lib.errors import NotFound
from lib.runs.reading.run_reader import HIDDEN, run
from lib.runs.table.types import PARENT_TAG, Run

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

MOST = 500
"""How many relatives of a kind are read; `more` says that there are others."""


@dataclass(frozen=True)
class Home:
    """The experiment of a run. `is_record` tells Podium's own, which no page may change."""

    experiment_id: str
    name: str
    lifecycle: str

    @property
    def is_record(self) -> bool:
        """Does Podium keep its record there?"""
        return self.name in HIDDEN


@dataclass(frozen=True)
class Relative:
    """A related run, in short."""

    run_id: str
    name: str
    status: str
    lifecycle: str = "active"


@dataclass(frozen=True)
class Kin:
    """The relatives of a run. `parent_id` without a `parent`: the run names one that is gone for good.

    `siblings` are the other children of the same parent; a run without a parent has none here. With `more` there are others.
    """

    parent_id: str = ""
    parent: Relative | None = None
    children: tuple[Relative, ...] = ()
    siblings: tuple[Relative, ...] = ()
    more: bool = False


def home(backend: Backend, experiment_id: str) -> Home:
    """The experiment with this id, active or deleted."""
    with translated(f"Experiment {experiment_id}"):
        found = client(backend).get_experiment(experiment_id)
    return Home(experiment_id, found.name, found.lifecycle_stage)


def kin(backend: Backend, of: Run) -> Kin:
    """The relatives of a run, the newest first. Only active children and siblings count."""
    parent_id = of.tags.get(PARENT_TAG, "")
    children, more = _children(backend, of.experiment_id, of.run_id)
    brood, still_more = _children(backend, of.experiment_id, parent_id) if parent_id else ((), False)
    siblings = tuple(one for one in brood if one.run_id != of.run_id)
    return Kin(parent_id, _parent(backend, parent_id), children, siblings, more or still_more)


def children(backend: Backend, of: Run) -> tuple[Relative, ...]:
    """The active children of a run, the newest first; at most `MOST`."""
    return _children(backend, of.experiment_id, of.run_id)[0]


def _parent(backend: Backend, run_id: str) -> Relative | None:
    try:
        found = run(backend, run_id) if run_id else None
    except NotFound:
        return None
    return Relative(found.run_id, found.name, found.status, found.lifecycle) if found else None


def _children(backend: Backend, experiment_id: str, parent: str) -> tuple[tuple[Relative, ...], bool]:
    if "'" in parent:  # no id has one, and MLflow's filter knows no escape
        return (), False
    with translated("The related runs"), quick_reading():
        found = client(backend).search_runs(
            [experiment_id], f"tags.`{PARENT_TAG}` = '{parent}'", max_results=MOST, order_by=["attributes.start_time DESC"]
        )
    return tuple(_relative(one) for one in found), bool(found.token)


def _relative(entity: "MlflowRun") -> Relative:
    info = entity.info
    return Relative(info.run_id, info.run_name or info.run_id, info.status, info.lifecycle_stage)
