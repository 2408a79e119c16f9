"""Reconciliation: compares ledger and registry of a model and records missing entries (docs/decisions/0002).

A sync only writes entries. It never changes the registry, and leaves open decisions to their writers and to users: see `convergence` and
`recover`.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from lib.backends.backend import Backend
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import BackendRef, Opened
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state.known_heads import KnownStore
from lib.ledger.state.replay import BookState, replay
from lib.ledger.state.settlements import read_settlements
from lib.ledger.storage.book import Writer, read_book
from lib.ledger.storage.book_index import BookLocation, clear_deleted_mark, ensure_book, find_book_id, mark_book_deleted
from lib.ledger.storage.inventory_reader import require_explained_inventory
from lib.ledger.storage.key_trust import read_process_keys
from lib.registry.change_recorder import append_missing_entries, append_restored, tag_model_book
from lib.registry.head_watch import ModelReading, require_known_head, require_no_known_book
from lib.registry.model_status import ModelStatus, intents_in_flight
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.snapshot import RegistrySnapshot

_MAX_PASSES = 100


def read_model_status(backend: Backend, model: str, now: datetime) -> ModelStatus:
    """Ledger and registry of a model at this moment; writes nothing. A model without a book is shown as if its record began now.

    Raises LedgerBroken if it has no book and a record is unexplained: it may be the record of this model.
    """
    snapshot = read_snapshot(backend, model)
    book_id = find_book_id(backend, incarnation_of(snapshot)) or ""
    if book_id:
        state = read_book(backend, book_id)
        return ModelStatus(state, snapshot, book_id, format_timestamp(now), intents_in_flight(backend, state, now))
    if snapshot.created_at is None:
        raise _unknown_model(model)
    require_explained_inventory(backend)
    return ModelStatus(_initial_state(backend, snapshot), snapshot, book_id)


def _initial_state(backend: Backend, snapshot: RegistrySnapshot) -> BookState:
    """The initial state of a record that begins with this snapshot."""
    body = Opened(
        model=snapshot.model,
        recorded_at=snapshot.created_at or "",
        by=PODIUM_ACTOR,
        backend=BackendRef(kind=backend.kind, uri=backend.uri),
        why="first look",
        created=snapshot.created_at,
        now=snapshot.slot_states,
    )
    return replay(DecodedBook((Entry(1, "preview", "", body),), ("", ""), ()))


def sync_model_status(writer: Writer, model: str) -> ModelStatus:
    """Compare ledger and registry of a model and record missing entries until the record explains the registry.

    Moves nothing and closes no open decision. Raises NotFound if the model never existed, LedgerBroken if the record may not be written
    or is not the one this Podium saw before.
    """
    known = writer.memory.read(writer.backend) if writer.memory else None
    return sync_book(writer, model, _locate_book(writer, model, known), known)


def sync_book(writer: Writer, model: str, location: BookLocation, known: KnownStore | None = None) -> ModelStatus:
    """The same with the book at this location, compared with what was `known` before. The model is tagged with it first."""
    for pass_number in range(_MAX_PASSES):
        at = format_timestamp(writer.clock())
        state = _read_book(writer, location.book_id, at)
        if pass_number == 0:
            require_known_head(writer, known, ModelReading(model, location.book_id, state, location.index_id))
        in_flight = intents_in_flight(writer.backend, state, writer.clock())
        status = ModelStatus(state, read_snapshot(writer.backend, model), location.book_id, at, in_flight)
        if status.snapshot.created_at and status.snapshot.tagged_book_id != location.book_id:
            tag_model_book(writer, model, location.book_id)
        if location.deleted_at:
            append_restored(writer, status, location.deleted_at)
            clear_deleted_mark(writer.backend, location.book_id, location.deleted_at)
            location = replace(location, deleted_at="")
        elif not append_missing_entries(writer, status):
            return replace(status, has_recorded=pass_number > 0)
    raise LedgerBroken(f"The registry of {model} keeps changing, so its record cannot catch up.", next="Try again later.")


def _read_book(writer: Writer, book_id: str, at: str) -> BookState:
    """Read a book. If it was deleted, note that in the index, out of reach of the deletion."""
    try:
        return read_book(writer.backend, book_id)
    except LedgerBroken:
        mark_book_deleted(writer.backend, book_id, at)
        raise


def _locate_book(writer: Writer, model: str, known: KnownStore | None) -> BookLocation:
    """The book of a model, created if missing.

    Raises LedgerBroken if model or versions are tagged with an unknown book, or if the model lost a `known` book.
    """
    snapshot = read_snapshot(writer.backend, model)
    if snapshot.created_at is None:
        book_id = find_book_id(writer.backend, incarnation_of(snapshot))
        if book_id is None:
            require_no_known_book(writer, known, model, known.index_id if known else "")
            raise _unknown_model(model)
        return BookLocation(book_id, frozenset({book_id}), index_id=known.index_id if known else "")
    location = ensure_book(
        writer.backend, incarnation_of(snapshot), lambda index_id: require_no_known_book(writer, known, model, index_id)
    )
    foreign_ids = {snapshot.tagged_book_id, *snapshot.head_book_ids} - location.all_book_ids - {""}
    if not foreign_ids:
        return location
    known_ids = location.all_book_ids | set(_settled_subjects(writer, location.book_id))
    if snapshot.tagged_book_id and snapshot.tagged_book_id not in known_ids:
        raise _unknown_book(f"{model} belongs to book {snapshot.tagged_book_id[:8]}…", f"delete its tag {BOOK_TAG}")
    if numbers := snapshot.versions_of_other_books(known_ids):
        raise _unknown_book(f"Version {numbers[0]} of {model} carries the head of another book", f"delete its tag {HEAD_TAG}")
    return location


def _settled_subjects(writer: Writer, book_id: str) -> Collection[str]:
    """The subjects settled in the book of a model."""
    return read_settlements(read_book(writer.backend, book_id).book, read_process_keys()).subjects.keys()


def _unknown_book(problem: str, fix: str) -> LedgerBroken:
    return LedgerBroken(
        f"{problem}, which the index of this ledger does not name.",
        means="Either it was copied from elsewhere, or the book was replaced here. Nothing is written, so that the record does not split.",
        next=f"If it was copied, {fix}. If not, find out who changed the index, then settle it with a reason (settle, or Audit).",
    )


def _unknown_model(model: str) -> NotFound:
    return NotFound(f"There is no registered model {model}.", next="Check the model name. The Models page lists all models.")
