"""Reports registered versions that lost their files, the run that trained them, or its commit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor import fix_ids
from lib.doctor.checks.git_commits import FROZEN_COMMIT_TAG, existing_commits, logged_commits
from lib.doctor.report import evidence_rows
from lib.doctor.run_cache import read_active_runs
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Check, Clock, Finding, FixOffer, ProgressCallback, offer_fix
from lib.errors import NotFound, PodiumError, Unreachable
from lib.registry.reader import read_all_snapshots
from lib.registry.snapshot import VersionSnapshot
from lib.runs.artifacts.files import ArtifactLocation, list_folder
from lib.runs.artifacts.local_files import folder_of_uri
from lib.runs.artifacts.mlmodel import MLMODEL_FILE
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import COMMIT_TAG, Run

MAX_VERSIONS = 500


@dataclass(frozen=True)
class MissingPart:
    """Something a version lacks: `what` in a few words, its consequence in `means`, and a run to restore, if that helps."""

    version: str
    stage: str
    what: str
    means: str
    restorable_run_id: str = ""


def check_model_versions(backend: Backend, clock: Clock, progress: ProgressCallback) -> tuple[Finding, ...]:
    """Check the registered versions, those in use first, for missing files, runs and commits."""
    versions = [(snapshot.model, version) for snapshot in read_all_snapshots(backend) for version in snapshot.versions.values()]
    versions.sort(key=lambda pair: pair[1].stage not in ("Production", "Staging"))
    run_ids = dict.fromkeys(version.run_id for _, version in versions[:MAX_VERSIONS] if version.run_id)
    runs = {run_id: _find_run(backend, run_id) for run_id in run_ids}
    missing_commits = _find_missing_commits(backend, clock, runs)
    missing_parts, unreached_count = list[MissingPart](), 0
    for index, (model, version) in enumerate(versions[:MAX_VERSIONS]):
        if index % 20 == 0:
            progress(f"Checking version {index + 1} of {len(versions):,}…")
        name, run = f"{model} v{version.number}", runs.get(version.run_id)
        missing_parts += _find_missing_parts(name, version, run, missing_commits)
        files = _look_for_files(backend, name, version)
        missing_parts += [MissingPart(name, version.stage, "the files", files.problem)] if files.problem else []
        unreached_count += not files.is_reached
    incomplete_versions = {part.version for part in missing_parts}
    checked_count = min(len(versions), MAX_VERSIONS)
    scope = f"{checked_count:,}" + (f", the first of {len(versions):,}" if len(versions) > MAX_VERSIONS else "")
    unreached = f"; the files of {unreached_count:,} cannot be reached from here" if unreached_count else ""
    if not missing_parts:
        return MODEL_VERSIONS_CHECK.fine_findings(
            f"{checked_count - unreached_count:,} of {scope}{unreached}" if versions else "none registered"
        )
    is_in_use = any(part.stage in ("Production", "Staging") for part in missing_parts if "files" in part.what)
    return (
        Finding(
            MODEL_VERSIONS_CHECK.id,
            "problem" if is_in_use else "notice",
            f"{mask_secrets(next(iter(incomplete_versions)))} is incomplete"
            if len(incomplete_versions) == 1
            else f"{len(incomplete_versions)} versions are incomplete",
            f"{len(incomplete_versions)} of {scope} incomplete{unreached}",
            ("Version", "Stage", "Missing", "What follows"),
            evidence_rows([(part.version, part.stage, part.what, part.means) for part in missing_parts]),
            "An incomplete version may not be explainable, reproducible or usable for a rollback.",
            "Restore deleted runs. Lost files can only be recovered from a backup. Archive versions that cannot be loaded.",
            _fix_offers(missing_parts),
        ),
    )


def _fix_offers(missing_parts: list[MissingPart]) -> tuple[FixOffer, ...]:
    run_ids = list(dict.fromkeys(part.restorable_run_id for part in missing_parts if part.restorable_run_id))
    return (offer_fix(fix_ids.RESTORE_RUNS, runs=" ".join(run_ids)),) if run_ids else ()


def _find_missing_parts(name: str, version: VersionSnapshot, run: Run | None, missing_commits: set[str]) -> Iterator[MissingPart]:
    if version.run_id and run is None:
        yield MissingPart(name, version.stage, "the run", "Its parameters, metrics and data are no longer on this backend.")
    elif run and run.lifecycle == "deleted":
        yield MissingPart(name, version.stage, "the run, deleted", "It can be restored until it is removed for good.", run.run_id)
    if run and (commit := _commit_of(run)) in missing_commits:
        yield MissingPart(
            name,
            version.stage,
            f"commit {commit[:10]}",
            "The local repository no longer contains it, so the run cannot be reproduced.",
        )


@dataclass(frozen=True)
class _ModelFiles:
    """Whether a version's files are reachable from here, and why they cannot be loaded; empty if they can."""

    problem: str = ""
    is_reached: bool = True


def _look_for_files(backend: Backend, name: str, version: VersionSnapshot) -> _ModelFiles:
    model = name.rpartition(" v")[0]
    try:
        with translate_errors(name):
            location = str(client(backend).get_model_version_download_uri(model, version.number))
        return _look_for_mlmodel(backend, location, version)
    except NotFound:
        return _ModelFiles("Their location is no longer known.")
    except Unreachable:
        raise
    except PodiumError as error:
        return _ModelFiles(error.what[:200])


def _look_for_mlmodel(backend: Backend, location: str, version: VersionSnapshot) -> _ModelFiles:
    folder = folder_of_uri(location)
    if folder is not None and backend.path is not None:
        is_there = (folder / MLMODEL_FILE).is_file()
    elif folder is not None or unreadable_scheme(location, backend):
        return _ModelFiles(is_reached=False)  # a server's folder or a cloud: covered by the artifact location check
    else:
        names = {entry.name for entry in list_folder(backend, ArtifactLocation(location, model_id=version.model_id))}
        is_there = MLMODEL_FILE in names
    return _ModelFiles("" if is_there else "There is no MLmodel file at its location, so it cannot be loaded.")


def _find_run(backend: Backend, run_id: str) -> Run | None:
    try:
        return read_run(backend, run_id)
    except NotFound:
        return None


def _commit_of(run: Run) -> str:
    return run.tags.get(FROZEN_COMMIT_TAG) or run.tags.get(COMMIT_TAG, "")


def _find_missing_commits(backend: Backend, clock: Clock, runs: dict[str, Run | None]) -> set[str]:
    """Return commits missing from the local repository, provided it contains other logged commits and so is the right one."""
    commits = {commit for run in runs.values() if run and (commit := _commit_of(run))}
    if not commits:
        return set()
    run_commits = logged_commits(read_active_runs(backend, clock).table)
    repository_commits = existing_commits(commits | run_commits, Path.cwd())
    return {commit for commit in commits if len(commit) == 40} - repository_commits if repository_commits else set()


MODEL_VERSIONS_CHECK = Check(
    "versions_whole",
    "Versions are complete",
    "Do registered versions still have their files, their run and its commit?",
    check_model_versions,
)
CHECKS = (MODEL_VERSIONS_CHECK,)
