"""Which run is the book of a model. Race-safe: a write-once parameter of the index run, which only one writer can take, elects it.

A new index or book begins only where everything of Podium in the store is explained (`inventory_reader`): else a record that was moved
or hidden would split in two.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_error, unanswered_cause
from lib.backends.registry_uri import require_one_registry
from lib.backends.reserved_names import BOOK_MODEL_TAG, KIND_TAG, LEDGER_EXPERIMENT
from lib.errors import Busy, explain_no_answer
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.state.book_lookup import ModelIncarnation, book_ids, free_index_key
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import read_book, read_deleted_book
from lib.ledger.storage.book_finder import BookFinder
from lib.ledger.storage.index_run import (
    claim_param,
    create_ended_run,
    create_index,
    ensure_experiment,
    find_experiment,
    find_index_id,
    read_index_run,
    seal_index,
    tampering_error,
)
from lib.ledger.storage.inventory_reader import require_explained_inventory

DELETED_TAG_PREFIX = "podium.deleted."


@dataclass(frozen=True)
class BookLocation:
    """The book of a model (its run id), the run ids of all books the index names, and the id of that index.

    `deleted_at` is when this book was found deleted, as a timestamp; empty when it was not since that was last recorded.
    """

    book_id: str
    all_book_ids: frozenset[str]
    deleted_at: str = ""
    index_id: str = ""


def find_book_id(backend: Backend, incarnation: ModelIncarnation) -> str | None:
    """The run id of the book of a model, or None when there is none yet. Writes nothing."""
    return BookFinder(backend).find(read_index_params(backend), incarnation)


def find_book_state(backend: Backend, incarnation: ModelIncarnation) -> BookState | None:
    """The book of a model added up, or None when there is none yet; each book is read once. Writes nothing."""
    finder = BookFinder(backend)
    book_id = finder.find(read_index_params(backend), incarnation)
    return None if book_id is None else finder.states.get(book_id) or read_book(backend, book_id)


@single_wait()
@explain_no_answer("Nothing was decided; what was begun of this record is completed by the next look.")
def ensure_book(
    backend: Backend,
    incarnation: ModelIncarnation,
    before_write: Callable[[str], None] = lambda _: None,
    set_aside: Collection[str] | None = None,
) -> BookLocation:
    """The book of a model; makes ledger, index and book where they are missing.

    `before_write` is called before any of them is made or named, with the id of the index, empty for none; it raises where that may not be.
    `set_aside` is given by who settles: the ids of books that are gone, and nothing unexplained holds up a new one.

    Raises LedgerBroken when the index was tampered with, or when one would begin while something of Podium is unexplained;
    NotWritable when this person may not write; ActionRefused while the environment names another registry than this backend's own.
    """
    require_one_registry(os.environ, backend)
    if (index_id := find_index_id(backend)) is None:
        if set_aside is None:
            require_explained_inventory(backend)
        before_write("")
        index_id = create_index(backend)
    run = read_index_run(backend, index_id)
    params = dict(run.data.params)
    book_id = BookFinder(backend, set_aside or ()).find(params, incarnation)
    if book_id is None:
        if set_aside is None:
            require_explained_inventory(backend)
        before_write(index_id)
        book_id = _elect_book(backend, run, incarnation, set_aside or ())
    elif book_id not in map(params.get, incarnation.index_keys):  # a renamed model finds its book without its tag, too
        before_write(index_id)
        claim_param(backend, index_id, incarnation.incarnation_key, book_id)
    return BookLocation(book_id, book_ids(params) | {book_id}, _deletion_time(run, book_id), index_id)


def read_index_params(backend: Backend) -> dict[str, str]:
    """What the index names, empty when there is no ledger yet. Writes nothing."""
    index_id = find_index_id(backend)
    return dict(read_index_run(backend, index_id).data.params) if index_id else {}


def mark_book_deleted(backend: Backend, book_id: str, at: str) -> None:
    """Note on the index that a book was found deleted, so that it is told even when somebody restores it.

    The first note counts. One whose restoring the book records already is of an earlier deletion: whoever recorded it died before
    the note was taken off.
    """
    index_id, state = find_index_id(backend), read_deleted_book(backend, book_id)
    if index_id is None or state is None:
        return
    marked_at = _deletion_time(read_index_run(backend, index_id), book_id)
    if not marked_at or marked_at in state.recorded_deletion_times:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, at)


def clear_deleted_mark(backend: Backend, book_id: str, at: str) -> None:
    """Take that note off again: the book is back, and says so itself. A later note stays."""
    index_id = find_index_id(backend)
    if index_id and _deletion_time(read_index_run(backend, index_id), book_id) == at:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, "")


def marked_book_ids(backend: Backend) -> frozenset[str]:
    """The books that were found deleted and have not said since that they are back."""
    index_id = find_index_id(backend)
    run = read_index_run(backend, index_id) if index_id else None
    return frozenset(book_id for book_id in book_ids(run.data.params) if _deletion_time(run, book_id)) if run else frozenset()


def find_ledger_experiment_id(backend: Backend) -> str | None:
    """The id of the ledger's experiment, or None when there is none yet."""
    experiment = find_experiment(backend, LEDGER_EXPERIMENT)
    return experiment.experiment_id if experiment else None


def _elect_book(backend: Backend, index_run: Run, incarnation: ModelIncarnation, set_aside: Collection[str]) -> str:
    """Elect a book under the first key of the index that is free: that of the name, else one of this very incarnation.

    Who comes second finds the book of the first. What stands under a key counts only if it can be the book of this model.
    """
    seal_index(backend, index_run)
    index_id, params = str(index_run.info.run_id), dict(index_run.data.params)
    tags = {KIND_TAG: "book", BOOK_MODEL_TAG: incarnation.model}
    ledger = ensure_experiment(backend, LEDGER_EXPERIMENT)
    candidate = create_ended_run(backend, ledger.experiment_id, f"book of {incarnation.model}"[:200], tags)
    while (elected_id := BookFinder(backend, set_aside).find(params, incarnation)) is None:
        if (key := free_index_key(params, incarnation)) is None:
            problem = f"Wherever the index could name a book of {incarnation.model}, it names one of another model."
            raise tampering_error(problem, "Rename the model")
        claim_param(backend, index_id, key, candidate)
        if key not in (params := dict(read_index_run(backend, index_id).data.params)):
            raise Busy(f"The book of {incarnation.model} could not be made.", next="Wait a moment, then try again.")
    return elected_id


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
