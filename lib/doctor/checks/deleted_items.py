"""Reports soft-deleted runs and experiments, which MLflow hides but keeps."""

from collections.abc import Sequence

from lib.backends.backend import Backend
from lib.doctor import fix_ids
from lib.doctor.report import evidence_rows
from lib.doctor.types import Check, Clock, Finding, ProgressCallback, offer_fix
from lib.runs.edit.experiment_changes import read_deleted_experiments
from lib.runs.reading.run_reader import read_experiments, read_runs
from lib.runs.table.types import RunTable, Search

DECOY_PREFIX = "podium-removal-"
"""Name prefix of decoy experiments, created and deleted to limit what mlflow gc removes. Never reported."""


def read_deleted_runs(backend: Backend) -> RunTable:
    """Return the deleted runs of active experiments, newest first."""
    return read_runs(
        backend, Search(tuple(experiment.experiment_id for experiment in read_experiments(backend)), state="deleted")
    )


def check_deleted_runs(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """List the deleted runs."""
    table = read_deleted_runs(backend)
    if not len(table):
        return DELETED_RUNS_CHECK.fine_findings("none")
    experiment_names = {experiment.experiment_id: experiment.name for experiment in read_experiments(backend)}
    rows = [
        (str(row["name"] or ""), run_id[:8], experiment_names.get(str(row["experiment"]), ""), _format_versions(row["versions"]))
        for run_id, row in zip(table.ids, table.identity.to_dict("records"), strict=True)
    ]
    only_id = table.ids[0] if len(table) == 1 else ""
    return (
        Finding(
            DELETED_RUNS_CHECK.id,
            "notice",
            "A run is deleted and can be restored" if only_id else f"{len(table):,} runs are deleted and can be restored",
            f"{len(table):,} deleted",
            ("Run", "Id", "Experiment", "Registered from it"),
            evidence_rows(rows),
            "Their metrics and files still exist and take up space. Lists and comparisons omit them.",
            "Restore runs deleted by accident. Removing runs for good is only worthwhile to free space or to get rid of a logged secret.",
            (offer_fix(fix_ids.RESTORE_RUNS, runs=only_id), offer_fix(fix_ids.REMOVE_RUNS, runs=only_id)),
        ),
    )


def check_deleted_experiments(backend: Backend, _: Clock, __: ProgressCallback) -> tuple[Finding, ...]:
    """List the deleted experiments."""
    experiments = [experiment for experiment in read_deleted_experiments(backend) if not experiment.name.startswith(DECOY_PREFIX)]
    if not experiments:
        return DELETED_EXPERIMENTS_CHECK.fine_findings("none")
    only_id = experiments[0].experiment_id if len(experiments) == 1 else ""
    return (
        Finding(
            DELETED_EXPERIMENTS_CHECK.id,
            "notice",
            "An experiment is deleted and can be restored"
            if only_id
            else f"{len(experiments):,} experiments are deleted and can be restored",
            f"{len(experiments):,} deleted",
            ("Experiment", "Id"),
            evidence_rows([(experiment.name, experiment.experiment_id) for experiment in experiments]),
            "Its name stays taken, and its runs and files still exist.",
            "Restore it with all its runs, including those deleted individually before, or remove it for good.",
            (offer_fix(fix_ids.RESTORE_EXPERIMENT, experiment=only_id), offer_fix(fix_ids.REMOVE_EXPERIMENT, experiment=only_id)),
        ),
    )


def _format_versions(versions: Sequence[object]) -> str:
    return ", ".join(f"{getattr(version, 'model', '')} v{getattr(version, 'version', '')}" for version in versions)


DELETED_RUNS_CHECK = Check("deleted_runs", "Deleted runs", "Are there deleted runs that can be restored?", check_deleted_runs)
DELETED_EXPERIMENTS_CHECK = Check(
    "deleted_experiments", "Deleted experiments", "Are there deleted experiments?", check_deleted_experiments
)
CHECKS = (DELETED_RUNS_CHECK, DELETED_EXPERIMENTS_CHECK)
