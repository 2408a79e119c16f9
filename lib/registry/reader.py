"""Reads registry and books through MLflow: one model at one moment, or all models in three calls."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import Capabilities, read_capabilities
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_error, translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import BOOK_MODEL_TAG, BOOK_TAG, HEAD_TAG, KIND_TAG, STAGE_TAG
from lib.errors import Busy
from lib.ledger.entry.timestamps import timestamp_from_millis
from lib.ledger.entry.vocabulary import SLOTS, STAGES
from lib.ledger.state.book_lookup import ModelIncarnation, book_ids, book_lives, group_tagged_books, resolve_book_id
from lib.ledger.state.replay import BookState
from lib.ledger.state.volumes import BookVolumes, VolumeParams, read_volumes
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import read_named_params
from lib.ledger.storage.book_index import find_book_state, find_ledger_experiment_id, read_index_params
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, version_sort_key

_MODELS_PER_PAGE, _VERSIONS_PER_PAGE, _RUNS_PER_PAGE = 1000, 10_000, 10_000
_MAX_TORN_READS = 20
_MAX_SINGLE_READS = 100
"""Up to this many runs of a ledger are read one by one; beyond that, all at once."""
_OPEN_VOLUMES_FILTER = f"tags.`{KIND_TAG}` = 'book'"
"""Finished volumes have another tag value. A changed tag costs one request but hides nothing."""
_MISSING = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class LoadedBook:
    """One book: its state, its deleted runs, and the name of the model it was created for."""

    state: BookState
    deleted_run_ids: tuple[str, ...]
    model: str

    @property
    def is_active(self) -> bool:
        return not self.deleted_run_ids


def read_snapshot(backend: Backend, model: str) -> RegistrySnapshot:
    """A registered model with all its versions; `created_at` is None if there is no such model.

    MLflow returns aliases and stages in separate responses. The aliases are read before and after the stages until both agree, so that
    half of a move is never mistaken for a complete one.
    """
    capabilities, registered_model = read_capabilities(backend), _read_model(backend, model)
    for _ in range(_MAX_TORN_READS):
        if registered_model is None:
            return RegistrySnapshot(model)
        versions = [version for version in _read_versions(backend, _name_filter(model)) if version.name == model]
        confirmation = _read_model(backend, model)
        if confirmation is not None and confirmation.aliases == registered_model.aliases:
            return _snapshot(confirmation, versions, capabilities)
        registered_model = confirmation
    raise Busy(f"The versions of {model} keep being moved.", next="Wait a moment, then try again.")


def read_all_snapshots(backend: Backend) -> tuple[RegistrySnapshot, ...]:
    """All registered models with their versions, by name."""
    capabilities = read_capabilities(backend)
    with translate_errors("The registered models"), relaxed_gc():
        models = read_pages(
            lambda token: client(backend).search_registered_models(max_results=_MODELS_PER_PAGE, page_token=token)
        )
    versions = _read_versions(backend, "")
    return tuple(
        _snapshot(model, [version for version in versions if version.name == model.name], capabilities)
        for model in sorted(models, key=lambda model: model.name)
    )


def read_book_state(backend: Backend, model: str) -> BookState | None:
    """The state of a model's book; None if it has none yet. Writes nothing."""
    return find_book_state(backend, incarnation_of(read_snapshot(backend, model)))


def incarnation_of(snapshot: RegistrySnapshot) -> ModelIncarnation:
    """A registered model as the index of the ledger identifies it."""
    return ModelIncarnation(snapshot.model, snapshot.created_at, snapshot.tagged_book_id, snapshot.head_book_ids)


def read_all_books(backend: Backend) -> dict[str, LoadedBook]:
    """Run id → book, for every indexed book, including deleted ones. Writes nothing.

    Finished volumes of long books are fetched only if this process has not read them yet.
    """
    experiment_id, indexed_ids = find_ledger_experiment_id(backend), book_ids(read_index_params(backend))
    if experiment_id is None:
        return {}
    with translate_errors("The ledger"), relaxed_gc():
        runs = _read_runs(backend, experiment_id, _OPEN_VOLUMES_FILTER, ViewType.ACTIVE_ONLY)
        runs |= _read_runs(backend, experiment_id, "", ViewType.DELETED_ONLY)
        finished_volumes = {book_id: book_cache.cached_finished_volumes(backend, book_id) for book_id in indexed_ids}
        if len([book_id for book_id in indexed_ids if not finished_volumes[book_id] and book_id not in runs]) > _MAX_SINGLE_READS:
            runs |= _read_runs(backend, experiment_id, "", ViewType.ACTIVE_ONLY)
        fetch = partial(_volume_params, backend, runs)
        volumes_by_book = {
            book_id: read_volumes(fetch, book_id, finished_volumes[book_id], book_cache.decode_volume_cached)
            for book_id in _readable_book_ids(indexed_ids, {*runs, *filter(finished_volumes.get, indexed_ids)})
        }
    return {
        book_id: _loaded_book(runs, volumes, book_cache.replay_cached(backend, book_id, volumes))
        for book_id, volumes in volumes_by_book.items()
        if volumes
    }


def read_all_book_states(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, BookState]:
    """Model → the state of its book, for all models with a book. Writes nothing."""
    books = read_all_books(backend)
    book_id_by_model = find_book_ids(backend, snapshots, books)
    return {model: books[book_id].state for model, book_id in book_id_by_model.items() if books[book_id].is_active}


def find_book_ids(
    backend: Backend, snapshots: tuple[RegistrySnapshot, ...], loaded_books: Mapping[str, LoadedBook]
) -> dict[str, str]:
    """Model → the run id of its book, for all models with a book."""
    return match_books(read_index_params(backend), snapshots, loaded_books)


def match_books(
    index: Mapping[str, str], snapshots: tuple[RegistrySnapshot, ...], loaded_books: Mapping[str, LoadedBook]
) -> dict[str, str]:
    """The same for an index already read."""
    tagged_books = group_tagged_books(map(incarnation_of, snapshots))
    lives_by_book = {book_id: book_lives(book.state) for book_id, book in loaded_books.items()}
    book_id_by_model = {
        snapshot.model: resolve_book_id(index, incarnation_of(snapshot), lives_by_book.get, lambda: tagged_books)
        for snapshot in snapshots
    }
    return {model: book_id for model, book_id in book_id_by_model.items() if book_id is not None and book_id in loaded_books}


def find_renamed_model(backend: Backend, created: str) -> str | None:
    """The name of the only model with this creation time; distinguishes a renamed model from a deleted one."""
    models = [snapshot.model for snapshot in read_all_snapshots(backend) if snapshot.created_at == created]
    return models[0] if len(models) == 1 else None


def _readable_book_ids(indexed_ids: Collection[str], known_ids: Collection[str]) -> list[str]:
    """The books to read. If the index names too many unknown ones, they were planted and are skipped."""
    unknown_count = len([book_id for book_id in indexed_ids if book_id not in known_ids])
    return sorted(book_id for book_id in indexed_ids if book_id in known_ids or unknown_count <= _MAX_SINGLE_READS)


def _volume_params(backend: Backend, runs: Mapping[str, Run], run_id: str) -> VolumeParams | None:
    """One run of a book, from the fetched runs or else from the store."""
    run = runs.get(run_id)
    return VolumeParams(run.data.params, run.info.lifecycle_stage == "active") if run else read_named_params(backend, run_id)


def _loaded_book(runs: Mapping[str, Run], volumes: BookVolumes, state: BookState) -> LoadedBook:
    deleted = {run_id for run_id, run in runs.items() if run.info.lifecycle_stage != "active"} | set(volumes.deleted_run_ids)
    run_ids = [volume.run_id for volume in volumes.book.volumes]
    names = [runs[run_id].data.tags.get(BOOK_MODEL_TAG, "") for run_id in run_ids if run_id in runs]
    return LoadedBook(state, tuple(run_id for run_id in run_ids if run_id in deleted), next(iter(names), ""))


def _read_model(backend: Backend, model: str) -> RegisteredModel | None:
    try:
        return client(backend).get_registered_model(model)
    except MlflowException as error:
        if error.error_code == _MISSING:
            return None
        raise translate_error(error, f"Model {model}") from error


def _read_versions(backend: Backend, filter_text: str) -> list[ModelVersion]:
    with translate_errors("The versions"), relaxed_gc():
        return read_pages(
            lambda token: client(backend).search_model_versions(filter_text, max_results=_VERSIONS_PER_PAGE, page_token=token)
        )


def _read_runs(backend: Backend, experiment_id: str, filter_text: str, view: str) -> dict[str, Run]:
    runs = read_pages(
        lambda token: client(backend).search_runs([experiment_id], filter_text, view, _RUNS_PER_PAGE, page_token=token)
    )
    return {run.info.run_id: run for run in runs}


def _name_filter(model: str) -> str:
    """The search filter for a name. MLflow cannot escape quotes, so names with both kinds are filtered afterwards."""
    if "'" not in model:
        return f"name = '{model}'"
    return f'name = "{model}"' if '"' not in model else ""


def _snapshot(model: RegisteredModel, model_versions: list[ModelVersion], capabilities: Capabilities) -> RegistrySnapshot:
    aliases = {alias: str(number) for alias, number in (model.aliases or {}).items()}
    # a server with stages returns one for every version, at least "None"
    has_stages = capabilities.stages.is_available is not False and all(version.current_stage for version in model_versions)
    versions = [
        _version(version) if has_stages else _infer_stage(_version(version), version.tags or {}, aliases)
        for version in model_versions
    ]
    versions.sort(key=lambda version: version_sort_key(version.number), reverse=True)
    return RegistrySnapshot(
        model=model.name,
        created_at=timestamp_from_millis(model.creation_timestamp),
        description=model.description or "",
        aliases=aliases,
        versions={version.number: version for version in versions},
        tagged_book_id=(model.tags or {}).get(BOOK_TAG, ""),
        has_stages=has_stages,
        has_aliases=capabilities.aliases.is_available is not False,
    )


def _infer_stage(version: VersionSnapshot, tags: Mapping[str, str], aliases: Mapping[str, str]) -> VersionSnapshot:
    """A version on a server without stages: its stage comes from its tag, else from a leftover real stage, else from its alias."""
    if (tagged_stage := tags.get(STAGE_TAG)) in STAGES:
        return replace(version, stage=str(tagged_stage))
    stage = next((SLOTS[slot] for slot in SLOTS if aliases.get(slot) == version.number), "None")
    return version if version.stage != "None" or stage == "None" else replace(version, stage=stage, has_explicit_stage=False)


def _version(version: ModelVersion) -> VersionSnapshot:
    return VersionSnapshot(
        number=str(version.version),
        stage=version.current_stage or "None",
        created_at=timestamp_from_millis(version.creation_timestamp),
        updated_at=timestamp_from_millis(version.last_updated_timestamp or version.creation_timestamp),
        run_id=version.run_id or "",
        description=version.description or "",
        source=version.source or "",
        model_id=version.model_id or "",
        head=(version.tags or {}).get(HEAD_TAG, ""),
        registration=str(version.status or "READY"),
    )
