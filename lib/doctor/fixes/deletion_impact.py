"""What removing runs or an experiment for good would take along, and what forbids it. Reads only; `mlflow_gc` carries it out.

Protected are Podium's own record, everything a registered version was made from, and locations that are not surely the run's own:
MLflow deletes whatever folder a run names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.doctor.report import format_run_label
from lib.doctor.secret_detection import mask_secrets
from lib.errors import ActionRefused, NotFound
from lib.ledger.state.replay import BookState
from lib.registry.reader import read_all_book_states, read_all_snapshots
from lib.registry.run_usage import find_version_uses
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.artifacts.files import CLOUD_SCHEMES
from lib.runs.artifacts.local_files import folder_of_uri, own_root
from lib.runs.reading.related_runs import read_children, read_experiment_ref
from lib.runs.reading.run_reader import read_run, read_runs
from lib.runs.reading.sqlite_reader import query_rows
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
    """Everything that one removal would take, and its `blockers`: sentences that say why it must not be carried out.

    `experiment_id` is empty unless the experiment goes too. `active_run_ids` are runs that would first be deleted softly.
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
        return sum(files.size or 0 for files in (*self.runs, *self.models))

    @property
    def confirmation_text(self) -> str:
        """What must be typed: the name of the experiment, that of a single run, else how many runs go."""
        if self.experiment_id:
            return self.experiment_name
        return self.runs[0].name if len(self.runs) == 1 else f"{len(self.runs)} runs"


def assess_run_deletion(backend: Backend, run_ids: Sequence[str]) -> DeletionImpact:
    """What would go with these runs. Raises NotFound for an unknown id, ActionRefused where this backend cannot be cleared."""
    _require_database_file(backend)
    if len(run_ids) > MAX_RUNS:
        raise ActionRefused(f"{len(run_ids):,} runs are too many at one time.", next=f"Name at most {MAX_RUNS:,}.")
    runs = [read_run(backend, run_id) for run_id in run_ids]
    experiments = {run.experiment_id: read_experiment_ref(backend, run.experiment_id) for run in runs}
    if any(experiment.is_ledger for experiment in experiments.values()):
        raise ActionRefused("This run belongs to the record, which nobody removes.")
    models = [model for run in runs for model in _read_models_of_run(backend, run)]
    active_run_ids = tuple(run.run_id for run in runs if run.lifecycle == "active")
    return DeletionImpact(
        _files_of_runs(runs),
        tuple(models),
        active_run_ids=active_run_ids,
        orphan_count=_count_orphans(backend, runs),
        blockers=_find_blockers(backend, runs, models),
    )


def assess_experiment_deletion(backend: Backend, experiment_id: str) -> DeletionImpact:
    """What would go with a deleted experiment. Raises ActionRefused for one that is not deleted, or is Podium's own."""
    _require_database_file(backend)
    experiment = read_experiment_ref(backend, experiment_id)
    if experiment.is_ledger:
        raise ActionRefused("Podium keeps its record in this experiment, and nobody removes it.")
    if experiment.lifecycle != "deleted":
        raise ActionRefused(f"{mask_secrets(experiment.name)} is not deleted.", next="Delete it first, then look again.")
    table = read_runs(backend, Search((experiment_id,), state="all"))
    if len(table) > MAX_RUNS or not table.is_complete:
        raise ActionRefused(
            f"{mask_secrets(experiment.name)} holds {len(table):,} runs, and at most {MAX_RUNS:,} are removed at one time.",
            next="Run mlflow gc in a shell, at a time when nobody works on this backend.",
        )
    runs = _runs_of_table(table)
    models = [*_read_models_in_experiment(backend, experiment_id)]
    restored_runs = [run for run in runs if run.lifecycle == "active"]
    blockers = [
        f"{format_run_label(run.name, run.run_id)} was restored on its own and is active." for run in restored_runs[:MAX_EXAMPLES]
    ]
    return DeletionImpact(
        _files_of_runs(runs),
        tuple(models),
        experiment_id,
        mask_secrets(experiment.name),
        orphan_count=_count_orphans(backend, runs),
        blockers=(*blockers, *_find_blockers(backend, runs, models)),
    )


def _count_orphans(backend: Backend, runs: Sequence[Run]) -> int:
    """How many child runs stay behind without their parent: of all runs, deleted ones too, those that go themselves left out."""
    run_ids = {run.run_id for run in runs}
    rows = query_rows(backend, "SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'")
    pairs = [(child.run_id, run.run_id) for run in runs for child in read_children(backend, run)] if rows is None else rows
    return sum(child_id not in run_ids and parent_id in run_ids for child_id, parent_id in pairs)


def _require_database_file(backend: Backend) -> None:
    if backend.path is None:
        raise ActionRefused(
            f"Removing for good needs the database itself, and {backend.name} is reached through its server.",
            next="Its administrator runs mlflow gc on the server's machine, after looking at what is registered.",
        )


def _runs_of_table(table: RunTable) -> list[Run]:
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


def _read_models_of_run(backend: Backend, run: Run) -> list[FilesToDelete]:
    """The models that this run logged itself. One it only used stays, and one that is gone is gone."""
    models = []
    for model_id in run.model_ids:
        try:
            with translate_errors(f"Model {model_id}"):
                model = client(backend).get_logged_model(model_id)
        except NotFound:
            continue
        if model.source_run_id == run.run_id:
            models.append(_files_to_delete(model_id, model.name or model_id, model.artifact_location or ""))
    return models


def _read_models_in_experiment(backend: Backend, experiment_id: str) -> list[FilesToDelete]:
    models, token = [], None
    with translate_errors("The logged models"):
        while True:
            page = client(backend).search_logged_models([experiment_id], max_results=50, page_token=token)
            models += [
                _files_to_delete(model.model_id, model.name or model.model_id, model.artifact_location or "") for model in page
            ]
            if not (token := page.token):
                return models


def _files_of_runs(runs: Iterable[Run]) -> tuple[FilesToDelete, ...]:
    return tuple(_files_to_delete(run.run_id, run.name or run.run_id[:8], run.artifact_uri) for run in runs)


def _files_to_delete(id_: str, name: str, location: str) -> FilesToDelete:
    return FilesToDelete(id_, mask_secrets(name), location, _folder_size(folder_of_uri(location)))


def _folder_size(folder: Path | None) -> int | None:
    """The bytes below a folder; 0 when it is not there, None when it is no folder of this machine. Follows no link."""
    if folder is None:
        return None
    total, pending = 0, [folder] if folder.is_dir() else []
    while pending:
        for path in pending.pop().iterdir():
            if path.is_symlink():
                continue
            if path.is_dir():
                pending.append(path)
            else:
                total += path.stat().st_size
    return total


def _find_blockers(backend: Backend, runs: Sequence[Run], models: Sequence[FilesToDelete]) -> tuple[str, ...]:
    """Why these must stay: what is registered from them, and places that are not surely theirs."""
    snapshots = read_all_snapshots(backend)
    book_states = read_all_book_states(backend, snapshots)
    run_versions = [text for run in runs for text in _versions_using(run, snapshots, book_states)]
    model_ids = {model.id for model in models}
    model_versions = [
        f"{snapshot.model} v{version.number}"
        for snapshot in snapshots
        for version in snapshot.versions.values()
        if version.model_id in model_ids or model_ids & set(version.source.replace("/", " ").replace(":", " ").split())
    ]
    names = list(dict.fromkeys(mask_secrets(name) for name in (*run_versions, *model_versions)))
    blockers = [
        f"{name} was made from it: without its files it could not be rolled back to or explained."
        for name in names[:MAX_EXAMPLES]
    ]
    if len(names) > MAX_EXAMPLES:
        blockers.append(f"So were {len(names) - MAX_EXAMPLES} more versions.")
    unsafe_files = [files for files in (*_files_of_runs(runs), *models) if not _is_own(files)]
    blockers += [
        f"{files.name} keeps its files at a place that is not surely its own, and MLflow would delete that place."
        for files in unsafe_files[:MAX_EXAMPLES]
    ]
    schemes = {scheme for run in runs if (scheme := unreadable_scheme(run.artifact_uri, backend))} - CLOUD_SCHEMES
    blockers += [
        f"Files at {scheme}: addresses are not reached from the bare database, so MLflow would stop half-way."
        for scheme in sorted(schemes)
    ]
    return tuple(blockers)


def _versions_using(run: Run, snapshots: Sequence[RegistrySnapshot], book_states: Mapping[str, BookState]) -> list[str]:
    return [f"{use.model} v{use.version}" for use in find_version_uses(run, tuple(snapshots), book_states)]


def _is_own(files: FilesToDelete) -> bool:
    """Does the location contain the id of the run or model, as all that MLflow makes do, and no link from there on?

    An empty one holds nothing to lose.
    """
    if files.size == 0 or not files.location:
        return True
    folder = folder_of_uri(files.location)
    root = own_root(folder, files.id) if folder else None
    is_linked = root is not None and root.resolve() != root
    return not is_linked and files.id in files.location.replace("\\", "/").split("/")
