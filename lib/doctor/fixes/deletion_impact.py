"""What removing runs or an experiment for good would take along, and what forbids it. Reads only; `gc` carries it out.

Protected are Podium's own record, everything a registered version was made from, and places that are not surely the run's own:
MLflow deletes whatever folder a run names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import out_of_reach
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, translated
from lib.doctor.checks.secret_detection import without_secrets
from lib.errors import NotFound, Refused
from lib.ledger.state.replay import State
from lib.registry.reader import every_model, every_record
from lib.registry.run_usage import uses_of
from lib.registry.snapshot import Seen
from lib.runs.artifacts.local_files import folder
from lib.runs.reading.related_runs import children, home
from lib.runs.reading.run_reader import run, runs
from lib.runs.table.types import Run, RunTable, Search

MOST = 1_000
"""Runs that are removed at one time."""
NAMED = 5


@dataclass(frozen=True)
class Kept:
    """Files that would go: of a run or of a logged model, where they lie, and how many bytes; None where nobody tells."""

    id: str
    name: str
    place: str
    size: int | None


@dataclass(frozen=True)
class Loss:
    """Everything that one removal would take, and `forbidden`: sentences that say why it must not be carried out.

    `experiment` is its id, when it goes too. `active` are the runs that are not deleted yet and would be, softly, before.
    """

    runs: tuple[Kept, ...]
    models: tuple[Kept, ...]
    experiment: str = ""
    name: str = ""
    active: tuple[str, ...] = ()
    orphans: int = 0
    forbidden: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all files whose size is known."""
        return sum(one.size or 0 for one in (*self.runs, *self.models))

    @property
    def word(self) -> str:
        """What must be typed: the name of the experiment, that of a single run, else how many runs go."""
        if self.experiment:
            return self.name
        return self.runs[0].name if len(self.runs) == 1 else f"{len(self.runs)} runs"


def loss_of_runs(backend: Backend, run_ids: Sequence[str]) -> Loss:
    """What would go with these runs. Raises NotFound for an unknown id, Refused where this backend cannot be cleared from here."""
    _must_be_a_file(backend)
    if len(run_ids) > MOST:
        raise Refused(f"{len(run_ids):,} runs are too many at one time.", next=f"Name at most {MOST:,}.")
    found = [run(backend, run_id) for run_id in run_ids]
    places = {one.experiment_id: home(backend, one.experiment_id) for one in found}
    if any(place.is_record for place in places.values()):
        raise Refused("This run belongs to the record, which nobody removes.")
    doomed = [model for one in found for model in _models_of(backend, one)]
    active = tuple(one.run_id for one in found if one.lifecycle == "active")
    orphans = sum(len(children(backend, one)) for one in found[:20])
    return Loss(_files(found), tuple(doomed), active=active, orphans=orphans, forbidden=_forbidden(backend, found, doomed))


def loss_of_experiment(backend: Backend, experiment: str) -> Loss:
    """What would go with a deleted experiment. Raises Refused for one that is not deleted, or is Podium's own."""
    _must_be_a_file(backend)
    place = home(backend, experiment)
    if place.is_record:
        raise Refused("Podium keeps its record in this experiment, and nobody removes it.")
    if place.lifecycle != "deleted":
        raise Refused(f"{without_secrets(place.name)} is not deleted.", next="Delete it first, then look again.")
    table = runs(backend, Search((experiment,), state="all"))
    if len(table) > MOST or not table.is_whole:
        raise Refused(
            f"{without_secrets(place.name)} holds {len(table):,} runs, and at most {MOST:,} are removed at one time.",
            next="Run mlflow gc in a shell, at a time when nobody works on this backend.",
        )
    found = _as_runs(table)
    doomed = [*_models_in(backend, experiment)]
    restored = [one for one in found if one.lifecycle == "active"]
    why = [f"{_label(one)} was restored on its own and is active." for one in restored[:NAMED]]
    return Loss(
        _files(found),
        tuple(doomed),
        experiment,
        without_secrets(place.name),
        forbidden=(*why, *_forbidden(backend, found, doomed)),
    )


def _must_be_a_file(backend: Backend) -> None:
    if backend.path is None:
        raise Refused(
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


def _models_of(backend: Backend, of: Run) -> list[Kept]:
    """The models that this run logged itself. One it only used stays, and one that is gone is gone."""
    made = []
    for model_id in of.model_ids:
        try:
            with translated(f"Model {model_id}"):
                found = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        if found.source_run_id == of.run_id:
            made.append(_kept(model_id, found.name or model_id, found.artifact_location or ""))
    return made


def _models_in(backend: Backend, experiment: str) -> list[Kept]:
    found, token = [], None
    with translated("The logged models"):
        while True:
            page = client(backend).search_logged_models([experiment], max_results=50, page_token=token)
            found += [_kept(one.model_id, one.name or one.model_id, one.artifact_location or "") for one in page]
            if not (token := page.token):
                return found


def _files(found: Iterable[Run]) -> tuple[Kept, ...]:
    return tuple(_kept(one.run_id, one.name or one.run_id[:8], one.artifact_uri) for one in found)


def _kept(id_: str, name: str, place: str) -> Kept:
    return Kept(id_, without_secrets(name), place, _size(folder(place)))


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


def _forbidden(backend: Backend, found: Sequence[Run], doomed: Sequence[Kept]) -> tuple[str, ...]:
    """Why these must stay: what is registered from them, and places that are not surely theirs."""
    models = every_model(backend)
    records = every_record(backend, models)
    used = [text for one in found for text in _used(one, models, records)]
    mine = {one.id for one in doomed}
    made = [
        f"{seen.model} v{version.number}"
        for seen in models
        for version in seen.versions.values()
        if version.model_id in mine or mine & set(version.source.replace("/", " ").replace(":", " ").split())
    ]
    names = list(dict.fromkeys(without_secrets(one) for one in (*used, *made)))
    why = [f"{name} was made from it: without its files it could not be rolled back to or explained." for name in names[:NAMED]]
    if len(names) > NAMED:
        why.append(f"So were {len(names) - NAMED} more versions.")
    strange = [one for one in (*_files(found), *doomed) if not _is_own(one)]
    why += [
        f"{one.name} keeps its files at a place that is not surely its own, and MLflow would delete that place."
        for one in strange[:NAMED]
    ]
    far = {reach for one in (*found, *()) if (reach := out_of_reach(one.artifact_uri, backend))} - {"s3", "gs", "wasbs", "abfss"}
    why += [
        f"Files at {one}: addresses are not reached from the bare database, so MLflow would stop half-way." for one in sorted(far)
    ]
    return tuple(why)


def _used(of: Run, models: Sequence[Seen], records: Mapping[str, State]) -> list[str]:
    return [f"{use.model} v{use.version}" for use in uses_of(of, tuple(models), records)]


def _is_own(one: Kept) -> bool:
    """Does the place carry the id of the run or model, as every place does that MLflow makes? Nothing lies in an empty one."""
    return one.size == 0 or not one.place or one.id in one.place.replace("\\", "/").split("/")


def _label(one: Run) -> str:
    return f"{without_secrets(one.name)} ({one.run_id[:8]})" if one.name else one.run_id[:8]
