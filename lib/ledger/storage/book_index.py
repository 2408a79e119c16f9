"""Which run is the book of a model. Race-safe: two names that only one writer can take elect the index and each book.

A unique experiment name elects the index run, a write-once parameter of the index run elects the book. The id of the index run
stands in three places (contract §3.5), so that a renamed experiment or a dropped tag is noticed instead of forking the ledger.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import PERMISSION_ERROR_CODES, client, to_podium_error, translate_errors
from lib.backends.permissions import explain_ledger_refusal
from lib.backends.reserved_names import INDEX_EXPERIMENT, LEDGER_EXPERIMENT
from lib.errors import Busy, LedgerBroken, NotFound
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp, timestamp_from_millis
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import read_book, read_deleted_book
from lib.ledger.storage.book_lookup import ModelIncarnation, book_ids, resolve_book_id

INDEX_TAG, BOOK_TAG, DELETED_TAG_PREFIX = "podium.index", "podium.book", "podium.deleted."
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class BookLocation:
    """The book of a model (its run id), and the run ids of all books the index names.

    `deleted` is when a look found this book deleted, as ledger text; empty when none did since that was last recorded.
    """

    book_id: str
    all_book_ids: frozenset[str]
    deleted_at: str = ""


def find_book_id(backend: Backend, incarnation: ModelIncarnation) -> str | None:
    """The run id of the book of a model, or None when there is none yet. Writes nothing."""
    return resolve_book_id(read_index_params(backend), incarnation, partial(_told, backend), partial(_lives, backend))


def find_book_state(backend: Backend, incarnation: ModelIncarnation) -> BookState | None:
    """The book of a model added up, or None when there is none yet; each book is read once. Writes nothing."""
    seen = dict[str, BookState]()

    def told(book: str) -> str | None:
        with suppress(NotFound, LedgerBroken):
            seen[book] = read_book(backend, book)
        return seen[book].model_created_at if book in seen else None

    book = resolve_book_id(read_index_params(backend), incarnation, told, partial(_lives, backend))
    return None if book is None else seen.get(book) or read_book(backend, book)


def ensure_book(backend: Backend, incarnation: ModelIncarnation) -> BookLocation:
    """The book of a model; makes ledger, index and book where they are missing.

    Raises LedgerBroken when the index was tampered with, NotWritable when this person may not write.
    """
    index = _find_index(backend) or _make_index(backend)
    run = _index_run(backend, index)
    params = dict(run.data.params)
    found = resolve_book_id(params, incarnation, partial(_told, backend), partial(_lives, backend))
    if found is None:
        found = _make_book(
            backend, index, incarnation, incarnation.incarnation_key if incarnation.name_key in params else incarnation.name_key
        )
    elif found == incarnation.tagged_book_id and found not in (
        params.get(incarnation.name_key),
        params.get(incarnation.incarnation_key),
    ):
        _take(backend, index, incarnation.incarnation_key, found)  # a renamed model finds its book without its tag, too
    return BookLocation(found, book_ids(params) | {found}, _noted_time(run, found))


def read_index_params(backend: Backend) -> dict[str, str]:
    """What the index names, empty when there is no ledger yet. Writes nothing."""
    index = _find_index(backend)
    return _params(backend, index) if index else {}


def read_sealed_index_params(backend: Backend) -> dict[str, str]:
    """What every index run that carries its own seal names, wherever it stands: for a ledger whose index was tampered with."""
    with translate_errors("The index of the ledger"):
        homes = [one.experiment_id for one in client(backend).search_experiments(ViewType.ALL)]
        found = client(backend).search_runs(homes, "params.index != ''", ViewType.ALL) if homes else ()
    sealed = [run for run in found if run.data.params.get("index") == run.info.run_id]
    return {name: value for run in sealed for name, value in run.data.params.items()}


def mark_book_deleted(backend: Backend, book_id: str, at: str) -> None:
    """Note on the index that a book was found deleted, so that it is told even when somebody restores it.

    The first note counts. One whose restoring the book records already is of an earlier deletion: whoever recorded it died before
    the note was taken off.
    """
    index, there = _find_index(backend), read_deleted_book(backend, book_id)
    if index is None or there is None:
        return
    noted = _noted_time(_index_run(backend, index), book_id)
    if not noted or noted in there.recorded_deletion_times:
        _tag(backend, index, DELETED_TAG_PREFIX + book_id, at)


def clear_deleted_mark(backend: Backend, book_id: str, at: str) -> None:
    """Take that note off again: the book is back, and says so itself. A later note stays."""
    index = _find_index(backend)
    if index and _noted_time(_index_run(backend, index), book_id) == at:
        _tag(backend, index, DELETED_TAG_PREFIX + book_id, "")


def marked_book_ids(backend: Backend) -> frozenset[str]:
    """The books that were found deleted and have not said since that they are back."""
    index = _find_index(backend)
    run = _index_run(backend, index) if index else None
    return frozenset(book for book in book_ids(run.data.params) if _noted_time(run, book)) if run else frozenset()


def find_ledger_experiment_id(backend: Backend) -> str | None:
    """The id of the ledger's experiment, or None when there is none yet."""
    found = _experiment(backend, LEDGER_EXPERIMENT)
    return found.experiment_id if found else None


def _find_index(backend: Backend) -> str | None:
    """The index run by the tag of its experiment, checked against the tag of the ledger's experiment."""
    ledger, index = _experiment(backend, LEDGER_EXPERIMENT), _experiment(backend, INDEX_EXPERIMENT)
    noted = ledger.tags.get(INDEX_TAG) if ledger else None
    elected = index.tags.get(INDEX_TAG) if index else None
    if noted and elected != noted:
        named = "names another" if elected else "does not name it" if index else "is gone"
        cure = (
            f"Set its tag {INDEX_TAG} back to {noted}"
            if index
            else f"Rename the experiment with tag {INDEX_TAG} = {noted} back to {INDEX_EXPERIMENT}"
        )
        raise _tampered(f"The index should be run {noted[:8]}…, but experiment {INDEX_EXPERIMENT} {named}.", cure)
    if index and not elected:
        raise _tampered(
            f"Experiment {INDEX_EXPERIMENT} has lost the tag that names the index.",
            f"Set its tag {INDEX_TAG} to the run with parameter index",
        )
    if index and not ledger and _experiment(backend, LEDGER_EXPERIMENT) is None:  # read again: the two may just have been made
        raise _tampered(
            f"Experiment {LEDGER_EXPERIMENT} is gone.", f"Rename the experiment that holds the books back to {LEDGER_EXPERIMENT}"
        )
    return elected


def _make_index(backend: Backend) -> str:
    home = _made(backend, LEDGER_EXPERIMENT)
    with translate_errors("The ledger"):
        sealed = client(backend).search_runs([home.experiment_id], "params.index != ''", max_results=2)
    if sealed:
        if (made := _find_index(backend)) is not None:  # somebody was quicker
            return made
        run_id = str(sealed[0].info.run_id)
        raise _tampered(
            "An index exists, but its experiment and its tag are gone.",
            f"Rename the experiment with tag {INDEX_TAG} = {run_id} back to {INDEX_EXPERIMENT}",
        )
    candidate = _run(backend, home.experiment_id, "index", {"podium.kind": "index"})
    return str(_made(backend, INDEX_EXPERIMENT, {INDEX_TAG: candidate}).tags[INDEX_TAG])


def _note_index(backend: Backend, index: str) -> None:
    """Note the index on the ledger's experiment too, so that a renamed index experiment is noticed.

    When several write the same tag at once, the database lets one through; the note is there for all of them.
    """
    home = _made(backend, LEDGER_EXPERIMENT)
    if home.tags.get(INDEX_TAG) == index:
        return
    try:
        client(backend).set_experiment_tag(home.experiment_id, INDEX_TAG, index)
    except MlflowException as error:
        if _made(backend, LEDGER_EXPERIMENT).tags.get(INDEX_TAG) != index:
            raise to_podium_error(str(error.error_code), str(error), LEDGER_EXPERIMENT) from error


def _make_book(backend: Backend, index: str, life: ModelIncarnation, slot: str) -> str:
    """Elect a book in a slot of the index: that of the name where it was free, else that of this very life.

    The slot is chosen by the reading that found no book: all who found none then stand for the same election.
    """
    if "index" not in _params(backend, index):
        _take(backend, index, "index", index)
    _note_index(backend, index)
    tags = {"podium.kind": "book", "podium.model": life.model}
    candidate = _run(backend, _made(backend, LEDGER_EXPERIMENT).experiment_id, f"book of {life.model}"[:200], tags)
    _take(backend, index, slot, candidate)
    elected = _params(backend, index).get(slot)
    if elected is None:
        raise Busy(f"The book of {life.model} could not be made.", next="Wait a moment, then try again.")
    return elected


def _told(backend: Backend, book: str) -> str | None:
    """The creation time of the model whose life a book tells; None for a book without one, or one that was deleted."""
    try:
        return read_book(backend, book).model_created_at
    except (NotFound, LedgerBroken):
        return None


def _lives(backend: Backend, created: str) -> bool:
    with translate_errors("The registered models"):
        found, token = set[str](), None
        while True:
            page = client(backend).search_registered_models(max_results=1000, page_token=token)
            found |= {timestamp_from_millis(model.creation_timestamp) for model in page}
            if not (token := page.token):
                return created in found


def _params(backend: Backend, index: str) -> dict[str, str]:
    return dict(_index_run(backend, index).data.params)


def _index_run(backend: Backend, index: str) -> Run:
    """The index run, its seal checked."""
    with translate_errors("The index of the ledger"):
        run = client(backend).get_run(index)
    if run.info.lifecycle_stage != "active":
        raise LedgerBroken("The index of the ledger was deleted.", next=f"Restore run {index} in MLflow, then try again.")
    if run.data.params.get("index", index) != index:
        sealed = run.data.params["index"]
        raise _tampered(
            "The index run carries the seal of another run.", f"Set tag {INDEX_TAG} of experiment {INDEX_EXPERIMENT} to {sealed}"
        )
    return run


def _noted_time(index: Run, book: str) -> str:
    """When a book was found deleted, as ledger text; anybody can write a tag, so what is no time counts as none."""
    try:
        return format_timestamp(parse_timestamp(index.data.tags.get(DELETED_TAG_PREFIX + book, "")))
    except ValueError:
        return ""


def _tag(backend: Backend, run_id: str, name: str, value: str) -> None:
    """A note on the index that may be lost without harm."""
    try:
        client(backend).set_tag(run_id, name, value)
    except MlflowException:  # a reader, or several at once
        return


def _take(backend: Backend, run_id: str, name: str, value: str) -> None:
    """Write a write-once parameter, or lose to whoever was first: the caller reads what stands there."""
    try:
        client(backend).log_param(run_id, name, value)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error


def _run(backend: Backend, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    """A run of the ledger, ended at birth: parameters can still be added, and no list shows it as running."""
    try:
        run_id = str(client(backend).create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        client(backend).set_terminated(run_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        raise to_podium_error(str(error.error_code), str(error), "The ledger") from error
    return run_id


def _experiment(backend: Backend, name: str) -> Experiment | None:
    with translate_errors(name):
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
    place = str(backend.artifact_folder / name) if backend.artifact_folder else None
    try:
        client(backend).create_experiment(name, artifact_location=place, tags=tags)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise to_podium_error(str(error.error_code), str(error), name) from error
    made = _experiment(backend, name)
    if made is None:
        raise LedgerBroken(f"Experiment {name} vanished while it was made.", next="Try again.")
    return made


def _tampered(what: str, cure: str) -> LedgerBroken:
    return LedgerBroken(
        what,
        means="Nothing is written, so that the record does not split in two.",
        next=f"{cure}, then try again.",
    )
