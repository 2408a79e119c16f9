"""The index: which run is the book of a model. Race-safe: a write-once parameter of the index run, won by one writer, elects it.

A new index or book begins only if everything of Podium in the store is explained (`inventory_reader`). Otherwise a moved or hidden record
would split in two.
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
    """The book of a model (its run id), the run ids of all indexed books, and the id of the index.

    `deleted_at` is when this book was found deleted, as a timestamp; empty if not, or if that is already recorded.
    """

    book_id: str
    all_book_ids: frozenset[str]
    deleted_at: str = ""
    index_id: str = ""


def find_book_id(backend: Backend, incarnation: ModelIncarnation) -> str | None:
    """The run id of the book of a model; None if there is none yet. Writes nothing."""
    return BookFinder(backend).find(read_index_params(backend), incarnation)


def find_book_state(backend: Backend, incarnation: ModelIncarnation) -> BookState | None:
    """The state of the book of a model; None if there is none yet. Each book is read once. Writes nothing."""
    finder = BookFinder(backend)
    book_id = finder.find(read_index_params(backend), incarnation)
    return None if book_id is None else finder.states.get(book_id) or read_book(backend, book_id)


@single_wait()
@explain_no_answer("Nothing was decided. A partly created record is completed automatically the next time.")
def ensure_book(
    backend: Backend,
    incarnation: ModelIncarnation,
    before_write: Callable[[str], None] = lambda _: None,
    set_aside: Collection[str] | None = None,
) -> BookLocation:
    """The book of a model. Creates ledger, index and book if they are missing.

    `before_write` is called before any of them is created or named, with the id of the index (empty for none); it raises if that is not
    allowed. A settlement passes `set_aside`, the ids of books that are gone; then unexplained records do not prevent a new book.

    Raises LedgerBroken if the index was tampered with, or if a new record would begin while another one is unexplained; NotWritable if
    this user may not write; ActionRefused if the environment names another registry than the backend's own.
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
    elif book_id not in map(params.get, incarnation.index_keys):  # so that a renamed model also finds its book without its tag
        before_write(index_id)
        claim_param(backend, index_id, incarnation.incarnation_key, book_id)
    return BookLocation(book_id, book_ids(params) | {book_id}, _deletion_time(run, book_id), index_id)


def read_index_params(backend: Backend) -> dict[str, str]:
    """The parameters of the index; empty if there is no ledger yet. Writes nothing."""
    index_id = find_index_id(backend)
    return dict(read_index_run(backend, index_id).data.params) if index_id else {}


def mark_book_deleted(backend: Backend, book_id: str, at: str) -> None:
    """Mark on the index that a book was found deleted, so that it is reported even after a restore.

    The first mark counts. A mark whose restore is already recorded belongs to an earlier deletion: its writer was interrupted before it
    cleared the mark.
    """
    index_id, state = find_index_id(backend), read_deleted_book(backend, book_id)
    if index_id is None or state is None:
        return
    marked_at = _deletion_time(read_index_run(backend, index_id), book_id)
    if not marked_at or marked_at in state.recorded_deletion_times:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, at)


def clear_deleted_mark(backend: Backend, book_id: str, at: str) -> None:
    """Clear that mark: the book is back and its restore is recorded. A later mark stays."""
    index_id = find_index_id(backend)
    if index_id and _deletion_time(read_index_run(backend, index_id), book_id) == at:
        _try_set_tag(backend, index_id, DELETED_TAG_PREFIX + book_id, "")


def marked_book_ids(backend: Backend) -> frozenset[str]:
    """The books that were found deleted and whose restore is not recorded yet."""
    index_id = find_index_id(backend)
    run = read_index_run(backend, index_id) if index_id else None
    return frozenset(book_id for book_id in book_ids(run.data.params) if _deletion_time(run, book_id)) if run else frozenset()


def find_ledger_experiment_id(backend: Backend) -> str | None:
    """The id of the ledger's experiment; None if there is none yet."""
    experiment = find_experiment(backend, LEDGER_EXPERIMENT)
    return experiment.experiment_id if experiment else None


def _elect_book(backend: Backend, index_run: Run, incarnation: ModelIncarnation, set_aside: Collection[str]) -> str:
    """Elect a book under the first free key of the index: that of the name, else one of exactly this incarnation.

    The second writer finds the book of the first. The value of a key counts only if it can be the book of this model.
    """
    seal_index(backend, index_run)
    index_id, params = str(index_run.info.run_id), dict(index_run.data.params)
    tags = {KIND_TAG: "book", BOOK_MODEL_TAG: incarnation.model}
    ledger = ensure_experiment(backend, LEDGER_EXPERIMENT)
    candidate = create_ended_run(backend, ledger.experiment_id, f"book of {incarnation.model}"[:200], tags)
    while (elected_id := BookFinder(backend, set_aside).find(params, incarnation)) is None:
        if (key := free_index_key(params, incarnation)) is None:
            problem = f"Every index name for a book of {incarnation.model} is taken by a book of another model."
            raise tampering_error(problem, "Rename the model")
        claim_param(backend, index_id, key, candidate)
        if key not in (params := dict(read_index_run(backend, index_id).data.params)):
            raise Busy(f"The book of {incarnation.model} could not be created.", next="Wait a moment, then try again.")
    return elected_id


def _deletion_time(index_run: Run, book_id: str) -> str:
    """When a book was found deleted, as a timestamp. Anyone can write a tag, so an invalid time counts as none."""
    try:
        return format_timestamp(parse_timestamp(index_run.data.tags.get(DELETED_TAG_PREFIX + book_id, "")))
    except ValueError:
        return ""


def _try_set_tag(backend: Backend, run_id: str, name: str, value: str) -> None:
    """Set a tag on the index whose loss does no harm. Raises NoAnswer, because the next call would wait just as long."""
    try:
        client(backend).set_tag(run_id, name, value)
    except MlflowException as error:  # read-only access, or concurrent writers
        if unanswered_cause(error):
            raise translate_error(error) from error
