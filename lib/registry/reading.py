"""Reading the registry through MLflow: one model at one look, and all models in three calls."""

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from lib.backends.connect import client, quick_reading, translate, translated
from lib.backends.uri import Backend
from lib.ledger.book import read
from lib.ledger.chain import decode
from lib.ledger.fold import State, fold
from lib.ledger.index import MODEL_TAG, books, find_book, ledger_experiment, slot_name
from lib.ledger.words import from_millis
from lib.registry.seen import HEAD_TAG, Seen, Version, by_number

PAGE = 1000
_MISSING = "RESOURCE_DOES_NOT_EXIST"


def look_at(backend: Backend, model: str) -> Seen:
    """A registered model with all its versions; `created` is None when there is no such model."""
    try:
        found = client(backend).get_registered_model(model)
    except MlflowException as error:
        if error.error_code == _MISSING:
            return Seen(model)
        raise translate(str(error.error_code), str(error), f"Model {model}") from error
    return _seen(found, [v for v in _versions(backend, _named(model)) if v.name == model])


def every_model(backend: Backend) -> tuple[Seen, ...]:
    """All registered models with their versions, by name."""
    with translated("The registered models"), quick_reading():
        found, token = list[RegisteredModel](), None
        while True:
            page = client(backend).search_registered_models(max_results=PAGE, page_token=token)
            found += page
            if not (token := page.token):
                break
    versions = _versions(backend, "")
    return tuple(_seen(model, [v for v in versions if v.name == model.name]) for model in sorted(found, key=lambda m: m.name))


def recorded(backend: Backend, model: str) -> State | None:
    """The book of a model added up, or None when it has none yet. Writes nothing."""
    book = find_book(backend, model)
    return read(backend, book) if book else None


def every_record(backend: Backend, models: tuple[Seen, ...]) -> dict[str, State]:
    """Model → its book added up, for all models that have one. Writes nothing."""
    home = ledger_experiment(backend)
    if home is None:
        return {}
    elected = {name: run_id for run_id, name in books(backend).items()}
    with translated("The ledger"), quick_reading():
        found = client(backend).search_runs([home], "tags.`podium.kind` = 'book'", max_results=50_000)
    runs = {run.info.run_id: run.data.params for run in found}
    wanted = {seen.model: elected.get(slot_name(seen.model), "") for seen in models}
    return {model: fold(decode(runs[run_id], run_id)) for model, run_id in wanted.items() if run_id in runs}


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


def _seen(model: RegisteredModel, versions: list[ModelVersion]) -> Seen:
    known = sorted((_version(v) for v in versions), key=lambda v: by_number(v.number), reverse=True)
    return Seen(
        model=model.name,
        created=from_millis(model.creation_timestamp),
        description=model.description or "",
        aliases={alias: str(number) for alias, number in (model.aliases or {}).items()},
        versions={version.number: version for version in known},
        book=(model.tags or {}).get(MODEL_TAG, ""),
    )


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
