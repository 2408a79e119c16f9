"""Promote, archive, adopt, revert: record a decision in the ledger, then make the registry follow it.

One `MovePlan` goes from top to bottom: gathered, judged, recorded, carried out. Every guard is asked again inside the conditional append.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.errors import PodiumError, explain_no_answer
from lib.ledger.entry.types import Closing
from lib.ledger.entry.vocabulary import UNKNOWN_ACTOR, Stage
from lib.ledger.storage.book import Writer, append, read_book
from lib.registry.change_recorder import append_registered
from lib.registry.convergence import carry_out, find_overtaking_intent
from lib.registry.model_status import ModelStatus, explain_recorded
from lib.registry.move_plan import Decision, MovePlan, MoveRequest, entry_factory, is_decision_needed, plan_move
from lib.registry.permission_check import require_move_permission
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import require_version

MoveOutcome = Literal["applied", "overtaken", "failed", "unchanged"]


@dataclass(frozen=True)
class MoveResult:
    """The outcome of a request. `entry_id` and `position` are those of the decision; empty if nothing had to be done.

    `waiting_for` is the id of a later decision that is still open: the move was finished, but that decision may change it.
    """

    model: str
    version: str
    from_stage: str
    to_stage: Stage
    outcome: MoveOutcome
    entry_id: str = ""
    position: int = 0
    displaced_versions: tuple[str, ...] = ()
    failure_reason: str = ""
    waiting_for: str = ""


@single_wait()
def move_version(writer: Writer, request: MoveRequest, decision: Decision) -> MoveResult:
    """Record the decision and carry it out. Returns the outcome.

    Raises NotFound for an unknown model or version, ActionRefused if a guard refuses the decision; then nothing was written.
    """
    _require_existing_version(writer.backend, request)
    status = sync_model_status(writer, request.model)
    with explain_recorded(status):
        plan = plan_move(status, request)
        if not is_decision_needed(plan, decision):
            return MoveResult(request.model, request.version, plan.version.stage, request.to_stage, "unchanged")
    intent_id = _record(writer, plan, decision)
    return _move_result(plan, _apply(writer, plan, intent_id), intent_id)


def _require_existing_version(backend: Backend, request: MoveRequest) -> None:
    """Raise NotFound before the sync that may begin a record, so that a wrong version number leaves nothing behind."""
    snapshot = read_snapshot(backend, request.model)
    if snapshot.created_at is not None and request.kind != "adopt":
        require_version(snapshot, request.version)


def _record(writer: Writer, plan: MovePlan, decision: Decision) -> str:
    """Append the decision, and first the registration of a version that the record does not know. Returns the id of the decision."""
    status = plan.status
    if plan.is_unregistered:
        append_registered(writer, status, plan.version, UNKNOWN_ACTOR)
    require_move_permission(writer.backend, plan.request.model, plan.moves)
    anchors, common_fields = status.snapshot.anchors(status.book_id), partial(writer.common_fields, plan.request.model)
    with explain_no_answer(
        "No version was moved. If the decision was recorded, it stays open until you finish it or give it up with recover."
    ):
        return append(writer, status.book_id, entry_factory(plan, decision, common_fields), anchors) or ""


def _apply(writer: Writer, plan: MovePlan, intent_id: str) -> ModelStatus:
    """Carry out the recorded decision. Returns the status afterwards."""
    try:
        status = replace(plan.status, state=read_book(writer.backend, plan.status.book_id))
        intent = next(entry for entry in status.state.intents if entry.id == intent_id)
        return carry_out(writer, status, intent)[0]
    except PodiumError as error:
        raise _add_recovery_hint(error) from error


def _add_recovery_hint(error: PodiumError) -> PodiumError:
    """Add to an error that the decision is recorded, but may not have been carried out."""
    means = "The decision is in the ledger, but may be only partly carried out."
    advice = "Then open the model again or run recover, to finish the decision or give it up."
    hint = f"{error.next} {advice}".strip()
    return type(error)(error.what, means=means, next=hint)


def _move_result(plan: MovePlan, status: ModelStatus, intent_id: str) -> MoveResult:
    """The outcome of the plan, by the status after it was carried out."""
    state, entries = status.state, status.state.book.entries
    outcome = {"APPLIED": "applied", "OVERTAKEN": "overtaken"}.get(state.outcomes.get(intent_id, ""), "failed")
    closings = [entry.body for entry in entries if isinstance(entry.body, Closing) and entry.body.intent == intent_id]
    intent = next((entry for entry in entries if entry.id == intent_id), None)
    later_intent = find_overtaking_intent(state, status.snapshot, intent) if intent and outcome == "overtaken" else None
    return MoveResult(
        model=plan.request.model,
        version=plan.request.version,
        from_stage=plan.version.stage,
        to_stage=plan.request.to_stage,
        outcome=outcome,  # type: ignore[arg-type]
        entry_id=intent_id,
        position=intent.position if intent else 0,
        displaced_versions=closings[0].displaced if closings else (),
        failure_reason=(closings[0].why or "") if closings else "The model was deleted or re-created.",
        waiting_for=later_intent.id if later_intent else "",
    )
