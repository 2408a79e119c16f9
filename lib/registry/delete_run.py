"""Deleting a run, softly: what depends on it is told first, and the source of a version that somebody uses is not let go unawares.

A deleted run can be restored: MLflow hides it, and keeps its files. Removing it for good is `mlflow gc`'s work, not done here.
"""

from dataclasses import dataclass

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, translated
from lib.errors import Refused
from lib.registry.reader import every_model, every_record
from lib.registry.run_usage import Use, uses_of
from lib.runs.reading.related_runs import MOST, Relative, children, home
from lib.runs.reading.run_reader import run
from lib.runs.table.types import Run

LIVE = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class Dependents:
    """A run, the versions that came from it, and its child runs (at most 500 of them), as they were at one look."""

    run: Run
    uses: tuple[Use, ...] = ()
    children: tuple[Relative, ...] = ()

    @property
    def held(self) -> tuple[Use, ...]:
        """The versions that somebody uses now."""
        return tuple(use for use in self.uses if use.is_held)

    @property
    def is_live(self) -> bool:
        """Is a program still writing to the run? Its next line would fail."""
        return self.run.status in LIVE

    @property
    def word(self) -> str:
        """What must be typed to delete it all the same; empty where nothing speaks against it."""
        return self.run.run_id[:8] if self.held or self.is_live else ""

    @property
    def has_more_children(self) -> bool:
        """Are there perhaps more children than were read?"""
        return len(self.children) >= MOST


def dependents(backend: Backend, run_id: str) -> Dependents:
    """What depends on a run, read now. Raises NotFound for an unknown run."""
    found = run(backend, run_id)
    models = every_model(backend)
    return Dependents(found, uses_of(found, models, every_record(backend, models)), children(backend, found))


def discard(backend: Backend, seen: Dependents, typed: str = "") -> None:
    """Delete a run softly. `seen` is what the person saw; `typed` repeats its `word` where it has one.

    Raises Refused for a run of the record, for one that is deleted already, when what depends on it changed since the look, and when
    a version from it is in use (or the run still runs) and nobody insists.
    """
    now = dependents(backend, seen.run.run_id)
    if home(backend, now.run.experiment_id).is_record:
        raise Refused("This run belongs to the record, which nobody deletes.")
    if now.run.lifecycle != "active":
        raise Refused("The run was deleted already.")
    if _state(now) != _state(seen):
        raise Refused("What depends on this run changed since you looked.", next="Look at it again, then decide.")
    if now.word and typed.strip() != now.word:
        raise Refused(_why(now), next=f"Type {now.word} to delete it all the same.")
    with translated(f"Run {now.run.run_id}"):
        client(backend).delete_run(now.run.run_id)


def call(run_id: str, uri: str) -> str:
    """The plain MLflow call that does the same, ready to be copied."""
    return f"from mlflow import MlflowClient\n\nclient = MlflowClient(tracking_uri={uri!r})\nclient.delete_run({run_id!r})\n"


def _state(seen: Dependents) -> tuple[object, ...]:
    """What a person decides by; an alias or a stage that moved meanwhile changes it. Child runs are not touched, so they do not count."""
    return seen.is_live, seen.uses


def _why(now: Dependents) -> str:
    if not now.held:
        return "The run is still running: its program would fail at the next thing it logs."
    names = ", ".join(f"{use.model} v{use.version}" for use in now.held)
    return f"In use and made from this run: {names}."
