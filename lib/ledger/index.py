"""Which run is the book of a model. Race-safe: two names that only one writer can take elect the index and each book.

A unique experiment name elects the index run, a write-once parameter of the index run elects the book. The id of the index run
stands in three places (contract §3.5), so that a renamed experiment or a dropped tag is noticed instead of forking the ledger.
"""

import hashlib

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from lib.backends.connect import client, translate, translated
from lib.backends.uri import Backend
from lib.errors import LedgerBroken, NotFound
from lib.ledger.book import read
from lib.ledger.words import from_millis

LEDGER, INDEX = "podium-ledger", "podium-ledger-index"
OURS = frozenset({LEDGER, INDEX})
TAG, MODEL_TAG = "podium.index", "podium.book"
_EXISTS, _MISSING = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"


def find_book(backend: Backend, model: str) -> str | None:
    """The run id of the book of a model, or None when there is none yet. Writes nothing."""
    index = _find_index(backend)
    if index is None:
        return None
    return _index_params(backend, index).get(_slot(model))


def open_book(backend: Backend, model: str) -> str:
    """The run id of the book of a model; makes ledger, index and book where they are missing.

    Raises LedgerBroken when the index was tampered with, NotWritable when this person may not write.
    """
    index = _find_index(backend) or _make_index(backend)
    params = _index_params(backend, index)
    if found := params.get(_slot(model)):
        return found
    if "index" not in params:
        _take(backend, index, "index", index)
    _note_index(backend, index)
    return _make_book(backend, index, model)


def books(backend: Backend) -> dict[str, str]:
    """Run id → name of the parameter that elected it, for every book the index names. Writes nothing."""
    index = _find_index(backend)
    params = _index_params(backend, index) if index else {}
    return {run_id: name for name, run_id in params.items() if name.startswith("book.")}


def ledger_experiment(backend: Backend) -> str | None:
    """The id of the ledger's experiment, or None when there is none yet."""
    found = _experiment(backend, LEDGER)
    return found.experiment_id if found else None


def slot_name(model: str) -> str:
    """The parameter of the index that names the book of a model."""
    return _slot(model)


def _find_index(backend: Backend) -> str | None:
    """The index run by the tag of its experiment, checked against the tag of the ledger's experiment."""
    ledger, index = _experiment(backend, LEDGER), _experiment(backend, INDEX)
    noted = ledger.tags.get(TAG) if ledger else None
    elected = index.tags.get(TAG) if index else None
    if noted and elected != noted:
        raise _tampered(
            f"The index should be run {noted[:8]}…, but experiment {INDEX} {'names another' if elected else 'is gone'}."
        )
    if index and not elected:
        raise _tampered(f"Experiment {INDEX} has lost the tag that names the index.")
    return elected


def _make_index(backend: Backend) -> str:
    home = _made(backend, LEDGER)
    with translated("The ledger"):
        sealed = client(backend).search_runs([home.experiment_id], "params.index != ''", max_results=2)
    if sealed:
        raise _tampered("An index exists, but its experiment and its tag are gone.")
    candidate = _run(backend, home.experiment_id, "index", {"podium.kind": "index"})
    return str(_made(backend, INDEX, {TAG: candidate}).tags[TAG])


def _note_index(backend: Backend, index: str) -> None:
    """Note the index on the ledger's experiment too, so that a renamed index experiment is noticed."""
    home = _made(backend, LEDGER)
    if home.tags.get(TAG) != index:
        with translated("The ledger"):
            client(backend).set_experiment_tag(home.experiment_id, TAG, index)


def _make_book(backend: Backend, index: str, model: str) -> str:
    home = _made(backend, LEDGER)
    tags = {"podium.kind": "book", "podium.model": model}
    candidate = _moved_book(backend, model) or _run(backend, home.experiment_id, f"book of {model}"[:200], tags)
    _take(backend, index, _slot(model), candidate)
    return _index_params(backend, index)[_slot(model)]


def _index_params(backend: Backend, index: str) -> dict[str, str]:
    """The parameters of the index run, its seal checked."""
    with translated("The index of the ledger"):
        run = client(backend).get_run(index)
    if run.info.lifecycle_stage != "active":
        raise LedgerBroken("The index of the ledger was deleted.", next=f"Restore run {index} in MLflow, then try again.")
    if run.data.params.get("index", index) != index:
        raise _tampered("The index run carries the seal of another run.")
    return dict(run.data.params)


def _moved_book(backend: Backend, model: str) -> str | None:
    """A renamed model keeps its tags: the book it came with, if that book tells the life of this very model."""
    try:
        found = client(backend).get_registered_model(model)
    except MlflowException as error:
        if error.error_code == _MISSING:
            return None
        raise translate(str(error.error_code), str(error), model) from error
    hint = (found.tags or {}).get(MODEL_TAG)
    if not hint:
        return None
    try:
        state = read(backend, hint)
    except NotFound:
        return None
    return hint if state.created == from_millis(found.creation_timestamp) else None


def _take(backend: Backend, run_id: str, name: str, value: str) -> None:
    """Write a write-once parameter, or lose to whoever was first: the caller reads what stands there."""
    try:
        client(backend).log_param(run_id, name, value)
    except MlflowException as error:
        if error.error_code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            raise translate(str(error.error_code), str(error)) from error


def _run(backend: Backend, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    """A run of the ledger, ended at birth: parameters can still be added, and no list shows it as running."""
    with translated("The ledger"):
        run_id = str(client(backend).create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        client(backend).set_terminated(run_id)
    return run_id


def _experiment(backend: Backend, name: str) -> Experiment | None:
    with translated(name):
        found = client(backend).get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        raise LedgerBroken(
            f"Experiment {name} was deleted, and with it the record.", next="Restore it in MLflow, then try again."
        )
    return found


def _made(backend: Backend, name: str, tags: dict[str, str] | None = None) -> Experiment:
    """The experiment of this name, made with these tags unless somebody was quicker: the name is unique in the store."""
    if (found := _experiment(backend, name)) is not None:
        return found
    place = str(backend.artifacts / name) if backend.artifacts else None
    try:
        client(backend).create_experiment(name, artifact_location=place, tags=tags)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise translate(str(error.error_code), str(error), name) from error
    made = _experiment(backend, name)
    if made is None:
        raise LedgerBroken(f"Experiment {name} vanished while it was made.", next="Try again.")
    return made


def _slot(model: str) -> str:
    return "book." + hashlib.sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _tampered(what: str) -> LedgerBroken:
    return LedgerBroken(
        what,
        means="Nothing is written, so that the record does not split in two.",
        next="Undo that change in MLflow, then try again.",
    )
