"""Convergence: a writer makes the registry follow its own decisions, one write at a time, and closes them (docs/decisions/0002).

Decisions of others are never carried out here. A later settled decision ends the work. The writer waits for a later open decision, then
finishes its own move and reports that. After every write, ledger and registry are read again: a write that came too late is reverted to
the holder that the ledger then wants.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.capabilities import forget_capabilities
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, is_unknown_endpoint, translate_error, unanswered_cause
from lib.backends.permissions import Resource, explain_refusal
from lib.backends.reserved_names import STAGE_TAG
from lib.errors import BackendError, PodiumError
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.vocabulary import SLOTS, Reason, Slot
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, read_book
from lib.ledger.storage.key_trust import read_process_keys
from lib.registry.change_recorder import append_closing, append_give_up, tag_version_head
from lib.registry.model_status import ModelStatus
from lib.registry.moves import Move, is_in_force, plan_moves, settled_or
from lib.registry.permission_check import required_permission
from lib.registry.reconcile import sync_model_status
from lib.registry.recovery_plan import NOBODY, find_trusted_holders, plan_give_up, plan_repair
from lib.registry.snapshot import RegistrySnapshot

LATER_DECISION_WAIT = 10.0
"""Seconds a writer waits for a later decision to be closed before it finishes its own move."""
_POLL_INTERVAL = 0.25
_MAX_PASSES = 100
_RETRYABLE_CODES = ("RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INTERNAL_ERROR")


@dataclass
class WriteJournal:
    """The moves a writer made while carrying out decisions, and every version it saw in a slot."""

    moves: list[Move] = field(default_factory=list)
    seen_holders: Mapping[Slot, set[str]] = field(default_factory=lambda: {slot: set() for slot in SLOTS})
    wait_until: float | None = None

    def add_snapshot(self, snapshot: RegistrySnapshot) -> None:
        """Record who holds each slot."""
        for slot, slot_state in snapshot.slot_states.items():
            self.seen_holders[slot].update(slot_state.holders or (NOBODY,))


def carry_out(writer: Writer, status: ModelStatus, intent: Entry, reason: Reason | None = None) -> tuple[ModelStatus, bool]:
    """Carry out an open decision and close it. Returns the status afterwards, and whether this writer closed it.

    `reason` is given by a person who finishes someone else's decision. Raises BackendError if the registry keeps changing.
    """
    journal, is_closed_here = WriteJournal(), False
    status = replace(status, state=read_book(writer.backend, status.book_id))
    while any(other.id == intent.id for other in status.state.open_intents):
        status = _converge(writer, status.snapshot.model, intent, journal)
        if any(other.id == intent.id for other in status.state.open_intents):
            is_closed_here = append_closing(writer, status, intent, reason) is not None
            status = replace(status, state=read_book(writer.backend, status.book_id))
            tag_version_head(writer, status, intent)
    return status, is_closed_here


def give_up(writer: Writer, status: ModelStatus, intent: Entry, reason: Reason) -> tuple[ModelStatus, bool]:
    """Restore the slots of an open decision and close it as failed. Returns the status afterwards, and whether this writer closed it.

    Raises BackendError if the registry keeps changing.
    """
    journal, is_closed_here, error = WriteJournal(), False, None
    for _ in range(_MAX_PASSES):
        status = sync_model_status(writer, status.snapshot.model)
        journal.add_snapshot(status.snapshot)
        is_open = any(other.id == intent.id for other in status.state.open_intents)
        moves = (
            plan_give_up(status.state, status.snapshot, intent)
            if is_open and status.snapshot.created_at
            else _plan_repair(status, (), journal)
        )
        if moves:
            error = write_move(writer, status.snapshot.model, moves[0])
            journal.moves.append(moves[0])
        elif not is_open:
            return status, is_closed_here
        elif append_give_up(writer, status, intent, reason):
            is_closed_here = True
            tag_version_head(writer, replace(status, state=read_book(writer.backend, status.book_id)), intent)
    raise error or _restless_error(status.snapshot.model)


def find_overtaking_intent(state: BookState, snapshot: RegistrySnapshot, intent: Entry) -> Entry | None:
    """The later open decision that overtakes this one; None if this one is in force or was overtaken by a settled one. Pure."""
    if not is_in_force(state, intent, settled_or((intent.id,), state, snapshot)):
        return None
    later = [other for other in state.open_intents if other.position > intent.position and snapshot.is_possible(other)]
    counts_with = {other.id: settled_or((intent.id, other.id), state, snapshot) for other in later}
    return next((other for other in later if not is_in_force(state, intent, counts_with[other.id])), None)


def _converge(writer: Writer, model: str, intent: Entry, journal: WriteJournal) -> ModelStatus:
    """Make one move for this intent and compare again until no move remains."""
    error: PodiumError | None = None
    for _ in range(_MAX_PASSES):
        status = sync_model_status(writer, model)
        state, snapshot = status.state, status.snapshot
        journal.add_snapshot(snapshot)
        is_open = intent.id not in state.outcomes and snapshot.is_possible(intent)
        if is_open and find_overtaking_intent(state, snapshot, intent) and _wait(writer, status, journal):
            continue
        moves = _plan_repair(status, (intent.id,), journal)
        if not moves and is_open and is_in_force(state, intent, settled_or((intent.id,), state, snapshot)):
            moves = plan_moves(state, snapshot, (intent.id,))
        if not moves or not snapshot.created_at:
            return status
        error = write_move(writer, model, moves[0])
        journal.moves.append(moves[0])
    raise error or _restless_error(model)


def _plan_repair(status: ModelStatus, own_ids: Collection[str], journal: WriteJournal) -> tuple[Move, ...]:
    """The moves that revert this writer's late writes, based on what it saw itself and on trusted keys."""
    if not journal.moves:
        return ()
    trusted_holders = find_trusted_holders(status.state, status.snapshot, own_ids, read_process_keys())
    certain_holders = {slot: {*holders, *trusted_holders.get(slot, ())} for slot, holders in journal.seen_holders.items()}
    return plan_repair(status.state, status.snapshot, own_ids, journal.moves, certain_holders)


def _wait(writer: Writer, status: ModelStatus, journal: WriteJournal) -> bool:
    """Wait for the next entry in the book. Returns False once the waiting time of this decision is used up."""
    if journal.wait_until is None:
        journal.wait_until = time.monotonic() + LATER_DECISION_WAIT
    while time.monotonic() < journal.wait_until:
        time.sleep(_POLL_INTERVAL)
        if read_book(writer.backend, status.book_id).book.head > status.state.book.head:
            return True
    return False


def write_move(writer: Writer, model: str, move: Move) -> PodiumError | None:
    """Make one registry write. An error that the next comparison may resolve (gone, or a lost race in the database) is only returned."""
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
    """Translate a failed write: raised if it would fail again, returned if the next comparison may resolve it."""
    if error.error_code in PERMISSION_ERROR_CODES:
        raise explain_refusal(backend, Resource("registered_model", model, model), required_permission((move,))) from error
    translated = translate_error(error, model)
    if is_unknown_endpoint(error):
        forget_capabilities(backend)  # the server changed since it was probed: the next pass plans with its present capabilities
    elif error.error_code not in _RETRYABLE_CODES or unanswered_cause(error):
        raise translated from error
    return translated


def _restless_error(model: str) -> BackendError:
    return BackendError(
        f"The registry of {model} keeps changing.", next="Find out who keeps moving its versions, then run recover."
    )
