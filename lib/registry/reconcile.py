"""Reconciliation: how the registry is made to follow the ledger (the facts of the protocol: docs/decisions/0002).

A sync compares registry and ledger and records what nobody recorded. Convergence makes one move and compares again, until nothing
differs. A writer closes only its own intents; what a dead writer left open is closed by `recover`, or by a sync after a grace period.
With no intent open nothing is ever moved.
"""

from collections.abc import Collection
from dataclasses import replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, is_unknown_endpoint, translate_error, unanswered_cause
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
from lib.registry.change_recorder import (
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

_MAX_PASSES = 100
_RETRYABLE_CODES = ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INTERNAL_ERROR")


def sync_model_status(writer: Writer, model: str) -> ModelStatus:
    """Compare ledger and registry of a model, record what nobody recorded, and close what a dead writer left open long ago.

    Raises NotFound when there is no such model and never was, LedgerBroken when the record may not be written.
    """
    status = _record_changes(writer, model)
    deadline = writer.clock() - GRACE_PERIOD
    stale = tuple(intent.id for intent in status.state.open_intents if parse_timestamp(intent.body.recorded_at) < deadline)
    return close_intents(writer, status, stale) if stale else status


def read_model_status(backend: Backend, model: str) -> ModelStatus:
    """Ledger and registry of a model; writes nothing. A model without a book is shown as if its record began now."""
    snapshot = read_snapshot(backend, model)
    book_id = find_book_id(backend, incarnation_of(snapshot)) or ""
    if book_id:
        return ModelStatus(read_book(backend, book_id), snapshot, book_id)
    if snapshot.created_at is None:
        raise _unknown_model(model)
    return ModelStatus(_initial_state(backend, snapshot), snapshot, book_id)


def _initial_state(backend: Backend, snapshot: RegistrySnapshot) -> BookState:
    """The state of a record that would begin with this snapshot."""
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


def recover(writer: Writer, model: str) -> tuple[ModelStatus, tuple[str, ...]]:
    """Finish or give up every open intent of a model at once. Returns the status afterwards and the ids that were closed."""
    status = _record_changes(writer, model)
    intent_ids = tuple(intent.id for intent in status.state.open_intents)
    return (close_intents(writer, status, intent_ids) if intent_ids else status), intent_ids


def close_intents(writer: Writer, status: ModelStatus, intent_ids: Collection[str]) -> ModelStatus:
    """Converge, then close the open intents among `intent_ids`; converge again when another intent arrived meanwhile."""
    status = replace(status, state=read_book(writer.backend, status.book_id))
    while any(intent.id in intent_ids for intent in status.state.open_intents):
        status = _converge(writer, status.snapshot.model, intent_ids)
        intent = next((intent for intent in status.state.open_intents if intent.id in intent_ids), None)
        if intent is not None:
            append_closing(writer, status, intent)
            status = replace(status, state=read_book(writer.backend, status.book_id))
            tag_version_head(writer, status, intent)
    return status


def _record_changes(writer: Writer, model: str) -> ModelStatus:
    """Read ledger and registry and append what is missing, until the record explains everything the registry shows."""
    location = _locate_book(writer, model)
    for _ in range(_MAX_PASSES):
        at = format_timestamp(writer.clock())
        state = _read_book(writer, location.book_id, at)
        status = ModelStatus(state, read_snapshot(writer.backend, model), location.book_id, at)
        if status.snapshot.created_at and status.snapshot.tagged_book_id != location.book_id:
            tag_model_book(writer, model, location.book_id)
        if location.deleted_at:
            append_restored(writer, status, location.deleted_at)
            clear_deleted_mark(writer.backend, location.book_id, location.deleted_at)
            location = replace(location, deleted_at="")
        elif not append_missing_entries(writer, status):
            return status
    raise LedgerBroken(f"The record of {model} does not come to rest.", next="Look again when fewer people move it at once.")


def _read_book(writer: Writer, book_id: str, at: str) -> BookState:
    """Read a book; when it was deleted, note that in the index, where the deletion cannot reach."""
    try:
        return read_book(writer.backend, book_id)
    except LedgerBroken:
        mark_book_deleted(writer.backend, book_id, at)
        raise


def _locate_book(writer: Writer, model: str) -> BookLocation:
    """The book of a model, created when it is missing. Raises LedgerBroken when model or versions are tagged with an unknown book."""
    snapshot = read_snapshot(writer.backend, model)
    if snapshot.created_at is None:
        book_id = find_book_id(writer.backend, incarnation_of(snapshot))
        if book_id is None:
            raise _unknown_model(model)
        return BookLocation(book_id, frozenset({book_id}))
    location = ensure_book(writer.backend, incarnation_of(snapshot))
    if snapshot.tagged_book_id and snapshot.tagged_book_id not in location.all_book_ids:
        raise _unknown_book(f"{model} belongs to book {snapshot.tagged_book_id[:8]}…", f"delete its tag {BOOK_TAG}")
    if numbers := snapshot.versions_of_other_books(location.all_book_ids):
        raise _unknown_book(f"Version {numbers[0]} of {model} carries the head of another book", f"delete its tag {HEAD_TAG}")
    return location


def _unknown_book(problem: str, fix: str) -> LedgerBroken:
    return LedgerBroken(
        f"{problem}, which the index of this ledger does not name.",
        means="Either it was copied from elsewhere, or the book was replaced here. Nothing is written, so that the record does not split.",
        next=f"If it was copied, {fix}. If not, find out who changed the index.",
    )


def _unknown_model(model: str) -> NotFound:
    return NotFound(f"There is no registered model {model}.", next="Check the name; models are listed on the Models page.")


def _converge(writer: Writer, model: str, intent_ids: Collection[str]) -> ModelStatus:
    """Make one move for these intents and compare again, until no move is left."""
    error: PodiumError | None = None
    for _ in range(_MAX_PASSES):
        status = _record_changes(writer, model)
        moves = plan_moves(status.state, status.snapshot, intent_ids) if status.snapshot.created_at else ()
        if not moves:
            return status
        error = _write_move(writer, model, moves[0])
    raise error or BackendError(
        f"The registry of {model} does not come to rest.", next="Find out who keeps moving it, then run recover."
    )


def _write_move(writer: Writer, model: str, move: Move) -> PodiumError | None:
    """One registry write. An error that the next comparison may resolve (gone, or a lost race in the database) is only returned."""
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
        return _translate_write_error(writer.backend, model, move, error)
    return None


def _translate_write_error(backend: Backend, model: str, move: Move, error: MlflowException) -> PodiumError:
    """A failed write as our error: raised when it would fail again, returned when the next comparison may find another way."""
    if error.error_code in PERMISSION_ERROR_CODES:
        raise explain_refusal(backend, Resource("registered_model", model, model), required_permission((move,))) from error
    translated = translate_error(error, model)
    if is_unknown_endpoint(error):
        forget_capabilities(backend)  # the server changed since it was probed: the next pass plans for what it can do now
    elif error.error_code not in _RETRYABLE_CODES or unanswered_cause(error):
        raise translated from error
    return translated
