"""Registered versions that have lost what they are made of: their files, the run that trained them, or its commit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import out_of_reach
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, translated
from lib.doctor.checks.git_commits import FROZEN, known, named_by
from lib.doctor.run_cache import gathered, shown
from lib.doctor.types import Call, Check, Clock, Finding, Told, call
from lib.errors import NotFound, PodiumError, Unreachable
from lib.registry.reader import every_model
from lib.registry.snapshot import Version
from lib.runs.artifacts.files import Place, listing
from lib.runs.artifacts.local_files import folder
from lib.runs.reading.run_reader import run
from lib.runs.table.types import COMMIT_TAG, Run

MOST = 500
HEAD = "MLmodel"


@dataclass(frozen=True)
class Loss:
    """What one version lacks: `what` in a few words, `means` in a sentence, and the run that can be restored, if that helps."""

    version: str
    stage: str
    what: str
    means: str
    restore: str = ""


def whole(backend: Backend, clock: Clock, told: Told) -> tuple[Finding, ...]:
    """Go through the registered versions, those in use first, and see whether all they need is there."""
    every = [(seen.model, one) for seen in every_model(backend) for one in seen.versions.values()]
    every.sort(key=lambda pair: pair[1].stage not in ("Production", "Staging"))
    runs = {id_: _run(backend, id_) for id_ in dict.fromkeys(one.run_id for _, one in every[:MOST]) if id_}
    gone = _gone_commits(backend, clock, runs)
    lost = list[Loss]()
    for number, (model, one) in enumerate(every[:MOST]):
        if number % 20 == 0:
            told(f"Is version {number + 1} of {len(every):,} whole?")
        lost += _losses(backend, f"{model} v{one.number}", one, runs.get(one.run_id), gone)
    ill = {one.version for one in lost}
    of = f"{min(len(every), MOST):,}" + (f", the first of {len(every):,}" if len(every) > MOST else "")
    if not lost:
        return WHOLE.fine(f"{of} of {of}" if every else "none registered")
    used = any(one.stage in ("Production", "Staging") for one in lost if "files" in one.what)
    return (
        Finding(
            WHOLE.id,
            "problem" if used else "notice",
            f"{next(iter(ill))} has lost something" if len(ill) == 1 else f"{len(ill)} versions have lost something",
            f"{len(ill)} of {of} not whole",
            ("Version", "Stage", "Missing", "What follows"),
            shown([(one.version, one.stage, one.what, one.means) for one in lost]),
            "Such a version cannot be explained or rolled back to as one would expect.",
            "Restore deleted runs. Files that are gone come back only from a backup; archive a version that cannot be loaded.",
            _cures(lost),
        ),
    )


def _cures(lost: list[Loss]) -> tuple[Call, ...]:
    runs = list(dict.fromkeys(one.restore for one in lost if one.restore))
    return (call("restore_runs", runs=" ".join(runs)),) if runs else ()


def _losses(backend: Backend, name: str, one: Version, made_by: Run | None, gone: set[str]) -> Iterator[Loss]:
    if one.run_id and made_by is None:
        yield Loss(name, one.stage, "the run", "Its parameters, metrics and data are not on this backend any more.")
    elif made_by and made_by.lifecycle == "deleted":
        yield Loss(name, one.stage, "the run, deleted", "It can be restored until it is removed for good.", made_by.run_id)
    if made_by and (commit := _commit(made_by)) in gone:
        yield Loss(
            name, one.stage, f"commit {commit[:10]}", "The repository here does not have it any more: it cannot be repeated."
        )
    if why := _files(backend, name, one):
        yield Loss(name, one.stage, "the files", why)


def _files(backend: Backend, name: str, one: Version) -> str:
    """Why the model's files cannot be loaded; empty when they are there, or lie where nobody looks from here."""
    model = name.rpartition(" v")[0]
    try:
        with translated(name):
            place = str(client(backend).get_model_version_download_uri(model, one.number))
        return _look(backend, place, one)
    except NotFound:
        return "Where they were is not known any more."
    except Unreachable:
        raise
    except PodiumError as error:
        return error.what[:200]


def _look(backend: Backend, place: str, one: Version) -> str:
    here = folder(place)
    if here is not None and backend.path is not None:
        return "" if (here / HEAD).is_file() else "There is no MLmodel file at its place, so it cannot be loaded."
    if here is not None or out_of_reach(place, backend):
        return ""  # the server's own folder, or a cloud: the check of locations speaks of these
    names = {entry.name for entry in listing(backend, Place(place, model_id=one.model_id))}
    return "" if HEAD in names else "There is no MLmodel file at its place, so it cannot be loaded."


def _run(backend: Backend, run_id: str) -> Run | None:
    try:
        return run(backend, run_id)
    except NotFound:
        return None


def _commit(of: Run) -> str:
    return of.tags.get(FROZEN) or of.tags.get(COMMIT_TAG, "")


def _gone_commits(backend: Backend, clock: Clock, runs: dict[str, Run | None]) -> set[str]:
    """Commits of versions that the repository here lacks, although it has others that runs name: then it is theirs."""
    asked = {commit for of in runs.values() if of and (commit := _commit(of))}
    if not asked:
        return set()
    everyone = named_by(gathered(backend, clock).table)
    there = known(asked | everyone, Path.cwd())
    return {one for one in asked if len(one) == 40} - there if there else set()


WHOLE = Check(
    "versions_whole", "Versions are whole", "Do registered versions still have their files, their run and its commit?", whole
)
CHECKS = (WHOLE,)
