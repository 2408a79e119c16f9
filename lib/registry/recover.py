"""Recovery of open decisions: a person finishes them or gives them up, with a reason, and is recorded as the actor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lib.backends.call_deadline import single_wait
from lib.errors import ActionRefused, NotFound, PodiumError
from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Closing
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.storage.book import Writer
from lib.registry.convergence import carry_out, give_up
from lib.registry.model_status import ModelStatus
from lib.registry.moves import Move, preview_intent, preview_plan
from lib.registry.permission_check import require_ledger_permission, require_move_permission
from lib.registry.reconcile import sync_model_status
from lib.registry.recovery_plan import plan_give_up

RecoveryChoice = Literal["finish", "give up"]


@dataclass(frozen=True)
class ClosedDecision:
    """A formerly open decision: its id, its position, and its outcome (APPLIED, OVERTAKEN or FAILED)."""

    model: str
    intent_id: str
    position: int
    outcome: str


def preview_recovery(status: ModelStatus, intent_id: str, choice: RecoveryChoice) -> tuple[Move, ...]:
    """The registry writes that finishing or giving up an open decision would cause, in order. Raises NotFound if it is not open."""
    intent = _find_open_intent(status, intent_id)
    if not status.snapshot.created_at:
        return ()
    if choice == "finish":
        return preview_intent(status.state, status.snapshot, intent_id)
    return preview_plan(lambda snapshot_then: plan_give_up(status.state, snapshot_then, intent), status.snapshot)


@single_wait()
def recover_decisions(
    writer: Writer, model: str, intent_ids: Sequence[str], choice: RecoveryChoice, reason: Reason
) -> tuple[ClosedDecision, ...]:
    """Finish open decisions of a model, or give them up, newest first. Returns the outcome of each, in the order of the book.

    Raises NotFound if there is no such decision, ActionRefused if another user closed it first, MissingPermission if this user may not
    write the record or change the model; then nothing was moved.
    """
    status = sync_model_status(writer, model)
    intents = sorted((_find_open_intent(status, intent_id) for intent_id in intent_ids), key=lambda intent: intent.position)
    moves = [move for intent in intents for move in preview_recovery(status, intent.id, choice)]
    require_ledger_permission(writer.backend)
    require_move_permission(writer.backend, model, moves)
    closed_ids = set[str]()
    try:
        for intent in reversed(intents):  # newest first, so that an earlier one need not wait for the later ones
            close_decision = carry_out if choice == "finish" else give_up
            status, is_closed_here = close_decision(writer, status, intent, reason)
            closed_ids |= {intent.id} if is_closed_here else set()
    except PodiumError as error:
        means = "The registry may have been changed only partly. Decisions that were not closed are still open."
        raise type(error)(error.what, means=means, next=f"{error.next} Then look at the model again.".strip()) from error
    if not closed_ids:
        raise _closed_by_another(status, intents[0].id)
    return tuple(
        ClosedDecision(model, intent.id, intent.position, status.state.outcomes.get(intent.id, "FAILED")) for intent in intents
    )


def _find_open_intent(status: ModelStatus, intent_id: str) -> Entry:
    for intent in status.state.open_intents:
        if intent.id == intent_id:
            return intent
    if intent_id in status.state.outcomes:
        raise _closed_by_another(status, intent_id)
    raise NotFound(f"{status.snapshot.model} has no open decision {intent_id}.", next="Run recover to list the open decisions.")


def _closed_by_another(status: ModelStatus, intent_id: str) -> ActionRefused:
    closings = [
        entry for entry in status.state.book.entries if isinstance(entry.body, Closing) and entry.body.intent == intent_id
    ]
    if not closings:  # the model was deleted, or another one now has its name
        return ActionRefused("The decision ended because its model was deleted.", next="Reload the model.")
    closing = closings[0]
    return ActionRefused(
        f"{closing.body.by.name} closed this decision first: {closing.body.type} (entry {closing.position}).",
        next="Reload the model.",
    )
