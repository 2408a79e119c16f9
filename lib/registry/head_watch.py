"""The books of a store against what this Podium remembers of them, for every page, `verify`, and the moment before a decision.

The memory is read first, then tags, books and index, from the server: what others write and remember meanwhile is never ahead of what is
read here. An alarm is read once more before it is raised. What is as it should be is remembered.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lib.backends.backend import Backend
from lib.errors import MissingPermission
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
    read_replacements,
)
from lib.ledger.state.ledger_inventory import RunLookup
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, remember_head
from lib.ledger.storage.book_index import BookLocation, read_index_params
from lib.ledger.storage.head_memory import HeadMemory
from lib.ledger.storage.index_run import find_index_id
from lib.ledger.storage.inventory_reader import look_up_runs
from lib.registry.reader import LoadedBook, match_books, read_all_books, read_all_snapshots
from lib.registry.snapshot import RegistrySnapshot

_SECOND_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class StoreReading:
    """What a store holds of records: the index, the registered models, the books the index names, and the model that each belongs to."""

    index_id: str
    index_params: Mapping[str, str]
    snapshots: Sequence[RegistrySnapshot]
    books: Mapping[str, LoadedBook]
    owners: Mapping[str, str]


@dataclass(frozen=True)
class HeadCheck:
    """What came of comparing a store with the memory. `new_book_ids` were seen for the first time; `is_remembered`: what was read is kept."""

    alarms: tuple[HeadAlarm, ...] = ()
    new_book_ids: frozenset[str] = frozenset()
    is_remembered: bool = True


def find_head_alarms(backend: Backend, memory: HeadMemory, clock: Callable[[], datetime]) -> tuple[HeadAlarm, ...]:
    """Every book that is not the one seen before. Remembers the heads that are as they should be; writes nothing to the store.

    Raises LedgerBroken for an index or a memory that cannot be trusted.
    """
    return check_heads(backend, memory, clock).alarms


def check_heads(backend: Backend, memory: HeadMemory, clock: Callable[[], datetime]) -> HeadCheck:
    """Compare all books with the memory; where something differs, all is read once more and only that counts."""
    check = HeadCheck()
    for is_second_look in (False, True):
        if is_second_look:
            time.sleep(_SECOND_LOOK_SECONDS)
        known = memory.read(backend)
        try:
            reading = read_store(backend, known)
        except MissingPermission:  # what may not be read is not therefore absent
            return HeadCheck()
        check = judge_reading(backend, memory, known, reading, clock)
        if not check.alarms:
            return check
    return check


def read_store(backend: Backend, known: KnownStore) -> StoreReading:
    """Read models, books and index, in this order. Of a store without a ledger, and of which nothing is known, only that there is none."""
    index_id = find_index_id(backend)
    if index_id is None and not known.heads:
        return StoreReading("", {}, (), {}, {})
    snapshots = read_all_snapshots(backend)
    books = read_all_books(backend)
    index_id, index_params = find_index_id(backend) or "", read_index_params(backend)
    owners = {book_id: model for model, book_id in match_books(index_params, snapshots, books).items()}
    return StoreReading(index_id, index_params, snapshots, books, owners)


def judge_reading(
    backend: Backend, memory: HeadMemory, known: KnownStore, reading: StoreReading, clock: Callable[[], datetime]
) -> HeadCheck:
    """Compare what was read with what was known before, and remember what is as it should be.

    For books that are not among those read the store is asked once more, so that no refused permission counts as an absence.
    """
    states = {book_id: book.state for book_id, book in reading.books.items()}
    lookups = look_up_runs(backend, [book_id for book_id in known.heads if book_id not in states])
    if _is_another_store(backend, known, lookups):
        return HeadCheck((_another_store_alarm(known),))
    named_ids = book_ids(reading.index_params)  # what the index named once it names for good
    refused_ids = frozenset(book_id for book_id, lookup in lookups.items() if lookup == "refused" and book_id in named_ids)
    replacements = read_replacements(states.values(), memory.read_keys)
    alarms = judge_known_heads(known.heads, PresentBooks(states, _living_models(reading), refused_ids, replacements))
    alarmed_ids, alarmed_models = {alarm.known.book_id for alarm in alarms}, {alarm.known.model for alarm in alarms}
    at = format_timestamp(clock())
    heads = [
        (KnownHead(_model_of(book_id, known, reading), book_id, state.book.head, state.book.chain, at), state.book)
        for book_id, state in states.items()
        if state.book.head and book_id not in alarmed_ids and reading.owners.get(book_id) not in alarmed_models
    ]
    # while an index is missing nobody knows whether it is the same store
    index_id = reading.index_id if not alarms else ""
    is_remembered = memory.remember(backend, index_id, heads, replacements)
    return HeadCheck(alarms, frozenset(head.book_id for head, _ in heads) - set(known.heads), is_remembered)


def require_no_known_book(writer: Writer, known: KnownStore | None, model: str, index_id: str) -> None:
    """Raise LedgerBroken where a model would get a book, or be said to have none, and it had another one by what is `known`."""
    if known and (_has_other_index(known, index_id) or any(head.model == model for head in known.heads.values())):
        _require_no_alarm(writer, model, "")


def require_known_head(writer: Writer, known: KnownStore | None, model: str, location: BookLocation, state: BookState) -> None:
    """Raise LedgerBroken where the book of a model is not the one that was `known` before it was read; else remember its head.

    Asks the server nothing, unless something differs: then all is read and judged.
    """
    if known is None or writer.memory is None:
        return
    head = known.heads.get(location.book_id)
    is_first_seen = head is None and not any(other_head.model == model for other_head in known.heads.values())
    is_expected = is_first_seen or (head is not None and head.model == model)
    alarm = judge_known_head(head, state.book, read_replacements([state], writer.memory.read_keys)) if head else None
    if alarm or not is_expected or _has_other_index(known, location.index_id):
        _require_no_alarm(writer, model, location.book_id)
    else:
        remember_head(writer, location.book_id, state, model, location.index_id)


def _require_no_alarm(writer: Writer, model: str, book_id: str) -> None:
    """Judge the whole store; raise LedgerBroken where an alarm is about this model, about its book, or about the store."""
    assert writer.memory is not None
    for alarm in check_heads(writer.backend, writer.memory, writer.clock).alarms:
        if alarm.what == "another store" or alarm.known.model == model or alarm.known.book_id == book_id:
            raise alarm_error(alarm)


def _has_other_index(known: KnownStore, index_id: str) -> bool:
    return bool(known.index_id) and known.index_id != index_id


def _is_another_store(backend: Backend, known: KnownStore, lookups: Mapping[str, RunLookup]) -> bool:
    """Is nothing here of what is known: neither the index nor any book? `lookups` are those of the books that were not read."""
    return (
        bool(known.heads)
        and set(lookups) == set(known.heads)
        and set(lookups.values()) == {"missing"}
        and set(look_up_runs(backend, [known.index_id]).values()) <= {"missing"}
    )


def _another_store_alarm(known: KnownStore) -> HeadAlarm:
    last_at = max(head.at for head in known.heads.values())
    means = (
        f"Until {last_at[:10]} this address held {len(known.heads)} records that are not here any more, and neither is their index. Either "
        "another store stands at this address now, or its database was replaced."
    )
    return HeadAlarm(KnownHead("", known.index_id, 0, "", last_at), "another store", means)


def _living_models(reading: StoreReading) -> dict[str, LivingModel]:
    owned_ids = {model: book_id for book_id, model in reading.owners.items()}
    return {
        snapshot.model: LivingModel(snapshot.created_at or "", owned_ids.get(snapshot.model, ""))
        for snapshot in reading.snapshots
    }


def _model_of(book_id: str, known: KnownStore, reading: StoreReading) -> str:
    """The model that has a book, or had it last. Empty where its name is another's now, and where the book only says so itself."""
    if owner := reading.owners.get(book_id):
        return owner
    head, book = known.heads.get(book_id), reading.books[book_id]
    own_name = book.state.model_name or book.model
    former_name = head.model if head else own_name if reading.index_params.get(name_key(own_name)) == book_id else ""
    return "" if former_name in {snapshot.model for snapshot in reading.snapshots} else former_name
