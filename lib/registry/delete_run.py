"""Soft deletion of a run. Its dependents are shown first, and the source of a version in use needs a typed confirmation.

A deleted run can be restored: MLflow hides it and keeps its files. Only `mlflow gc` removes it permanently; that is not done here.
"""

from dataclasses import dataclass

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused
from lib.registry.reader import read_all_book_states, read_all_snapshots
from lib.registry.run_usage import VersionUse, find_version_uses
from lib.runs.reading.related_runs import MAX_RELATED_RUNS, RelatedRun, read_children, read_experiment_ref
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import Run

RUNNING_STATUSES = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class RunDependents:
    """A run, the versions that came from it, and its child runs (at most 500), at one moment."""

    run: Run
    version_uses: tuple[VersionUse, ...] = ()
    children: tuple[RelatedRun, ...] = ()

    @property
    def versions_in_use(self) -> tuple[VersionUse, ...]:
        """The versions currently in use."""
        return tuple(use for use in self.version_uses if use.is_in_use)

    @property
    def is_running(self) -> bool:
        """Is a program still writing to the run? Its next write would fail."""
        return self.run.status in RUNNING_STATUSES

    @property
    def confirmation_text(self) -> str:
        """The text to type to delete the run anyway; empty if no confirmation is needed."""
        return self.run.run_id[:8] if self.versions_in_use or self.is_running else ""

    @property
    def has_more_children(self) -> bool:
        """May there be more children than were read?"""
        return len(self.children) >= MAX_RELATED_RUNS


def read_dependents(backend: Backend, run_id: str) -> RunDependents:
    """Read what depends on a run. Raises NotFound for an unknown run."""
    run = read_run(backend, run_id)
    snapshots = read_all_snapshots(backend)
    version_uses = find_version_uses(run, snapshots, read_all_book_states(backend, snapshots))
    return RunDependents(run, version_uses, read_children(backend, run))


def delete_run(backend: Backend, shown_dependents: RunDependents, confirmation: str = "") -> None:
    """Soft-delete a run. `shown_dependents` is what the user saw; `confirmation` repeats its `confirmation_text`, if it has one.

    Raises ActionRefused if the run belongs to the record, is already deleted, has other dependents than shown, or needs a confirmation
    that is missing (a version from it is in use, or the run is still running).
    """
    dependents = read_dependents(backend, shown_dependents.run.run_id)
    if read_experiment_ref(backend, dependents.run.experiment_id).is_ledger:
        raise ActionRefused("This run belongs to the record, which cannot be deleted.")
    if dependents.run.lifecycle != "active":
        raise ActionRefused("The run is already deleted.")
    if _decision_basis(dependents) != _decision_basis(shown_dependents):
        raise ActionRefused("The dependents of this run have changed since you looked.", next="Review them, then try again.")
    if dependents.confirmation_text and confirmation.strip() != dependents.confirmation_text:
        raise ActionRefused(_blocking_reason(dependents), next=f"Type {dependents.confirmation_text} to delete it anyway.")
    with translate_errors(f"Run {dependents.run.run_id}"):
        client(backend).delete_run(dependents.run.run_id)


def _decision_basis(dependents: RunDependents) -> tuple[object, ...]:
    """What the user decides on; a moved alias or stage changes it. Child runs are not touched, so they do not count."""
    return dependents.is_running, dependents.version_uses


def _blocking_reason(dependents: RunDependents) -> str:
    if not dependents.versions_in_use:
        return "The run is still running. Its program would fail the next time it logs something."
    names = ", ".join(f"{use.model} v{use.version}" for use in dependents.versions_in_use)
    return f"Versions in use that come from this run: {names}."
