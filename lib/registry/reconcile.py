"""Look, converge, close: how the registry is made to follow the ledger (facts of the protocol: docs/decisions/0002).

A look compares registry and ledger and writes down what nobody recorded. Converge makes one move and looks again, until nothing
differs. A writer closes only intents of its own; what the dead left is closed by `recover`, or by a look after a grace time.
With no intent open nothing is ever moved.
"""

from collections.abc import Collection
from dataclasses import replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities
from lib.backends.mlflow_client import PERMISSION_ERROR_CODES, client, is_unknown_endpoint, to_podium_error
from lib.backends.permissions import Resource, explain_refusal
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import BackendError, LedgerBroken, NotFound, PodiumError
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import BackendRef, Opened
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state.replay import BookState, replay
from lib.ledger.storage.book import Writer, read_book
from lib.ledger.storage.book_index import BOOK_TAG, BookLocation, clear_deleted_mark, ensure_book, find_book_id, mark_book_deleted
from lib.registry.ledger_writer import (
    GRACE_PERIOD,
    ModelStatus,
    append_closing,
    append_missing_entries,
    append_restored,
    tag_model_book,
    tag_version_head,
)
from lib.registry.move_plan import Move, plan_moves
from lib.registry.permission_check import required_permission
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.snapshot import HEAD_TAG, RegistrySnapshot

MAX_PASSES = 100
_RETRY = ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INTERNAL_ERROR")


def sync_model_status(writer: Writer, model: str) -> ModelStatus:
    """Compare ledger and registry of a model, write down what nobody recorded, and close what the dead left long ago.

    Raises NotFound when there is no such model and never was, LedgerBroken when the record may not be written.
    """
    found = _settled(writer, model)
    old = writer.clock() - GRACE_PERIOD
    stale = tuple(intent.id for intent in found.state.open_intents if parse_timestamp(intent.body.recorded_at) < old)
    return close_intents(writer, found, stale) if stale else found


def read_model_status(backend: Backend, model: str) -> ModelStatus:
    """A look that writes nothing. A model without a book is shown as if its record began now."""
    seen = read_snapshot(backend, model)
    book = find_book_id(backend, incarnation_of(seen)) or ""
    if book:
        return ModelStatus(read_book(backend, book), seen, book)
    if seen.created_at is None:
        raise _no_model(model)
    return ModelStatus(initial_state(backend, seen), seen, book)


def initial_state(backend: Backend, snapshot: RegistrySnapshot) -> BookState:
    """The record as it would begin with this look, on paper."""
    place = BackendRef(kind=backend.kind, uri=backend.uri)
    now = snapshot.created_at or ""
    body = Opened(
        model=snapshot.model,
        recorded_at=now,
        by=PODIUM_ACTOR,
        backend=place,
        why="first look",
        created=snapshot.created_at,
        now=snapshot.slot_states,
    )
    return replay(DecodedBook((Entry(1, "preview", "", body),), ("", ""), ()))


def recover(writer: Writer, model: str) -> tuple[ModelStatus, tuple[str, ...]]:
    """Finish or give up every open intent of a model at once. Returns the look afterwards and the ids that were closed."""
    found = _settled(writer, model)
    left = tuple(intent.id for intent in found.state.open_intents)
    return (close_intents(writer, found, left) if left else found), left


def close_intents(writer: Writer, status: ModelStatus, intent_ids: Collection[str]) -> ModelStatus:
    """Converge, then close the open intents `mine` (ids); converge again when another intent arrived meanwhile."""
    status = replace(status, state=read_book(writer.backend, status.book_id))
    while any(intent.id in intent_ids for intent in status.state.open_intents):
        status = _converge(writer, status.snapshot.model, intent_ids)
        intent = next((intent for intent in status.state.open_intents if intent.id in intent_ids), None)
        if intent is not None:
            append_closing(writer, status, intent)
            status = replace(status, state=read_book(writer.backend, status.book_id))
            tag_version_head(writer, status, intent)
    return status


def _settled(writer: Writer, model: str) -> ModelStatus:
    """Look until everything seen is in the record."""
    shelf = _shelf(writer, model)
    for _ in range(MAX_PASSES):
        at = format_timestamp(writer.clock())
        state = _read(writer, shelf.book_id, at)
        found = ModelStatus(state, read_snapshot(writer.backend, model), shelf.book_id, at)
        if found.snapshot.created_at and found.snapshot.tagged_book_id != shelf.book_id:
            tag_model_book(writer, model, shelf.book_id)
        if shelf.deleted_at:
            append_restored(writer, found, shelf.deleted_at)
            clear_deleted_mark(writer.backend, shelf.book_id, shelf.deleted_at)
            shelf = replace(shelf, deleted_at="")
        elif not append_missing_entries(writer, found):
            return found
    raise LedgerBroken(f"The record of {model} does not come to rest.", next="Look again when fewer people move it at once.")


def _read(writer: Writer, book: str, at: str) -> BookState:
    """Read a book; that it was found deleted is noted where its deletion cannot reach."""
    try:
        return read_book(writer.backend, book)
    except LedgerBroken:
        mark_book_deleted(writer.backend, book, at)
        raise


def _shelf(writer: Writer, model: str) -> BookLocation:
    """The book of a model, made when it is missing. Raises LedgerBroken when model or versions carry an unknown book."""
    seen = read_snapshot(writer.backend, model)
    if seen.created_at is None:
        book = find_book_id(writer.backend, incarnation_of(seen))
        if book is None:
            raise _no_model(model)
        return BookLocation(book, frozenset({book}))
    shelf = ensure_book(writer.backend, incarnation_of(seen))
    if seen.tagged_book_id and seen.tagged_book_id not in shelf.all_book_ids:
        raise _stranger(f"{model} belongs to book {seen.tagged_book_id[:8]}…", f"delete its tag {BOOK_TAG}")
    if strangers := seen.versions_of_other_books(shelf.all_book_ids):
        raise _stranger(f"Version {strangers[0]} of {model} carries the head of another book", f"delete its tag {HEAD_TAG}")
    return shelf


def _stranger(what: str, cure: str) -> LedgerBroken:
    return LedgerBroken(
        f"{what}, which the index of this ledger does not name.",
        means="Either it was copied from elsewhere, or the book was replaced here. Nothing is written, so that the record does not split.",
        next=f"If it was copied, {cure}. If not, find out who changed the index.",
    )


def _no_model(model: str) -> NotFound:
    return NotFound(f"There is no registered model {model}.", next="Check the name; models are listed on the Models page.")


def _converge(writer: Writer, model: str, mine: Collection[str]) -> ModelStatus:
    """Make one move for the intents `mine` and look again, until nothing is left to do."""
    failed: PodiumError | None = None
    for _ in range(MAX_PASSES):
        found = _settled(writer, model)
        left = plan_moves(found.state, found.snapshot, mine) if found.snapshot.created_at else ()
        if not left:
            return found
        failed = _make(writer, model, left[0])
    raise failed or BackendError(
        f"The registry of {model} does not come to rest.", next="Find out who keeps moving it, then run recover."
    )


def _make(writer: Writer, model: str, move: Move) -> PodiumError | None:
    """One registry write. What vanished, or lost a race in the database, is left to the next look and only returned."""
    registry = client(writer.backend)
    try:
        if move.verb == "alias":
            registry.set_registered_model_alias(model, move.target, move.version)
        elif move.verb == "unalias":
            registry.delete_registered_model_alias(model, move.target)
        elif move.is_stage_tag:
            registry.set_model_version_tag(model, move.version, STAGE_TAG, move.target)
        else:
            registry.transition_model_version_stage(model, move.version, move.target)
    except MlflowException as error:
        return _failed(writer.backend, model, move, error)
    return None


def _failed(backend: Backend, model: str, move: Move, error: MlflowException) -> PodiumError:
    """What a failed write means: raised when it would fail again, returned when another look may find another way."""
    if error.error_code in PERMISSION_ERROR_CODES:
        raise explain_refusal(backend, Resource("registered_model", model, model), required_permission((move,))) from error
    told = to_podium_error(str(error.error_code), str(error), model)
    if is_unknown_endpoint(error):
        forget_capabilities(backend)  # the server is another one than when it was asked: the next look takes another road
    elif error.error_code not in _RETRY:
        raise told from error
    return told
