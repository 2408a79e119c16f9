"""Assesses what removing runs or an experiment for good would delete, and what blocks it. Read-only; `mlflow_gc` removes.

Protected are Podium's own record, everything a registered version depends on, and locations that may not belong to the run alone:
MLflow deletes whatever folder a run points to.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lib.backends.artifact_access import unreadable_scheme
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
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
from lib.runs.reading.sqlite_reader import json_array, query_rows
from lib.runs.table.types import Run, RunTable, Search
from lib.text import clean_text

MAX_RUNS = 1_000
"""Maximum number of runs removed at once."""
MAX_EXAMPLES = 5
_MODELS_OF_RUNS = """
SELECT model_id, name, artifact_location FROM logged_models WHERE source_run_id IN (SELECT value FROM json_each(?)) ORDER BY model_id
"""
_MODELS_IN_EXPERIMENT = "SELECT model_id, name, artifact_location FROM logged_models WHERE experiment_id = ? ORDER BY model_id"


@dataclass(frozen=True)
class FilesToDelete:
    """Files of a run or logged model that would be deleted: their location and size in bytes, None if unknown."""

    id: str
    name: str
    location: str
    size: int | None


@dataclass(frozen=True)
class DeletionImpact:
    """Everything a removal would delete, and its `blockers`: sentences that explain why it is not allowed.

    `experiment_id` is empty unless the experiment is removed too. `active_run_ids` are runs that would be soft-deleted first.
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
        """Total size in bytes of all files whose size is known."""
        return sum(files.size or 0 for files in (*self.runs, *self.models))

    @property
    def confirmation_text(self) -> str:
        """Text to type for confirmation, never empty: the name of the experiment or the single run, else the number of runs.

        Invisible characters of a name cannot be typed and are left out; the id replaces a name that has no others.
        """
        if self.experiment_id:
            return " ".join(clean_text(self.experiment_name).split()) or self.experiment_id
        if len(self.runs) == 1:
            return " ".join(clean_text(self.runs[0].name).split()) or self.runs[0].id[:8]
        return f"{len(self.runs)} runs"

    @property
    def fingerprint(self) -> str:
        """A hash of the ids of everything that would be removed."""
        ids = sorted(files.id for files in (*self.runs, *self.models))
        return sha256("\n".join([self.experiment_id, *ids]).encode()).hexdigest()


def assess_run_deletion(backend: Backend, run_ids: Sequence[str]) -> DeletionImpact:
    """Assess removing these runs. Raises NotFound for an unknown id, ActionRefused if this backend does not allow removal."""
    _require_database_file(backend)
    if len(run_ids) > MAX_RUNS:
        raise ActionRefused(f"{len(run_ids):,} runs are too many at once.", next=f"Select at most {MAX_RUNS:,}.")
    runs = [read_run(backend, run_id) for run_id in run_ids]
    experiments = {run.experiment_id: read_experiment_ref(backend, run.experiment_id) for run in runs}
    if any(experiment.is_ledger for experiment in experiments.values()):
        raise ActionRefused("This run belongs to Podium's record and cannot be removed.")
    models = _read_models_of_runs(backend, runs)
    active_run_ids = tuple(run.run_id for run in runs if run.lifecycle == "active")
    return DeletionImpact(
        _files_of_runs(runs),
        tuple(models),
        active_run_ids=active_run_ids,
        orphan_count=_count_orphans(backend, runs),
        blockers=_find_blockers(backend, runs, models),
    )


def assess_experiment_deletion(backend: Backend, experiment_id: str) -> DeletionImpact:
    """Assess removing a deleted experiment. Raises ActionRefused if it is not deleted or belongs to Podium."""
    _require_database_file(backend)
    experiment = read_experiment_ref(backend, experiment_id)
    if experiment.is_ledger:
        raise ActionRefused("This experiment holds Podium's record and cannot be removed.")
    if experiment.lifecycle != "deleted":
        raise ActionRefused(f"{mask_secrets(experiment.name)} is not deleted.", next="Delete it first, then check again.")
    table = read_runs(backend, Search((experiment_id,), state="all"))
    if len(table) > MAX_RUNS or not table.is_complete:
        raise ActionRefused(
            f"{mask_secrets(experiment.name)} holds {len(table):,} runs, and at most {MAX_RUNS:,} can be removed at once.",
            next="Run mlflow gc in a shell while the backend is not in use.",
        )
    runs = _runs_of_table(table)
    models = [*_read_models_in_experiment(backend, experiment_id)]
    restored_runs = [run for run in runs if run.lifecycle == "active"]
    blockers = [
        f"{format_run_label(run.name, run.run_id)} was restored individually and is active."
        for run in restored_runs[:MAX_EXAMPLES]
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
    """Count child runs, active or deleted, that would remain without their parent."""
    run_ids = {run.run_id for run in runs}
    rows = query_rows(backend, "SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'")
    pairs = [(child.run_id, run.run_id) for run in runs for child in read_children(backend, run)] if rows is None else rows
    return sum(child_id not in run_ids and parent_id in run_ids for child_id, parent_id in pairs)


def _require_database_file(backend: Backend) -> None:
    if backend.path is None:
        raise ActionRefused(
            f"Removing for good requires direct access to the database, but {backend.name} is accessed through its server.",
            next="Ask its administrator to run mlflow gc on the server's machine, after checking which runs are registered.",
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


def _read_models_of_runs(backend: Backend, runs: Sequence[Run]) -> list[FilesToDelete]:
    """Return the models logged by these runs, not those they only used.

    The tables also name models that an interrupted removal left deleted, which MLflow's client does not return.
    """
    rows = query_rows(backend, _MODELS_OF_RUNS, json_array([run.run_id for run in runs]))
    if rows is not None:
        return [_files_to_delete(str(id_), str(name or id_), str(location or "")) for id_, name, location in rows]
    models = []
    for run in runs:
        for model_id in run.model_ids:
            with suppress(NotFound), translate_errors(f"Model {model_id}"):
                model = client(backend).get_logged_model(model_id)
                if model.source_run_id == run.run_id:
                    models.append(_files_to_delete(model_id, model.name or model_id, model.artifact_location or ""))
    return models


def _read_models_in_experiment(backend: Backend, experiment_id: str) -> list[FilesToDelete]:
    rows = query_rows(backend, _MODELS_IN_EXPERIMENT, experiment_id)
    if rows is not None:
        return [_files_to_delete(str(id_), str(name or id_), str(location or "")) for id_, name, location in rows]
    with translate_errors("The logged models"):
        models = read_pages(lambda token: client(backend).search_logged_models([experiment_id], max_results=50, page_token=token))
    return [_files_to_delete(model.model_id, model.name or model.model_id, model.artifact_location or "") for model in models]


def _files_of_runs(runs: Iterable[Run]) -> tuple[FilesToDelete, ...]:
    return tuple(_files_to_delete(run.run_id, run.name or run.run_id[:8], run.artifact_uri) for run in runs)


def _files_to_delete(id_: str, name: str, location: str) -> FilesToDelete:
    return FilesToDelete(id_, mask_secrets(name), location, _folder_size(folder_of_uri(location)))


def _folder_size(folder: Path | None) -> int | None:
    """Return the size of a folder in bytes: 0 if missing, None if not on this machine or not readable. Does not follow links."""
    if folder is None:
        return None
    try:
        total, pending = 0, [folder] if folder.is_dir() else []
        while pending:
            for path in pending.pop().iterdir():
                if path.is_symlink():
                    continue
                if path.is_dir():
                    pending.append(path)
                else:
                    total += path.stat().st_size
    except OSError:
        return None
    return total


def _find_blockers(backend: Backend, runs: Sequence[Run], models: Sequence[FilesToDelete]) -> tuple[str, ...]:
    """Return why these cannot be removed: registered versions depend on them, or their locations may be shared."""
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
    blockers = [f"{name} was registered from it and needs its files for rollback and audit." for name in names[:MAX_EXAMPLES]]
    if len(names) > MAX_EXAMPLES:
        blockers.append(f"{len(names) - MAX_EXAMPLES} more versions were registered from it.")
    unsafe_files = [files for files in (*_files_of_runs(runs), *models) if not _is_own(files)]
    blockers += [
        f"The file location of {files.name} may not belong to it alone, and MLflow would delete the entire location."
        for files in unsafe_files[:MAX_EXAMPLES]
    ]
    schemes = {scheme for run in runs if (scheme := unreadable_scheme(run.artifact_uri, backend))} - CLOUD_SCHEMES
    blockers += [
        f"Files at {scheme}: addresses cannot be reached from the bare database, so MLflow would stop partway."
        for scheme in sorted(schemes)
    ]
    return tuple(blockers)


def _versions_using(run: Run, snapshots: Sequence[RegistrySnapshot], book_states: Mapping[str, BookState]) -> list[str]:
    return [f"{use.model} v{use.version}" for use in find_version_uses(run, tuple(snapshots), book_states)]


def _is_own(files: FilesToDelete) -> bool:
    """Return whether the location contains the run's or model's id, as MLflow's own do, with no link from there on.

    An empty location has nothing to lose.
    """
    if files.size == 0 or not files.location:
        return True
    folder = folder_of_uri(files.location)
    root = own_root(folder, files.id) if folder else None
    is_linked = root is not None and root.resolve() != root
    return not is_linked and files.id in files.location.replace("\\", "/").split("/")
