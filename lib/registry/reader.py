"""Reading the registry through MLflow: one model at one look, and all models in three calls."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import Capabilities, read_capabilities
from lib.backends.mlflow_client import client, relaxed_gc, to_podium_error, translate_errors
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import Busy, NotFound
from lib.ledger.entry.timestamps import timestamp_from_millis
from lib.ledger.entry.vocabulary import SLOTS, STAGES
from lib.ledger.state.replay import BookState, replay
from lib.ledger.state.volumes import BookVolumes, VolumeParams, read_volumes
from lib.ledger.storage import book_cache
from lib.ledger.storage.book import KIND_TAG, read_volume_params
from lib.ledger.storage.book_index import (
    BOOK_TAG,
    find_book_state,
    find_ledger_experiment_id,
    read_index_params,
    read_sealed_index_params,
)
from lib.ledger.storage.book_lookup import ModelIncarnation, book_ids, resolve_book_id
from lib.registry.snapshot import HEAD_TAG, RegistrySnapshot, VersionSnapshot, version_sort_key

PAGE_SIZE = 1000
MAX_TORN_READS = 20
MODEL_NAME_TAG = "podium.model"
OPEN_VOLUMES_FILTER = f"tags.`{KIND_TAG}` = 'book'"
"""Finished volumes are tagged otherwise. A tag that somebody changed costs a request, and hides nothing."""


@dataclass(frozen=True)
class LoadedBook:
    """What one book holds: added up, which of its runs were deleted, and the name of the model it was made for."""

    state: BookState
    deleted_run_ids: tuple[str, ...]
    model: str

    @property
    def is_active(self) -> bool:
        return not self.deleted_run_ids


_MISSING = "RESOURCE_DOES_NOT_EXIST"


def read_snapshot(backend: Backend, model: str) -> RegistrySnapshot:
    """A registered model with all its versions; `created` is None when there is no such model.

    MLflow gives aliases and stages in two answers. The aliases are read before and after the stages, until both agree, so that no
    half of a move is taken for a whole one.
    """
    can, found = read_capabilities(backend), _model(backend, model)
    for _ in range(MAX_TORN_READS):
        if found is None:
            return RegistrySnapshot(model)
        versions = [v for v in _versions(backend, _named(model)) if v.name == model]
        again = _model(backend, model)
        if again is not None and again.aliases == found.aliases:
            return _seen(again, versions, can)
        found = again
    raise Busy(f"{model} is being moved all the time.", next="Wait a moment, then look again.")


def _model(backend: Backend, model: str) -> RegisteredModel | None:
    try:
        return client(backend).get_registered_model(model)
    except MlflowException as error:
        if error.error_code == _MISSING:
            return None
        raise to_podium_error(str(error.error_code), str(error), f"Model {model}") from error


def read_all_snapshots(backend: Backend) -> tuple[RegistrySnapshot, ...]:
    """All registered models with their versions, by name."""
    can = read_capabilities(backend)
    with translate_errors("The registered models"), relaxed_gc():
        found, token = list[RegisteredModel](), None
        while True:
            page = client(backend).search_registered_models(max_results=PAGE_SIZE, page_token=token)
            found += page
            if not (token := page.token):
                break
    versions = _versions(backend, "")
    return tuple(
        _seen(model, [v for v in versions if v.name == model.name], can) for model in sorted(found, key=lambda m: m.name)
    )


def read_book_state(backend: Backend, model: str) -> BookState | None:
    """The book of a model added up, or None when it has none yet. Writes nothing."""
    return find_book_state(backend, incarnation_of(read_snapshot(backend, model)))


def incarnation_of(snapshot: RegistrySnapshot) -> ModelIncarnation:
    """A registered model as the index of the ledger needs to know it."""
    return ModelIncarnation(snapshot.model, snapshot.created_at, snapshot.tagged_book_id)


def read_all_books(backend: Backend) -> dict[str, LoadedBook]:
    """Run id → what a book holds, for every book the index names, deleted ones too. Writes nothing.

    Of the finished volumes of long books only those are fetched that this process has not read yet.
    """
    home, named = find_ledger_experiment_id(backend), book_ids(read_index_params(backend))
    if home is None:
        return {}
    with translate_errors("The ledger"), relaxed_gc():
        runs = _runs(backend, home, OPEN_VOLUMES_FILTER, ViewType.ACTIVE_ONLY) | _runs(backend, home, "", ViewType.DELETED_ONLY)
        fetch = partial(_sheet, backend, runs)
        read_ = {
            book: read_volumes(fetch, book, book_cache.cached_finished_volumes(backend, book), book_cache.decode_volume_cached)
            for book in sorted(named)
        }
    return {book: _told(runs, one, book_cache.replay_cached(backend, book, one)) for book, one in read_.items() if one}


def read_all_books_uncached(backend: Backend) -> dict[str, LoadedBook]:
    """The same, all of it fetched, hashed and understood now, whatever was read before."""
    home, named = find_ledger_experiment_id(backend), book_ids(read_index_params(backend))
    if home is None:
        return {}
    with translate_errors("The ledger"), relaxed_gc():
        runs = _runs(backend, home, "", ViewType.ALL)
        read_ = {book: read_volumes(partial(_sheet, backend, runs), book) for book in sorted(named)}
    return {book: _told(runs, one, replay(one.book)) for book, one in read_.items() if one}


def read_sealed_books(backend: Backend) -> dict[str, LoadedBook]:
    """The same by the seals of the index runs alone, for a ledger whose index cannot be trusted. Books that are gone are left out."""
    found = dict[str, LoadedBook]()
    for book in sorted(book_ids(read_sealed_index_params(backend))):
        with suppress(NotFound), translate_errors("The ledger"):
            runs = {book: client(backend).get_run(book)}
            read_ = read_volumes(partial(_sheet, backend, runs), book)
            found |= {book: _told(runs, read_, replay(read_.book))} if read_ else {}
    return found


def read_all_book_states(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, BookState]:
    """Model → its book added up, for all models that have one. Writes nothing."""
    told = read_all_books(backend)
    mine = find_book_ids(backend, snapshots, told)
    return {model: told[book].state for model, book in mine.items() if told[book].is_active}


def find_book_ids(
    backend: Backend, snapshots: tuple[RegistrySnapshot, ...], loaded_books: Mapping[str, LoadedBook]
) -> dict[str, str]:
    """Model → the run id of its book, for all models that have one."""
    index, living = read_index_params(backend), {seen.created_at for seen in snapshots}
    lives = {book: one.state.model_created_at for book, one in loaded_books.items() if one.is_active}
    found = {seen.model: resolve_book_id(index, incarnation_of(seen), lives.get, living.__contains__) for seen in snapshots}
    return {model: book for model, book in found.items() if book is not None and book in loaded_books}


def _runs(backend: Backend, home: str, filter_: str, view: str) -> dict[str, Run]:
    found, token = dict[str, Run](), None
    while True:
        page = client(backend).search_runs([home], filter_, view, 10_000, page_token=token)
        found |= {run.info.run_id: run for run in page}
        if not (token := page.token):
            return found


def _sheet(backend: Backend, runs: Mapping[str, Run], run_id: str) -> VolumeParams | None:
    run = runs.get(run_id)
    return VolumeParams(run.data.params, run.info.lifecycle_stage == "active") if run else read_volume_params(backend, run_id)


def _told(runs: Mapping[str, Run], read_: BookVolumes, state: BookState) -> LoadedBook:
    deleted = {run_id for run_id, run in runs.items() if run.info.lifecycle_stage != "active"} | set(read_.deleted_run_ids)
    volumes = [part.run_id for part in read_.book.volumes]
    names = [runs[one].data.tags.get(MODEL_NAME_TAG, "") for one in volumes if one in runs]
    return LoadedBook(state, tuple(one for one in volumes if one in deleted), next(iter(names), ""))


def find_renamed_model(backend: Backend, created: str) -> str | None:
    """The name of the one model that was created at this time of the store; tells a renamed model from a deleted one."""
    same = [seen.model for seen in read_all_snapshots(backend) if seen.created_at == created]
    return same[0] if len(same) == 1 else None


def _versions(backend: Backend, filter_: str) -> list[ModelVersion]:
    with translate_errors("The versions"), relaxed_gc():
        found, token = list[ModelVersion](), None
        while True:
            page = client(backend).search_model_versions(filter_, max_results=10_000, page_token=token)
            found += page
            if not (token := page.token):
                return found


def _named(model: str) -> str:
    """The search filter for a name. MLflow has no escape for quotes, so a name with both kinds is filtered afterwards."""
    if "'" not in model:
        return f"name = '{model}'"
    return f'name = "{model}"' if '"' not in model else ""


def _seen(model: RegisteredModel, versions: list[ModelVersion], can: Capabilities) -> RegistrySnapshot:
    aliases = {alias: str(number) for alias, number in (model.aliases or {}).items()}
    # a server with stages names one for every version, "None" at least
    has_stages = can.stages.is_available is not False and all(version.current_stage for version in versions)
    known = [_version(v) if has_stages else _by_tag(_version(v), v.tags or {}, aliases) for v in versions]
    known.sort(key=lambda v: version_sort_key(v.number), reverse=True)
    return RegistrySnapshot(
        model=model.name,
        created_at=timestamp_from_millis(model.creation_timestamp),
        description=model.description or "",
        aliases=aliases,
        versions={version.number: version for version in known},
        tagged_book_id=(model.tags or {}).get(BOOK_TAG, ""),
        has_stages=has_stages,
        has_aliases=can.aliases.is_available is not False,
    )


def _by_tag(version: VersionSnapshot, tags: Mapping[str, str], aliases: Mapping[str, str]) -> VersionSnapshot:
    """A version of a server without stages: its tag says the stage, else what was left of the stages, else its alias."""
    if (tagged := tags.get(STAGE_TAG)) in STAGES:
        return replace(version, stage=str(tagged))
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
    )
