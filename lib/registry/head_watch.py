"""Compares the books of a store with the heads this Podium remembers: on every page, in `verify`, and before each decision.

The memory is read first, then tags, books and index, from the server, so that concurrent writes are never ahead of what is read here.
An alarm is checked a second time before it is raised. Heads without an alarm are remembered.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lib.backends.backend import Backend
from lib.errors import LedgerBroken, MissingPermission
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.state.book_lookup import book_ids, name_key
from lib.ledger.state.known_heads import (
    HeadAlarm,
    KnownHead,
    KnownStore,
    LivingModel,
    PresentBooks,
    alarm_error,
    judge_known_head,
    judge_known_heads,
    make_known_head,
    read_replacements,
)
from lib.ledger.state.ledger_inventory import RunLookup
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer
from lib.ledger.storage.book_index import read_index_params
from lib.ledger.storage.head_memory import HeadMemory
from lib.ledger.storage.index_run import find_index_id
from lib.ledger.storage.inventory_reader import look_up_runs
from lib.registry.reader import LoadedBook, match_books, read_all_books, read_all_snapshots
from lib.registry.snapshot import RegistrySnapshot

_SECOND_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class HeadWatch:
    """The memory of this Podium and its clock."""

    memory: HeadMemory
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class StoreReading:
    """The records in a store: the index, the registered models, the indexed books, and in `owners` the model of each book.

    `named_ids` are all indexed books, including unreadable ones.
    """

    index_id: str = ""
    index_params: Mapping[str, str] = field(default_factory=dict)
    snapshots: Sequence[RegistrySnapshot] = ()
    books: Mapping[str, LoadedBook] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    named_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModelReading:
    """The book of a model as just read. `index_id` is empty if unknown."""

    model: str
    book_id: str
    state: BookState
    index_id: str = ""


@dataclass(frozen=True)
class HeadCheck:
    """The result of comparing a store with the memory. `new_book_ids` are seen for the first time; `is_remembered`: the memory is saved."""

    alarms: tuple[HeadAlarm, ...] = ()
    new_book_ids: frozenset[str] = frozenset()
    is_remembered: bool = True


def find_head_alarms(backend: Backend, watch: HeadWatch) -> tuple[HeadAlarm, ...]:
    """Every book that is not the one seen before. Remembers the other heads; writes nothing to the store.

    Raises LedgerBroken if the index, RecordInDoubt if the memory cannot be trusted.
    """
    return check_heads(backend, watch).alarms


def check_heads(backend: Backend, watch: HeadWatch) -> HeadCheck:
    """Compare all books with the memory. If something differs, everything is read a second time, and only that result counts."""
    check = HeadCheck()
    for is_second_look in (False, True):
        if is_second_look:
            time.sleep(_SECOND_LOOK_SECONDS)
        known = watch.memory.read(backend)
        try:
            reading = read_store(backend, known)
        except MissingPermission:  # unreadable does not mean absent
            return HeadCheck()
        check = judge_reading(backend, watch, known, reading)
        if not check.alarms:
            return check
    return check


def check_reading(backend: Backend, watch: HeadWatch, known: KnownStore, reading: StoreReading) -> HeadCheck:
    """Compare a reading with what was `known` before. If something differs, everything is read again, and only that result counts."""
    check = judge_reading(backend, watch, known, reading)
    if not check.alarms:
        return check
    try:
        return check_heads(backend, watch)
    except LedgerBroken:  # no index leads to the books, but the caller has found them
        return check


def read_store(backend: Backend, known: KnownStore) -> StoreReading:
    """Read models, books and index, in this order. Returns an empty reading if there is no ledger and nothing is remembered."""
    index_id = find_index_id(backend)
    if index_id is None and not known.heads:
        return StoreReading()
    snapshots = read_all_snapshots(backend)
    books = read_all_books(backend)
    index_id, index_params = find_index_id(backend) or "", read_index_params(backend)
    owners = {book_id: model for model, book_id in match_books(index_params, snapshots, books).items()}
    return StoreReading(index_id, index_params, snapshots, books, owners, book_ids(index_params))


def judge_reading(backend: Backend, watch: HeadWatch, known: KnownStore, reading: StoreReading) -> HeadCheck:
    """Compare a reading with what was known before, and remember the heads without an alarm.

    Known books missing from the reading are looked up again, so that a refused permission does not count as absence.
    """
    states = {book_id: book.state for book_id, book in reading.books.items()}
    lookups = look_up_runs(backend, [book_id for book_id in known.heads if book_id not in states])
    if _is_another_store(backend, known, lookups):
        return HeadCheck((_another_store_alarm(known),))
    refused_ids = reading.named_ids & {book_id for book_id, lookup in lookups.items() if lookup == "refused"}
    replacements = read_replacements(states.values(), watch.memory.read_keys)
    alarms = judge_known_heads(known.heads, PresentBooks(states, _living_models(reading), refused_ids, replacements))
    alarmed_ids, alarmed_models = {alarm.known.book_id for alarm in alarms}, {alarm.known.model for alarm in alarms}
    at = format_timestamp(watch.clock())
    heads = [
        (make_known_head(_model_of(book_id, known, reading), book_id, state.book, at), state.book)
        for book_id, state in states.items()
        if state.book.head and book_id not in alarmed_ids and reading.owners.get(book_id) not in alarmed_models
    ]
    # while there are alarms it is unknown whether this is the same store
    index_id = reading.index_id if not alarms else ""
    is_remembered = watch.memory.remember(backend, index_id, heads, replacements)
    return HeadCheck(alarms, frozenset(head.book_id for head, _ in heads) - set(known.heads), is_remembered)


def require_no_known_book(writer: Writer, known: KnownStore | None, model: str, index_id: str) -> None:
    """Raise RecordInDoubt if a model would get a book, or be reported without one, although a book is `known` for it."""
    if known is None or writer.memory is None:
        return
    if _has_other_index(known, index_id) or any(head.model == model for head in known.heads.values()):
        for alarm in _confirm_alarms(writer.backend, HeadWatch(writer.memory, writer.clock), model, ""):
            raise alarm_error(alarm)


def require_known_head(writer: Writer, known: KnownStore | None, reading: ModelReading) -> None:
    """Raise RecordInDoubt if the book of a model is not the one `known` before it was read. Otherwise remember its head."""
    if known is not None and writer.memory:
        for alarm in find_model_alarms(writer.backend, HeadWatch(writer.memory, writer.clock), known, reading):
            raise alarm_error(alarm)


def find_model_alarms(backend: Backend, watch: HeadWatch, known: KnownStore, reading: ModelReading) -> tuple[HeadAlarm, ...]:
    """Signs that the book of a model is not the one `known` before it was read. If there are none, its head is remembered.

    Calls the server only if something differs; then the complete store is read and judged.
    """
    model, state, head = reading.model, reading.state, known.heads.get(reading.book_id)
    is_first_seen = head is None and not any(other_head.model == model for other_head in known.heads.values())
    is_expected = is_first_seen or (head is not None and head.model == model)
    alarm = judge_known_head(head, state.book, read_replacements([state], watch.memory.read_keys)) if head else None
    if alarm or not is_expected or _has_other_index(known, reading.index_id):
        return _confirm_alarms(backend, watch, model, reading.book_id)
    new_head = make_known_head(model, reading.book_id, state.book, format_timestamp(watch.clock()))
    watch.memory.remember_book(backend, new_head, state, reading.index_id)
    return ()


def _confirm_alarms(backend: Backend, watch: HeadWatch, model: str, book_id: str) -> tuple[HeadAlarm, ...]:
    """Check the complete store. Returns the alarms about this model, its book, and the store."""
    return tuple(
        alarm
        for alarm in check_heads(backend, watch).alarms
        if alarm.what == "another store" or alarm.known.model == model or alarm.known.book_id == book_id
    )


def accept_present_store(backend: Backend, memory: HeadMemory, at: datetime, name_and_reason: tuple[str, str]) -> bool:
    """Record that a person accepted the present store. Returns False if the memory cannot be written."""
    return memory.accept_store(backend, find_index_id(backend) or "", at, *name_and_reason)


def _has_other_index(known: KnownStore, index_id: str) -> bool:
    return bool(known.index_id) and known.index_id != index_id


def _is_another_store(backend: Backend, known: KnownStore, lookups: Mapping[str, RunLookup]) -> bool:
    """Are the known index and all known books missing here? `lookups` covers the books that were not read."""
    return (
        bool(known.heads)
        and set(lookups) == set(known.heads)
        and set(lookups.values()) == {"missing"}
        and set(look_up_runs(backend, [known.index_id]).values()) <= {"missing"}
    )


def _another_store_alarm(known: KnownStore) -> HeadAlarm:
    last_at = max(head.at for head in known.heads.values())
    means = (
        f"Until {last_at[:10]} this address held {len(known.heads)} records. They and their index are gone. Either this address now leads "
        "to another store, or its database was replaced."
    )
    return HeadAlarm(KnownHead("", known.index_id, 0, "", last_at), "another store", means)


def _living_models(reading: StoreReading) -> dict[str, LivingModel]:
    owned_ids = {model: book_id for book_id, model in reading.owners.items()}
    return {
        snapshot.model: LivingModel(snapshot.created_at or "", owned_ids.get(snapshot.model, ""))
        for snapshot in reading.snapshots
    }


def _model_of(book_id: str, known: KnownStore, reading: StoreReading) -> str:
    """The model that has a book, or had it last. Empty if another model has that name now, or if only the book itself claims it."""
    if owner := reading.owners.get(book_id):
        return owner
    head, book = known.heads.get(book_id), reading.books[book_id]
    own_name = book.state.model_name or book.model
    former_name = head.model if head else own_name if reading.index_params.get(name_key(own_name)) == book_id else ""
    return "" if former_name in {snapshot.model for snapshot in reading.snapshots} else former_name
