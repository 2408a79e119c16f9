"""What removing runs or an experiment for good would take along, and what forbids it. Reads only; `gc` carries it out.

Protected are Podium's own record, everything a registered version was made from, and places that are not surely the run's own:
MLflow deletes whatever folder a run names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.checks.secret_detection import mask_secrets
from lib.errors import ActionRefused, NotFound
from lib.ledger.state.replay import BookState
from lib.registry.reader import read_all_book_states, read_all_snapshots
from lib.registry.run_usage import find_version_uses
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.artifacts.local_files import folder_of_uri
from lib.runs.reading.related_runs import read_children, read_experiment_ref
from lib.runs.reading.run_reader import read_run, read_runs
from lib.runs.table.types import Run, RunTable, Search

MAX_RUNS = 1_000
"""Runs that are removed at one time."""
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class FilesToDelete:
    """Files that would go: of a run or of a logged model, where they lie, and how many bytes; None where nobody tells."""

    id: str
    name: str
    location: str
    size: int | None


@dataclass(frozen=True)
class DeletionImpact:
    """Everything that one removal would take, and `forbidden`: sentences that say why it must not be carried out.

    `experiment` is its id, when it goes too. `active` are the runs that are not deleted yet and would be, softly, before.
    """

    runs: tuple[FilesToDelete, ...]
    models: tuple[FilesToDelete, ...]
    experiment_id: str = ""
    experiment_name: str = ""
    active_run_ids: tuple[str, ...] = ()
    orphan_count: int = 0
    blockers: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all files whose size is known."""
        return sum(one.size or 0 for one in (*self.runs, *self.models))

    @property
    def confirmation_text(self) -> str:
        """What must be typed: the name of the experiment, that of a single run, else how many runs go."""
        if self.experiment_id:
            return self.experiment_name
        return self.runs[0].name if len(self.runs) == 1 else f"{len(self.runs)} runs"


def assess_run_deletion(backend: Backend, run_ids: Sequence[str]) -> DeletionImpact:
    """What would go with these runs. Raises NotFound for an unknown id, Refused where this backend cannot be cleared from here."""
    _must_be_a_file(backend)
    if len(run_ids) > MAX_RUNS:
        raise ActionRefused(f"{len(run_ids):,} runs are too many at one time.", next=f"Name at most {MAX_RUNS:,}.")
    found = [read_run(backend, run_id) for run_id in run_ids]
    places = {one.experiment_id: read_experiment_ref(backend, one.experiment_id) for one in found}
    if any(place.is_ledger for place in places.values()):
        raise ActionRefused("This run belongs to the record, which nobody removes.")
    doomed = [model for one in found for model in _models_of(backend, one)]
    active = tuple(one.run_id for one in found if one.lifecycle == "active")
    orphans = sum(len(read_children(backend, one)) for one in found[:20])
    return DeletionImpact(
        _files(found), tuple(doomed), active_run_ids=active, orphan_count=orphans, blockers=_forbidden(backend, found, doomed)
    )


def assess_experiment_deletion(backend: Backend, experiment_id: str) -> DeletionImpact:
    """What would go with a deleted experiment. Raises Refused for one that is not deleted, or is Podium's own."""
    _must_be_a_file(backend)
    place = read_experiment_ref(backend, experiment_id)
    if place.is_ledger:
        raise ActionRefused("Podium keeps its record in this experiment, and nobody removes it.")
    if place.lifecycle != "deleted":
        raise ActionRefused(f"{mask_secrets(place.name)} is not deleted.", next="Delete it first, then look again.")
    table = read_runs(backend, Search((experiment_id,), state="all"))
    if len(table) > MAX_RUNS or not table.is_complete:
        raise ActionRefused(
            f"{mask_secrets(place.name)} holds {len(table):,} runs, and at most {MAX_RUNS:,} are removed at one time.",
            next="Run mlflow gc in a shell, at a time when nobody works on this backend.",
        )
    found = _as_runs(table)
    doomed = [*_models_in(backend, experiment_id)]
    restored = [one for one in found if one.lifecycle == "active"]
    why = [f"{_label(one)} was restored on its own and is active." for one in restored[:MAX_EXAMPLES]]
    return DeletionImpact(
        _files(found),
        tuple(doomed),
        experiment_id,
        mask_secrets(place.name),
        blockers=(*why, *_forbidden(backend, found, doomed)),
    )


def _must_be_a_file(backend: Backend) -> None:
    if backend.path is None:
        raise ActionRefused(
            f"Removing for good needs the database itself, and {backend.name} is reached through its server.",
            next="Its administrator runs mlflow gc on the server's machine, after looking at what is registered.",
        )


def _as_runs(table: RunTable) -> list[Run]:
    identity = table.identity
    return [
        Run(
            run_id=run_id,
            name=str(row["name"] or ""),
            experiment_id=str(row["experiment"]),
            status=str(row["status"]),
            lifecycle=str(row["lifecycle"]),
            artifact_uri=str(row["artifact_uri"] or ""),
            model_ids=tuple(row["model_ids"]),
        )
        for run_id, row in zip(table.ids, identity.to_dict("records"), strict=True)
    ]


def _models_of(backend: Backend, of: Run) -> list[FilesToDelete]:
    """The models that this run logged itself. One it only used stays, and one that is gone is gone."""
    made = []
    for model_id in of.model_ids:
        try:
            with translate_errors(f"Model {model_id}"):
                found = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        if found.source_run_id == of.run_id:
            made.append(_kept(model_id, found.name or model_id, found.artifact_location or ""))
    return made


def _models_in(backend: Backend, experiment: str) -> list[FilesToDelete]:
    found, token = [], None
    with translate_errors("The logged models"):
        while True:
            page = client(backend).search_logged_models([experiment], max_results=50, page_token=token)
            found += [_kept(one.model_id, one.name or one.model_id, one.artifact_location or "") for one in page]
            if not (token := page.token):
                return found


def _files(found: Iterable[Run]) -> tuple[FilesToDelete, ...]:
    return tuple(_kept(one.run_id, one.name or one.run_id[:8], one.artifact_uri) for one in found)


def _kept(id_: str, name: str, place: str) -> FilesToDelete:
    return FilesToDelete(id_, mask_secrets(name), place, _size(folder_of_uri(place)))


def _size(at: Path | None) -> int | None:
    """The bytes below a folder; 0 when it is not there, None when it is no folder of this machine. Follows no link."""
    if at is None:
        return None
    total, waiting = 0, [at] if at.is_dir() else []
    while waiting:
        for one in waiting.pop().iterdir():
            if one.is_symlink():
                continue
            if one.is_dir():
                waiting.append(one)
            else:
                total += one.stat().st_size
    return total


def _forbidden(backend: Backend, found: Sequence[Run], doomed: Sequence[FilesToDelete]) -> tuple[str, ...]:
    """Why these must stay: what is registered from them, and places that are not surely theirs."""
    models = read_all_snapshots(backend)
    records = read_all_book_states(backend, models)
    used = [text for one in found for text in _used(one, models, records)]
    mine = {one.id for one in doomed}
    made = [
        f"{seen.model} v{version.number}"
        for seen in models
        for version in seen.versions.values()
        if version.model_id in mine or mine & set(version.source.replace("/", " ").replace(":", " ").split())
    ]
    names = list(dict.fromkeys(mask_secrets(one) for one in (*used, *made)))
    why = [
        f"{name} was made from it: without its files it could not be rolled back to or explained."
        for name in names[:MAX_EXAMPLES]
    ]
    if len(names) > MAX_EXAMPLES:
        why.append(f"So were {len(names) - MAX_EXAMPLES} more versions.")
    strange = [one for one in (*_files(found), *doomed) if not _is_own(one)]
    why += [
        f"{one.name} keeps its files at a place that is not surely its own, and MLflow would delete that place."
        for one in strange[:MAX_EXAMPLES]
    ]
    far = {reach for one in (*found, *()) if (reach := unreadable_scheme(one.artifact_uri, backend))} - {
        "s3",
        "gs",
        "wasbs",
        "abfss",
    }
    why += [
        f"Files at {one}: addresses are not reached from the bare database, so MLflow would stop half-way." for one in sorted(far)
    ]
    return tuple(why)


def _used(of: Run, models: Sequence[RegistrySnapshot], records: Mapping[str, BookState]) -> list[str]:
    return [f"{use.model} v{use.version}" for use in find_version_uses(of, tuple(models), records)]


def _is_own(one: FilesToDelete) -> bool:
    """Does the place carry the id of the run or model, as every place does that MLflow makes? Nothing lies in an empty one."""
    return one.size == 0 or not one.location or one.id in one.location.replace("\\", "/").split("/")


def _label(one: Run) -> str:
    return f"{mask_secrets(one.name)} ({one.run_id[:8]})" if one.name else one.run_id[:8]
