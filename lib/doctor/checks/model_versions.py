"""Registered versions that have lost what they are made of: their files, the run that trained them, or its commit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.checks.git_commits import FROZEN_COMMIT_TAG, existing_commits, logged_commits
from lib.doctor.run_cache import evidence_rows, read_active_runs
from lib.doctor.types import Check, Clock, Finding, FixOffer, ProgressCallback, offer_fix
from lib.errors import NotFound, PodiumError, Unreachable
from lib.registry.reader import read_all_snapshots
from lib.registry.snapshot import VersionSnapshot
from lib.runs.artifacts.files import ArtifactLocation, list_folder
from lib.runs.artifacts.local_files import folder_of_uri
from lib.runs.reading.run_reader import read_run
from lib.runs.table.types import COMMIT_TAG, Run

MAX_VERSIONS = 500
MLMODEL_FILE = "MLmodel"


@dataclass(frozen=True)
class MissingPart:
    """What one version lacks: `what` in a few words, `means` in a sentence, and the run that can be restored, if that helps."""

    version: str
    stage: str
    what: str
    means: str
    restorable_run_id: str = ""


def check_model_versions(backend: Backend, clock: Clock, progress: ProgressCallback) -> tuple[Finding, ...]:
    """Go through the registered versions, those in use first, and see whether all they need is there."""
    every = [(seen.model, one) for seen in read_all_snapshots(backend) for one in seen.versions.values()]
    every.sort(key=lambda pair: pair[1].stage not in ("Production", "Staging"))
    runs = {id_: _run(backend, id_) for id_ in dict.fromkeys(one.run_id for _, one in every[:MAX_VERSIONS]) if id_}
    gone = _gone_commits(backend, clock, runs)
    lost = list[MissingPart]()
    for number, (model, one) in enumerate(every[:MAX_VERSIONS]):
        if number % 20 == 0:
            progress(f"Is version {number + 1} of {len(every):,} whole?")
        lost += _losses(backend, f"{model} v{one.number}", one, runs.get(one.run_id), gone)
    ill = {one.version for one in lost}
    of = f"{min(len(every), MAX_VERSIONS):,}" + (f", the first of {len(every):,}" if len(every) > MAX_VERSIONS else "")
    if not lost:
        return MODEL_VERSIONS_CHECK.fine_findings(f"{of} of {of}" if every else "none registered")
    used = any(one.stage in ("Production", "Staging") for one in lost if "files" in one.what)
    return (
        Finding(
            MODEL_VERSIONS_CHECK.id,
            "problem" if used else "notice",
            f"{next(iter(ill))} has lost something" if len(ill) == 1 else f"{len(ill)} versions have lost something",
            f"{len(ill)} of {of} not whole",
            ("Version", "Stage", "Missing", "What follows"),
            evidence_rows([(one.version, one.stage, one.what, one.means) for one in lost]),
            "Such a version cannot be explained or rolled back to as one would expect.",
            "Restore deleted runs. Files that are gone come back only from a backup; archive a version that cannot be loaded.",
            _cures(lost),
        ),
    )


def _cures(lost: list[MissingPart]) -> tuple[FixOffer, ...]:
    runs = list(dict.fromkeys(one.restorable_run_id for one in lost if one.restorable_run_id))
    return (offer_fix("restore_runs", runs=" ".join(runs)),) if runs else ()


def _losses(backend: Backend, name: str, one: VersionSnapshot, made_by: Run | None, gone: set[str]) -> Iterator[MissingPart]:
    if one.run_id and made_by is None:
        yield MissingPart(name, one.stage, "the run", "Its parameters, metrics and data are not on this backend any more.")
    elif made_by and made_by.lifecycle == "deleted":
        yield MissingPart(name, one.stage, "the run, deleted", "It can be restored until it is removed for good.", made_by.run_id)
    if made_by and (commit := _commit(made_by)) in gone:
        yield MissingPart(
            name, one.stage, f"commit {commit[:10]}", "The repository here does not have it any more: it cannot be repeated."
        )
    if why := _files(backend, name, one):
        yield MissingPart(name, one.stage, "the files", why)


def _files(backend: Backend, name: str, one: VersionSnapshot) -> str:
    """Why the model's files cannot be loaded; empty when they are there, or lie where nobody looks from here."""
    model = name.rpartition(" v")[0]
    try:
        with translate_errors(name):
            place = str(client(backend).get_model_version_download_uri(model, one.number))
        return _look(backend, place, one)
    except NotFound:
        return "Where they were is not known any more."
    except Unreachable:
        raise
    except PodiumError as error:
        return error.what[:200]


def _look(backend: Backend, place: str, one: VersionSnapshot) -> str:
    here = folder_of_uri(place)
    if here is not None and backend.path is not None:
        return "" if (here / MLMODEL_FILE).is_file() else "There is no MLmodel file at its place, so it cannot be loaded."
    if here is not None or unreadable_scheme(place, backend):
        return ""  # the server's own folder, or a cloud: the check of locations speaks of these
    names = {entry.name for entry in list_folder(backend, ArtifactLocation(place, model_id=one.model_id))}
    return "" if MLMODEL_FILE in names else "There is no MLmodel file at its place, so it cannot be loaded."


def _run(backend: Backend, run_id: str) -> Run | None:
    try:
        return read_run(backend, run_id)
    except NotFound:
        return None


def _commit(of: Run) -> str:
    return of.tags.get(FROZEN_COMMIT_TAG) or of.tags.get(COMMIT_TAG, "")


def _gone_commits(backend: Backend, clock: Clock, runs: dict[str, Run | None]) -> set[str]:
    """Commits of versions that the repository here lacks, although it has others that runs name: then it is theirs."""
    asked = {commit for of in runs.values() if of and (commit := _commit(of))}
    if not asked:
        return set()
    everyone = logged_commits(read_active_runs(backend, clock).table)
    there = existing_commits(asked | everyone, Path.cwd())
    return {one for one in asked if len(one) == 40} - there if there else set()


MODEL_VERSIONS_CHECK = Check(
    "versions_whole",
    "Versions are whole",
    "Do registered versions still have their files, their run and its commit?",
    check_model_versions,
)
CHECKS = (MODEL_VERSIONS_CHECK,)
