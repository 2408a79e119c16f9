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
from lib.ledger.chain.hash_chain import Entry, Reading
from lib.ledger.entry.types import Observed, Opened, Place
from lib.ledger.entry.vocabulary import PODIUM, UNKNOWN, Slot, as_text, as_time
from lib.ledger.queries.as_of import Answer, as_of
from lib.ledger.queries.time_query import When
from lib.ledger.state.replay import State, fold
from lib.ledger.storage.book_index import find_record
from lib.registry.move_plan import explained
from lib.registry.reader import Told as Book
from lib.registry.reader import every_book, every_model, life_of, look_at, recorded, renamed_to, whose
from lib.registry.snapshot import Seen

BEGINNING = datetime.min.replace(tzinfo=UTC)
NEVER = fold(Reading((), ("",), ()))
"""The state of a model that has no book yet."""


@dataclass(frozen=True)
class Question:
    """Who held this slot then? `now` is the present of the one who asks."""

    slot: Slot
    when: When
    now: datetime


@dataclass(frozen=True)
class Told:
    """The answer for one model. `doubts` counts what does not fit in its book: then the answer may lack an entry.

    `unrecorded` is what a look would have to write first; it counted.
    """

    model: str
    answer: Answer
    doubts: int
    unrecorded: Entry | None = None


@dataclass(frozen=True)
class Line:
    """An entry of the book of a model, at its time; the times of a book never run backwards along its places."""

    model: str
    at: datetime
    entry: Entry


def ask(backend: Backend, model: str, question: Question) -> Told:
    """Who held a slot of a model. Raises NotFound when there is no such model and never was, or when it has another name now."""
    seen = look_at(backend, model)
    before = find_record(backend, life_of(seen)) or NEVER
    if seen.created and before.opened and _known((before,), seen):
        return _told((before,), seen, question)
    seen = look_at(backend, model)  # between two readings of the record, so that no move in flight is taken for one outside
    if seen.created is None and (other := renamed_to(backend, before.created) if before.created else None):
        raise NotFound(f"{model} is now called {other}.", means="", next=f"Its record goes on under {other}.")
    if seen.created is None and not before.opened:
        raise NotFound(f"There is no registered model {model}.", means="", next="Check the name.")
    state = before if _known((before,), seen) else recorded(backend, model) or NEVER
    return _told((before, state), seen, question)


def ask_all(backend: Backend, question: Question) -> tuple[Told, ...]:
    """The same for every model, deleted ones that left a record too, by name."""
    seen = {one.model: one for one in every_model(backend)}
    known = books(backend, tuple(seen.values()))
    told = list[Told]()
    for name in sorted({*seen, *known}):
        state, one = known[name].state if name in known else NEVER, seen.get(name) or Seen(name)
        sure = _known((state,), one) or not known[name].active
        told.append(_told((state,), one, question) if sure else ask(backend, name, question))
    return tuple(told)


def books(backend: Backend, models: tuple[Seen, ...]) -> dict[str, Book]:
    """Model → its book, those of deleted models under their last name, deleted books too. Writes nothing."""
    return {model: told for model, (_, told) in owned_books(backend, models).items()}


def owned_books(backend: Backend, models: tuple[Seen, ...]) -> dict[str, tuple[str, Book]]:
    """The same with the run id of each book."""
    told = every_book(backend)
    owned = {model: (book, told[book]) for model, book in whose(backend, models, told).items()}
    taken = {book for book, _ in owned.values()}
    for book, one in told.items():
        if book not in taken:
            owned.setdefault(_last_name(one), (book, one))
    return owned


def log(backend: Backend) -> tuple[Line, ...]:
    """Every entry of every book, newest first; within a book the order of its places. Writes nothing."""
    every = [line for model, book in books(backend, every_model(backend)).items() for line in _lines(model, book.state)]
    return tuple(sorted(every, key=lambda line: (line.at, line.entry.place), reverse=True))


def _last_name(book: Book) -> str:
    names = [entry.body.model for entry in book.state.reading.entries if entry.body.model]
    return names[-1] if names else book.name


def _lines(model: str, state: State) -> list[Line]:
    lines, at = list[Line](), BEGINNING
    for entry in state.reading.entries:
        with suppress(ValueError):  # an entry that nobody can date stays where it stands
            at = max(at, as_time(entry.body.recorded_at))
        lines.append(Line(model, at, entry))
    return lines


def _told(states: Sequence[State], seen: Seen, question: Question) -> Told:
    state = states[-1]
    paper = None if _known(states, seen) else _on_paper(state, seen, question.now)
    entries, known = (*state.reading.entries, *([paper] if paper else [])), None if paper else state.held
    return Told(seen.model, as_of(entries, question.slot, question.when, known), len(state.reading.findings), paper)


def _known(states: Sequence[State], seen: Seen) -> bool:
    """Does the record explain what the registry shows? Without a record there is nothing to explain."""
    state = states[-1]
    return not state.opened or (state.created == seen.created and explained(states, seen))


def _on_paper(state: State, seen: Seen, now: datetime) -> Entry:
    """The entry that a look would write now; at place 0, for it is not in the book."""
    at, by = as_text(now), UNKNOWN if state.created == seen.created else PODIUM
    said: dict[str, Any] = {"model": seen.model, "recorded_at": at, "by": by, "backend": Place(kind="", uri=""), "now": seen.now}
    if state.created == seen.created:
        since = min(at, as_text(state.last)) if state.last else at
        return Entry(0, "", "", Observed(**said, was=dict(state.now), window=(since, at)))
    return Entry(0, "", "", Opened(**said, why="re-created" if seen.created else "deleted", created=seen.created))
