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
from lib.backends.call_deadline import single_wait
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, translate_error, translate_errors, unanswered_cause
from lib.backends.permissions import explain_ledger_refusal
from lib.backends.reserved_names import INDEX_EXPERIMENT, LEDGER_EXPERIMENT
from lib.errors import Busy, LedgerBroken, NotFound, explain_no_answer
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp, timestamp_from_millis
from lib.ledger.state.book_lookup import ModelIncarnation, book_ids, resolve_book_id
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import read_book, read_deleted_book

INDEX_TAG, BOOK_TAG, DELETED_TAG_PREFIX = "podium.index", "podium.book", "podium.deleted."
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class BookLocation:
    """The book of a model (its run id), and the run ids of all books the index names.

    `deleted_at` is when this book was found deleted, as a timestamp; empty when it was not since that was last recorded.
    """

    book_id: str
    all_book_ids: frozenset[str]
    deleted_at: str = ""


def find_book_id(backend: Backend, incarnation: ModelIncarnation) -> str | None:
    """The run id of the book of a model, or None when there is none yet. Writes nothing."""
    params = read_index_params(backend)
    return resolve_book_id(params, incarnation, partial(_read_created_at, backend), partial(_model_exists, backend))


def find_book_state(backend: Backend, incarnation: ModelIncarnation) -> BookState | None:
    """The book of a model added up, or None when there is none yet; each book is read once. Writes nothing."""
    states = dict[str, BookState]()

    def read_created_at(book_id: str) -> str | None:
        with suppress(NotFound, LedgerBroken):
            states[book_id] = read_book(backend, book_id)
        return states[book_id].model_created_at if book_id in states else None

    book_id = resolve_book_id(read_index_params(backend), incarnation, read_created_at, partial(_model_exists, backend))
    return None if book_id is None else states.get(book_id) or read_book(backend, book_id)


@single_wait()
@explain_no_answer("Nothing was decided; what was begun of this record is completed by the next look.")
def ensure_book(backend: Backend, incarnation: ModelIncarnation) -> BookLocation:
    """The book of a model; makes ledger, index and book where they are missing.

    Raises LedgerBroken when the index was tampered with, NotWritable when this person may not write.
    """
    index_id = _find_index_id(backend) or _create_index(backend)
    run = _read_index_run(backend, index_id)
    params, name_key, incarnation_key = dict(run.data.params), incarnation.name_key, incarnation.incarnation_key
    book_id = resolve_book_id(params, incarnation, partial(_read_created_at, backend), partial(_model_exists, backend))
    if book_id is None:
        book_id = _elect_book(backend, index_id, incarnation, incarnation_key if name_key in params else name_key)
    elif book_id == incarnation.tagged_book_id and book_id not in (params.get(name_key), params.get(incarnation_key)):
        _claim_param(backend, index_id, incarnation_key, book_id)  # a renamed model finds its book without its tag, too
    return BookLocation(book_id, book_ids(params) | {book_id}, _deletion_time(run, book_id))


def read_index_params(backend: Backend) -> dict[str, str]:
    """What the index names, empty when there is no ledger yet. Writes nothing."""
    index_id = _find_index_id(backend)
    return _read_params(backend, index_id) if index_id else {}


def read_sealed_index_params(backend: Backend) -> dict[str, str]:
    """What every index run that carries its own seal names, wherever it stands: for a ledger whose index was tampered with."""
    with translate_errors("The index of the ledger"):
        experiment_ids = [experiment.experiment_id for experiment in client(backend).search_experiments(ViewType.ALL)]
        runs = client(backend).search_runs(experiment_ids, "params.index != ''", ViewType.ALL) if experiment_ids else ()
    index_runs = [run for run in runs if run.data.params.get("index") == run.info.run_id]
    return {name: value for run in index_runs for name, value in run.data.params.items()}


def mark_book_deleted(backend: Backend, book_id: str, at: str) -> None:
    """Note on the index that a book was found deleted, so that it is told even when somebody restores it.

    The first note counts. One whose restoring the book records already is of an earlier deletion: whoever recorded it died before
    the note was taken off.
    """
    index_id, state = _find_index_id(backend), read_deleted_book(backend, book_id)
    if index_id is None or state is None:
        return
    marked_at = _deletion_time(_read_index_run(backend, index_id), book_id)
    if not marked_at or marked_at in state.recorded_deletion_times:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, at)


def clear_deleted_mark(backend: Backend, book_id: str, at: str) -> None:
    """Take that note off again: the book is back, and says so itself. A later note stays."""
    index_id = _find_index_id(backend)
    if index_id and _deletion_time(_read_index_run(backend, index_id), book_id) == at:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, "")


def marked_book_ids(backend: Backend) -> frozenset[str]:
    """The books that were found deleted and have not said since that they are back."""
    index_id = _find_index_id(backend)
    run = _read_index_run(backend, index_id) if index_id else None
    return frozenset(book_id for book_id in book_ids(run.data.params) if _deletion_time(run, book_id)) if run else frozenset()


def find_ledger_experiment_id(backend: Backend) -> str | None:
    """The id of the ledger's experiment, or None when there is none yet."""
    return experiment.experiment_id if (experiment := _find_experiment(backend, LEDGER_EXPERIMENT)) else None


def _find_index_id(backend: Backend) -> str | None:
    """The index run by the tag of its experiment, checked against the tag of the ledger's experiment."""
    ledger, index = _find_experiment(backend, LEDGER_EXPERIMENT), _find_experiment(backend, INDEX_EXPERIMENT)
    expected_id = ledger.tags.get(INDEX_TAG) if ledger else None
    index_id = index.tags.get(INDEX_TAG) if index else None
    if expected_id and index_id != expected_id:
        problem = "names another" if index_id else "does not name it" if index else "is gone"
        fix = (
            f"Set its tag {INDEX_TAG} back to {expected_id}"
            if index
            else f"Rename the experiment with tag {INDEX_TAG} = {expected_id} back to {INDEX_EXPERIMENT}"
        )
        raise _tampering_error(f"The index should be run {expected_id[:8]}…, but experiment {INDEX_EXPERIMENT} {problem}.", fix)
    if index and not index_id:
        fix = f"Set its tag {INDEX_TAG} to the run with parameter index"
        raise _tampering_error(f"Experiment {INDEX_EXPERIMENT} has lost the tag that names the index.", fix)
    # read again: the two may just have been made
    if index and not ledger and _find_experiment(backend, LEDGER_EXPERIMENT) is None:
        fix = f"Rename the experiment that holds the books back to {LEDGER_EXPERIMENT}"
        raise _tampering_error(f"Experiment {LEDGER_EXPERIMENT} is gone.", fix)
    return index_id


def _create_index(backend: Backend) -> str:
    ledger = _ensure_experiment(backend, LEDGER_EXPERIMENT)
    with translate_errors("The ledger"):
        sealed_runs = client(backend).search_runs([ledger.experiment_id], "params.index != ''", max_results=2)
    if sealed_runs:
        if (index_id := _find_index_id(backend)) is not None:  # somebody was quicker
            return index_id
        run_id = str(sealed_runs[0].info.run_id)
        fix = f"Rename the experiment with tag {INDEX_TAG} = {run_id} back to {INDEX_EXPERIMENT}"
        raise _tampering_error("An index exists, but its experiment and its tag are gone.", fix)
    candidate = _create_ended_run(backend, ledger.experiment_id, "index", {"podium.kind": "index"})
    return str(_ensure_experiment(backend, INDEX_EXPERIMENT, {INDEX_TAG: candidate}).tags[INDEX_TAG])


def _tag_ledger_experiment(backend: Backend, index_id: str) -> None:
    """Note the index on the ledger's experiment too, so that a renamed index experiment is noticed.

    When several write the same tag at once, the database lets one through; the note is there for all of them.
    """
    ledger = _ensure_experiment(backend, LEDGER_EXPERIMENT)
    if ledger.tags.get(INDEX_TAG) == index_id:
        return
    try:
        client(backend).set_experiment_tag(ledger.experiment_id, INDEX_TAG, index_id)
    except MlflowException as error:
        if _ensure_experiment(backend, LEDGER_EXPERIMENT).tags.get(INDEX_TAG) != index_id:
            raise translate_error(error, LEDGER_EXPERIMENT) from error


def _elect_book(backend: Backend, index_id: str, incarnation: ModelIncarnation, key: str) -> str:
    """Elect a book under a key of the index: that of the name where it was free, else that of this very incarnation.

    The key is chosen by the reading that found no book: all who found none then stand for the same election.
    """
    if "index" not in _read_params(backend, index_id):
        _claim_param(backend, index_id, "index", index_id)
    _tag_ledger_experiment(backend, index_id)
    tags = {"podium.kind": "book", "podium.model": incarnation.model}
    ledger = _ensure_experiment(backend, LEDGER_EXPERIMENT)
    candidate = _create_ended_run(backend, ledger.experiment_id, f"book of {incarnation.model}"[:200], tags)
    _claim_param(backend, index_id, key, candidate)
    elected_id = _read_params(backend, index_id).get(key)
    if elected_id is None:
        raise Busy(f"The book of {incarnation.model} could not be made.", next="Wait a moment, then try again.")
    return elected_id


def _read_created_at(backend: Backend, book_id: str) -> str | None:
    """The creation time of the model whose life a book tells; None for a book without one, or one that was deleted."""
    try:
        return read_book(backend, book_id).model_created_at
    except (NotFound, LedgerBroken):
        return None


def _model_exists(backend: Backend, created_at: str) -> bool:
    with translate_errors("The registered models"):
        creation_times, token = set[str](), None
        while True:
            page = client(backend).search_registered_models(max_results=1000, page_token=token)
            creation_times |= {timestamp_from_millis(model.creation_timestamp) for model in page}
            if not (token := page.token):
                return created_at in creation_times


def _read_params(backend: Backend, index_id: str) -> dict[str, str]:
    return dict(_read_index_run(backend, index_id).data.params)


def _read_index_run(backend: Backend, index_id: str) -> Run:
    """The index run, its seal checked."""
    with translate_errors("The index of the ledger"):
        run = client(backend).get_run(index_id)
    if run.info.lifecycle_stage != "active":
        raise LedgerBroken("The index of the ledger was deleted.", next=f"Restore run {index_id} in MLflow, then try again.")
    if run.data.params.get("index", index_id) != index_id:
        sealed_id = run.data.params["index"]
        fix = f"Set tag {INDEX_TAG} of experiment {INDEX_EXPERIMENT} to {sealed_id}"
        raise _tampering_error("The index run carries the seal of another run.", fix)
    return run


def _deletion_time(index_run: Run, book_id: str) -> str:
    """When a book was found deleted, as a timestamp; anybody can write a tag, so what is no time counts as none."""
    try:
        return format_timestamp(parse_timestamp(index_run.data.tags.get(DELETED_TAG_PREFIX + book_id, "")))
    except ValueError:
        return ""


def _try_set_tag(backend: Backend, run_id: str, name: str, value: str) -> None:
    """A note on the index that may be lost without harm. Raises NoAnswer, because the next call would wait as long."""
    try:
        client(backend).set_tag(run_id, name, value)
    except MlflowException as error:  # a reader, or several at once
        if unanswered_cause(error):
            raise translate_error(error) from error


def _claim_param(backend: Backend, run_id: str, name: str, value: str) -> None:
    """Write a write-once parameter, or lose to whoever was first: the caller reads. Raises NoAnswer when nothing stands there then."""
    try:
        client(backend).log_param(run_id, name, value)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        if unanswered_cause(error) and name not in _read_params(backend, run_id):
            raise translate_error(error) from error


def _create_ended_run(backend: Backend, experiment_id: str, name: str, tags: dict[str, str]) -> str:
    """A run of the ledger, ended at birth: parameters can still be added, and no list shows it as running."""
    try:
        run_id = str(client(backend).create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        client(backend).set_terminated(run_id)
    except MlflowException as error:
        if error.error_code in PERMISSION_ERROR_CODES:
            raise explain_ledger_refusal(backend) from error
        raise translate_error(error, "The ledger") from error
    return run_id


def _find_experiment(backend: Backend, name: str) -> Experiment | None:
    with translate_errors(name):
        experiment = client(backend).get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage != "active":
        raise LedgerBroken(
            f"Experiment {name} was deleted, and with it the record.", next="Restore it in MLflow, then try again."
        )
    return experiment


def _ensure_experiment(backend: Backend, name: str, tags: dict[str, str] | None = None) -> Experiment:
    """The experiment of this name, made with these tags unless somebody was quicker: the name is unique in the store."""
    if (experiment := _find_experiment(backend, name)) is not None:
        return experiment
    artifact_location = str(backend.artifact_folder / name) if backend.artifact_folder else None
    try:
        client(backend).create_experiment(name, artifact_location=artifact_location, tags=tags)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise translate_error(error, name) from error
    experiment = _find_experiment(backend, name)
    if experiment is None:
        raise LedgerBroken(f"Experiment {name} vanished while it was made.", next="Try again.")
    return experiment


def _tampering_error(what: str, fix: str) -> LedgerBroken:
    means = "Nothing is written, so that the record does not split in two."
    return LedgerBroken(what, means=means, next=f"{fix}, then try again.")
