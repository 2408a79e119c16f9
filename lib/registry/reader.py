"""Reading the registry through MLflow: one model at one look, and all models in three calls."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import Capabilities, capabilities
from lib.backends.mlflow_client import client, quick_reading, translate, translated
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import Busy, NotFound
from lib.ledger.entry.vocabulary import SLOTS, STAGES, from_millis
from lib.ledger.state.replay import State, fold
from lib.ledger.state.volumes import Followed, Sheet, follow
from lib.ledger.storage import book_cache as kept
from lib.ledger.storage.book import KIND, sheet
from lib.ledger.storage.book_index import MODEL_TAG, find_record, index_params, ledger_experiment, sealed_params
from lib.ledger.storage.book_lookup import Life, book_of, books
from lib.registry.snapshot import HEAD_TAG, Seen, Version, by_number

PAGE = 1000
TORN = 20
NAME_TAG = "podium.model"
OPEN_VOLUMES = f"tags.`{KIND}` = 'book'"
"""Finished volumes are tagged otherwise. A tag that somebody changed costs a request, and hides nothing."""


@dataclass(frozen=True)
class Told:
    """What one book holds: added up, which of its runs were deleted, and the name of the model it was made for."""

    state: State
    deleted: tuple[str, ...]
    name: str

    @property
    def active(self) -> bool:
        return not self.deleted


_MISSING = "RESOURCE_DOES_NOT_EXIST"


def look_at(backend: Backend, model: str) -> Seen:
    """A registered model with all its versions; `created` is None when there is no such model.

    MLflow gives aliases and stages in two answers. The aliases are read before and after the stages, until both agree, so that no
    half of a move is taken for a whole one.
    """
    can, found = capabilities(backend), _model(backend, model)
    for _ in range(TORN):
        if found is None:
            return Seen(model)
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
        raise translate(str(error.error_code), str(error), f"Model {model}") from error


def every_model(backend: Backend) -> tuple[Seen, ...]:
    """All registered models with their versions, by name."""
    can = capabilities(backend)
    with translated("The registered models"), quick_reading():
        found, token = list[RegisteredModel](), None
        while True:
            page = client(backend).search_registered_models(max_results=PAGE, page_token=token)
            found += page
            if not (token := page.token):
                break
    versions = _versions(backend, "")
    return tuple(
        _seen(model, [v for v in versions if v.name == model.name], can) for model in sorted(found, key=lambda m: m.name)
    )


def recorded(backend: Backend, model: str) -> State | None:
    """The book of a model added up, or None when it has none yet. Writes nothing."""
    return find_record(backend, life_of(look_at(backend, model)))


def life_of(seen: Seen) -> Life:
    """A registered model as the index of the ledger needs to know it."""
    return Life(seen.model, seen.created, seen.book)


def every_book(backend: Backend) -> dict[str, Told]:
    """Run id → what a book holds, for every book the index names, deleted ones too. Writes nothing.

    Of the finished volumes of long books only those are fetched that this process has not read yet.
    """
    home, named = ledger_experiment(backend), books(index_params(backend))
    if home is None:
        return {}
    with translated("The ledger"), quick_reading():
        runs = _runs(backend, home, OPEN_VOLUMES, ViewType.ACTIVE_ONLY) | _runs(backend, home, "", ViewType.DELETED_ONLY)
        fetch = partial(_sheet, backend, runs)
        read_ = {book: follow(fetch, book, kept.finished(backend, book), kept.volume) for book in sorted(named)}
    return {book: _told(runs, one, kept.added_up(backend, book, one)) for book, one in read_.items() if one}


def every_book_anew(backend: Backend) -> dict[str, Told]:
    """The same, all of it fetched, hashed and understood now, whatever was read before."""
    home, named = ledger_experiment(backend), books(index_params(backend))
    if home is None:
        return {}
    with translated("The ledger"), quick_reading():
        runs = _runs(backend, home, "", ViewType.ALL)
        read_ = {book: follow(partial(_sheet, backend, runs), book) for book in sorted(named)}
    return {book: _told(runs, one, fold(one.reading)) for book, one in read_.items() if one}


def sealed_books(backend: Backend) -> dict[str, Told]:
    """The same by the seals of the index runs alone, for a ledger whose index cannot be trusted. Books that are gone are left out."""
    found = dict[str, Told]()
    for book in sorted(books(sealed_params(backend))):
        with suppress(NotFound), translated("The ledger"):
            runs = {book: client(backend).get_run(book)}
            read_ = follow(partial(_sheet, backend, runs), book)
            found |= {book: _told(runs, read_, fold(read_.reading))} if read_ else {}
    return found


def every_record(backend: Backend, models: tuple[Seen, ...]) -> dict[str, State]:
    """Model → its book added up, for all models that have one. Writes nothing."""
    told = every_book(backend)
    mine = whose(backend, models, told)
    return {model: told[book].state for model, book in mine.items() if told[book].active}


def whose(backend: Backend, models: tuple[Seen, ...], told: Mapping[str, Told]) -> dict[str, str]:
    """Model → the run id of its book, for all models that have one."""
    index, living = index_params(backend), {seen.created for seen in models}
    lives = {book: one.state.created for book, one in told.items() if one.active}
    found = {seen.model: book_of(index, life_of(seen), lives.get, living.__contains__) for seen in models}
    return {model: book for model, book in found.items() if book is not None and book in told}


def _runs(backend: Backend, home: str, filter_: str, view: str) -> dict[str, Run]:
    found, token = dict[str, Run](), None
    while True:
        page = client(backend).search_runs([home], filter_, view, 10_000, page_token=token)
        found |= {run.info.run_id: run for run in page}
        if not (token := page.token):
            return found


def _sheet(backend: Backend, runs: Mapping[str, Run], run_id: str) -> Sheet | None:
    run = runs.get(run_id)
    return Sheet(run.data.params, run.info.lifecycle_stage == "active") if run else sheet(backend, run_id)


def _told(runs: Mapping[str, Run], read_: Followed, state: State) -> Told:
    deleted = {run_id for run_id, run in runs.items() if run.info.lifecycle_stage != "active"} | set(read_.deleted)
    volumes = [part.run_id for part in read_.reading.parts]
    names = [runs[one].data.tags.get(NAME_TAG, "") for one in volumes if one in runs]
    return Told(state, tuple(one for one in volumes if one in deleted), next(iter(names), ""))


def renamed_to(backend: Backend, created: str) -> str | None:
    """The name of the one model that was created at this time of the store; tells a renamed model from a deleted one."""
    same = [seen.model for seen in every_model(backend) if seen.created == created]
    return same[0] if len(same) == 1 else None


def _versions(backend: Backend, filter_: str) -> list[ModelVersion]:
    with translated("The versions"), quick_reading():
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


def _seen(model: RegisteredModel, versions: list[ModelVersion], can: Capabilities) -> Seen:
    aliases = {alias: str(number) for alias, number in (model.aliases or {}).items()}
    # a server with stages names one for every version, "None" at least
    has_stages = can.stages.has is not False and all(version.current_stage for version in versions)
    known = [_version(v) if has_stages else _by_tag(_version(v), v.tags or {}, aliases) for v in versions]
    known.sort(key=lambda v: by_number(v.number), reverse=True)
    return Seen(
        model=model.name,
        created=from_millis(model.creation_timestamp),
        description=model.description or "",
        aliases=aliases,
        versions={version.number: version for version in known},
        book=(model.tags or {}).get(MODEL_TAG, ""),
        has_stages=has_stages,
        has_aliases=can.aliases.has is not False,
    )


def _by_tag(version: Version, tags: Mapping[str, str], aliases: Mapping[str, str]) -> Version:
    """A version of a server without stages: its tag says the stage, else what was left of the stages, else its alias."""
    if (tagged := tags.get(STAGE_TAG)) in STAGES:
        return replace(version, stage=str(tagged))
    stage = next((SLOTS[slot] for slot in SLOTS if aliases.get(slot) == version.number), "None")
    return version if version.stage != "None" or stage == "None" else replace(version, stage=stage, is_marked=False)


def _version(version: ModelVersion) -> Version:
    return Version(
        number=str(version.version),
        stage=version.current_stage or "None",
        created=from_millis(version.creation_timestamp),
        updated=from_millis(version.last_updated_timestamp or version.creation_timestamp),
        run_id=version.run_id or "",
        description=version.description or "",
        source=version.source or "",
        model_id=version.model_id or "",
        head=(version.tags or {}).get(HEAD_TAG, ""),
    )
