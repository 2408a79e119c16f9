"""Audit queries over all books: who held a slot at a time, per model, and every entry of every book in one list.

Read-only. Changes that a sync would record first count as if recorded, so no answer claims knowledge about changes made outside since
the last entry.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import BackendRef, Observed, Opened
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR, Slot
from lib.ledger.queries.as_of import OUT_OF_REACH, AsOfAnswer, UnknownInterval, as_of
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.book_lookup import name_key
from lib.ledger.state.replay import BookState, replay
from lib.ledger.storage.book_index import find_book_state, read_index_params
from lib.ledger.storage.inventory_reader import find_unexplained
from lib.registry.explanation import is_explained
from lib.registry.model_status import ModelStatus, intents_in_flight
from lib.registry.reader import (
    LoadedBook,
    find_book_ids,
    find_renamed_model,
    incarnation_of,
    read_all_books,
    read_all_snapshots,
    read_book_state,
    read_snapshot,
)
from lib.registry.snapshot import RegistrySnapshot

_EARLIEST_TIME = datetime.min.replace(tzinfo=UTC)
_EMPTY_STATE = replay(DecodedBook((), ("",), ()))
"""The state of a model that has no book yet."""


@dataclass(frozen=True)
class AsOfQuery:
    """Who held this slot at that time? `now` is the time of the query."""

    slot: Slot
    when: TimeQuery
    now: datetime


@dataclass(frozen=True)
class AsOfResult:
    """The answer for one model. `finding_count` is the number of findings in its book; if there are any, the answer may miss an entry.
    For a model without a record it counts the records no index explains: one of them could be its record.

    `unrecorded_entry` is what a sync would append first; the answer includes it. `book` is the book that gave the answer.
    """

    model: str
    answer: AsOfAnswer
    finding_count: int
    book: DecodedBook
    unrecorded_entry: Entry | None = None


@dataclass(frozen=True)
class AuditLogEntry:
    """An entry of the `book` of a model with its time. Within a book, times never decrease with the position."""

    model: str
    at: datetime
    entry: Entry
    book: DecodedBook = field(compare=False, repr=False)


def query_as_of(backend: Backend, model: str, query: AsOfQuery) -> AsOfResult:
    """Who held a slot of a model. Raises NotFound if the model never existed or was renamed."""
    snapshot = read_snapshot(backend, model)
    before = find_book_state(backend, incarnation_of(snapshot)) or _EMPTY_STATE
    in_flight = intents_in_flight(backend, before, query.now)
    if snapshot.created_at and before.is_opened and _is_recorded((before,), snapshot, in_flight):
        return _as_of_result((before,), snapshot, query, in_flight)
    # read again, between two reads of the book, so that no move in flight is mistaken for an outside move
    snapshot = read_snapshot(backend, model)
    if snapshot.created_at is None and (
        new_name := find_renamed_model(backend, before.model_created_at) if before.model_created_at else None
    ):
        raise NotFound(f"{model} is now called {new_name}.", means="", next=f"Its record continues under {new_name}.")
    if snapshot.created_at is None and not before.is_opened:
        raise NotFound(f"There is no registered model {model}.", means="", next="Check the model name.")
    state = before if _is_recorded((before,), snapshot, in_flight) else read_book_state(backend, model) or _EMPTY_STATE
    result = _as_of_result((before, state), snapshot, query, in_flight)
    return result if state.book.entries else _with_unexplained(result, len(find_unexplained(backend)))


def answer_from_status(status: ModelStatus, query: AsOfQuery) -> AsOfResult:
    """The same from a status already read. As in the other queries, unrecorded changes in the registry count."""
    return _as_of_result((status.state,), status.snapshot, query, status.in_flight)


def query_as_of_all(backend: Backend, query: AsOfQuery) -> tuple[AsOfResult, ...]:
    """The same for every model by name, including deleted models with a record."""
    snapshots = {snapshot.model: snapshot for snapshot in read_all_snapshots(backend)}
    books = read_books_by_model(backend, tuple(snapshots.values()))
    results, is_complete = list[AsOfResult](), all(model in books for model in snapshots)
    unexplained_count = 0 if is_complete else len(find_unexplained(backend))
    for model in sorted({*snapshots, *books}):
        state = books[model].state if model in books else _EMPTY_STATE
        snapshot = snapshots.get(model) or RegistrySnapshot(model)
        in_flight = intents_in_flight(backend, state, query.now)
        result = _as_of_result((state,), snapshot, query, in_flight)
        result = result if state.book.entries else _with_unexplained(result, unexplained_count)
        if not _is_recorded((state,), snapshot, in_flight) and books[model].is_active:
            with suppress(NotFound):  # renamed since then, or a book without a model
                result = query_as_of(backend, model, query)
        results.append(result)
    return tuple(results)


def read_books_by_model(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, LoadedBook]:
    """Model → its book, including deleted books. Books of deleted models are under their last name. Writes nothing."""
    return {model: book for model, (_, book) in read_owned_books(backend, snapshots).items()}


def read_owned_books(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, tuple[str, LoadedBook]]:
    """The same with the run id of each book. If several share a name, the indexed one gets it; the others get a label."""
    books = read_all_books(backend)
    owned_books = {model: (book_id, books[book_id]) for model, book_id in find_book_ids(backend, snapshots, books).items()}
    owned_ids = {book_id for book_id, _ in owned_books.values()}
    names = {book_id: _last_name(book) for book_id, book in books.items() if book_id not in owned_ids and book.state.book.head}
    index = read_index_params(backend) if len(set(names.values())) < len(names) else {}
    for book_id, name in sorted(names.items(), key=lambda item: (index.get(name_key(item[1])) != item[0], item)):
        label = f"{name} (book {book_id[:8]}…)" if name in owned_books else name
        owned_books[label] = book_id, books[book_id]
    return owned_books


def read_audit_log(backend: Backend) -> tuple[AuditLogEntry, ...]:
    """Every entry of every book, newest first; within a book, by position. Writes nothing."""
    log = [
        log_entry
        for model, book in read_books_by_model(backend, read_all_snapshots(backend)).items()
        for log_entry in _log_entries(model, book.state)
    ]
    return tuple(sorted(log, key=lambda log_entry: (log_entry.at, log_entry.entry.position), reverse=True))


def _last_name(book: LoadedBook) -> str:
    names = [entry.body.model for entry in book.state.book.entries if entry.body.model]
    return names[-1] if names else book.model


def _log_entries(model: str, state: BookState) -> list[AuditLogEntry]:
    log, at = list[AuditLogEntry](), _EARLIEST_TIME
    for entry in state.book.entries:
        with suppress(ValueError):  # an entry without a readable time keeps its position in the order
            at = max(at, parse_timestamp(entry.body.recorded_at))
        log.append(AuditLogEntry(model, at, entry, state.book))
    return log


def _as_of_result(
    states: Sequence[BookState], snapshot: RegistrySnapshot, query: AsOfQuery, in_flight: frozenset[str]
) -> AsOfResult:
    state = states[-1]
    unrecorded = None if _is_recorded(states, snapshot, in_flight) else _unrecorded_entry(state, snapshot, query.now)
    entries, holdings = (*state.book.entries, *([unrecorded] if unrecorded else [])), None if unrecorded else state.holdings
    answer = as_of(entries, query.slot, query.when, holdings)
    return AsOfResult(snapshot.model, answer, len(state.book.findings), state.book, unrecorded)


def _with_unexplained(result: AsOfResult, unexplained_count: int) -> AsOfResult:
    """Without entries, nothing is certain while a record is unexplained: it may be the record of this model."""
    if not unexplained_count or result.unrecorded_entry:
        return result
    answer = replace(result.answer, unknown=(UnknownInterval(None, None, OUT_OF_REACH),))
    return replace(result, answer=answer, finding_count=unexplained_count)


def _is_recorded(states: Sequence[BookState], snapshot: RegistrySnapshot, in_flight: frozenset[str]) -> bool:
    """Does the record explain what the registry shows? Without a record there is nothing to explain."""
    state = states[-1]
    return not state.is_opened or (state.model_created_at == snapshot.created_at and is_explained(states, snapshot, in_flight))


def _unrecorded_entry(state: BookState, snapshot: RegistrySnapshot, now: datetime) -> Entry:
    """The entry that a sync would append now, at position 0 because it is not in the book."""
    at, is_same_life = format_timestamp(now), state.model_created_at == snapshot.created_at
    fields: dict[str, Any] = {
        "model": snapshot.model,
        "recorded_at": at,
        "by": UNKNOWN_ACTOR if is_same_life else PODIUM_ACTOR,
        "backend": BackendRef(kind="", uri=""),
        "now": snapshot.slot_states,
    }
    if is_same_life:
        since = min(at, format_timestamp(state.last_observed_at)) if state.last_observed_at else at
        return Entry(0, "", "", Observed(**fields, was=dict(state.observed_slots), window=(since, at)))
    return Entry(0, "", "", Opened(**fields, why="re-created" if snapshot.created_at else "deleted", created=snapshot.created_at))
