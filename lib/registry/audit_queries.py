"""What all books tell of the past: who held a slot at a time, model by model, and every entry of every book in one list.

Nothing is written. What a look would have to record first counts here as if it had been recorded, so that no answer claims to
know what was moved outside since the last entry.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import BackendRef, Observed, Opened
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR, Slot
from lib.ledger.queries.as_of import AsOfAnswer, as_of
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.state.replay import BookState, replay
from lib.ledger.storage.book_index import find_book_state
from lib.registry.move_plan import is_explained
from lib.registry.reader import LoadedBook as Book
from lib.registry.reader import (
    find_book_ids,
    find_renamed_model,
    incarnation_of,
    read_all_books,
    read_all_snapshots,
    read_book_state,
    read_snapshot,
)
from lib.registry.snapshot import RegistrySnapshot

EARLIEST_TIME = datetime.min.replace(tzinfo=UTC)
EMPTY_STATE = replay(DecodedBook((), ("",), ()))
"""The state of a model that has no book yet."""


@dataclass(frozen=True)
class AsOfQuery:
    """Who held this slot then? `now` is the present of the one who asks."""

    slot: Slot
    when: TimeQuery
    now: datetime


@dataclass(frozen=True)
class AsOfResult:
    """The answer for one model. `doubts` counts what does not fit in its book: then the answer may lack an entry.

    `unrecorded` is what a look would have to write first; it counted.
    """

    model: str
    answer: AsOfAnswer
    finding_count: int
    unrecorded_entry: Entry | None = None


@dataclass(frozen=True)
class AuditLogEntry:
    """An entry of the book of a model, at its time; the times of a book never run backwards along its places."""

    model: str
    at: datetime
    entry: Entry


def query_as_of(backend: Backend, model: str, query: AsOfQuery) -> AsOfResult:
    """Who held a slot of a model. Raises NotFound when there is no such model and never was, or when it has another name now."""
    seen = read_snapshot(backend, model)
    before = find_book_state(backend, incarnation_of(seen)) or EMPTY_STATE
    if seen.created_at and before.is_opened and _known((before,), seen):
        return _told((before,), seen, query)
    seen = read_snapshot(backend, model)  # between two readings of the record, so that no move in flight is taken for one outside
    if seen.created_at is None and (
        other := find_renamed_model(backend, before.model_created_at) if before.model_created_at else None
    ):
        raise NotFound(f"{model} is now called {other}.", means="", next=f"Its record goes on under {other}.")
    if seen.created_at is None and not before.is_opened:
        raise NotFound(f"There is no registered model {model}.", means="", next="Check the name.")
    state = before if _known((before,), seen) else read_book_state(backend, model) or EMPTY_STATE
    return _told((before, state), seen, query)


def query_as_of_all(backend: Backend, query: AsOfQuery) -> tuple[AsOfResult, ...]:
    """The same for every model, deleted ones that left a record too, by name."""
    seen = {one.model: one for one in read_all_snapshots(backend)}
    known = read_books_by_model(backend, tuple(seen.values()))
    told = list[AsOfResult]()
    for name in sorted({*seen, *known}):
        state, one = known[name].state if name in known else EMPTY_STATE, seen.get(name) or RegistrySnapshot(name)
        sure = _known((state,), one) or not known[name].is_active
        told.append(_told((state,), one, query) if sure else query_as_of(backend, name, query))
    return tuple(told)


def read_books_by_model(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, Book]:
    """Model → its book, those of deleted models under their last name, deleted books too. Writes nothing."""
    return {model: told for model, (_, told) in read_owned_books(backend, snapshots).items()}


def read_owned_books(backend: Backend, snapshots: tuple[RegistrySnapshot, ...]) -> dict[str, tuple[str, Book]]:
    """The same with the run id of each book."""
    told = read_all_books(backend)
    owned = {model: (book, told[book]) for model, book in find_book_ids(backend, snapshots, told).items()}
    taken = {book for book, _ in owned.values()}
    for book, one in told.items():
        if book not in taken:
            owned.setdefault(_last_name(one), (book, one))
    return owned


def read_audit_log(backend: Backend) -> tuple[AuditLogEntry, ...]:
    """Every entry of every book, newest first; within a book the order of its places. Writes nothing."""
    every = [
        line
        for model, book in read_books_by_model(backend, read_all_snapshots(backend)).items()
        for line in _lines(model, book.state)
    ]
    return tuple(sorted(every, key=lambda line: (line.at, line.entry.position), reverse=True))


def _last_name(book: Book) -> str:
    names = [entry.body.model for entry in book.state.book.entries if entry.body.model]
    return names[-1] if names else book.model


def _lines(model: str, state: BookState) -> list[AuditLogEntry]:
    lines, at = list[AuditLogEntry](), EARLIEST_TIME
    for entry in state.book.entries:
        with suppress(ValueError):  # an entry that nobody can date stays where it stands
            at = max(at, parse_timestamp(entry.body.recorded_at))
        lines.append(AuditLogEntry(model, at, entry))
    return lines


def _told(states: Sequence[BookState], seen: RegistrySnapshot, question: AsOfQuery) -> AsOfResult:
    state = states[-1]
    paper = None if _known(states, seen) else _on_paper(state, seen, question.now)
    entries, known = (*state.book.entries, *([paper] if paper else [])), None if paper else state.holdings
    return AsOfResult(seen.model, as_of(entries, question.slot, question.when, known), len(state.book.findings), paper)


def _known(states: Sequence[BookState], seen: RegistrySnapshot) -> bool:
    """Does the record explain what the registry shows? Without a record there is nothing to explain."""
    state = states[-1]
    return not state.is_opened or (state.model_created_at == seen.created_at and is_explained(states, seen))


def _on_paper(state: BookState, seen: RegistrySnapshot, now: datetime) -> Entry:
    """The entry that a look would write now; at place 0, for it is not in the book."""
    at, by = format_timestamp(now), UNKNOWN_ACTOR if state.model_created_at == seen.created_at else PODIUM_ACTOR
    said: dict[str, Any] = {
        "model": seen.model,
        "recorded_at": at,
        "by": by,
        "backend": BackendRef(kind="", uri=""),
        "now": seen.slot_states,
    }
    if state.model_created_at == seen.created_at:
        since = min(at, format_timestamp(state.last_observed_at)) if state.last_observed_at else at
        return Entry(0, "", "", Observed(**said, was=dict(state.observed_slots), window=(since, at)))
    return Entry(0, "", "", Opened(**said, why="re-created" if seen.created_at else "deleted", created=seen.created_at))
