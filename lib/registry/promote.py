"""Promote, archive, adopt, revert: record a decision in the ledger, then make the registry follow it.

Every guard runs inside the conditional append: known drift, the holder the user expected, the identity of the model. A preview derives
the moves from the same entry, so the confirmed moves are the ones carried out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from lib.backends.backend import Backend
from lib.backends.call_deadline import single_wait
from lib.errors import ActionRefused, BadInput, PodiumError, explain_no_answer
from lib.ledger.entry.types import Body, Closing, Decided
from lib.ledger.entry.vocabulary import NO_HOLDER, SLOTS, UNKNOWN_ACTOR, Reason, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder, is_fulfilled
from lib.ledger.storage.book import Writer, append, read_book
from lib.registry.change_recorder import append_registered
from lib.registry.convergence import carry_out, find_overtaking_intent
from lib.registry.model_status import ModelStatus, explain_recorded
from lib.registry.move_plan import PREVIEW_ID, Move, add_preview_intent, preview_intent
from lib.registry.permission_check import require_move_permission
from lib.registry.reader import read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, require_ready, require_version, version_sort_key
from lib.text import version_list

DecisionKind = Literal["promote", "archive", "roll_back", "adopt", "revert"]
MoveOutcome = Literal["applied", "overtaken", "failed", "unchanged"]
_DRIFT_ADVICE = "Accept the change with a reason, or revert it. Then decide again."
_HALF_MOVED_ADVICE = "An unfinished decision may be the cause. Finish it, give it up, or resolve the drift. Then decide again."


@dataclass(frozen=True)
class MoveRequest:
    """A requested move: this version to this stage, the reason, and the expected holder.

    `expected_holder` is the version the user expects in the slot (as `DesiredHolder.holders_text`); None disables this guard.
    `aliases` are other aliases of the displaced version that move along.
    """

    model: str
    version: str
    to_stage: Stage
    reason: Reason
    kind: DecisionKind = "promote"
    expected_holder: str | None = None
    aliases: tuple[str, ...] = ()


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
def move_version(writer: Writer, request: MoveRequest) -> MoveResult:
    """Record the decision and carry it out. Returns the outcome.

    Raises NotFound for an unknown model or version, ActionRefused if a guard refuses the decision; then nothing was written.
    """
    _require_existing_version(writer.backend, request)
    status = sync_model_status(writer, request.model)
    with explain_recorded(status):
        version = target_version(status.state, status.snapshot, request)
        _require_ready(version, request)
    if _is_already_done(status, request):
        return MoveResult(request.model, request.version, version.stage, request.to_stage, "unchanged")
    with explain_recorded(status):
        _require_decidable(status.state, status, request)
    if request.version not in status.state.registered_versions and request.version in status.snapshot.versions:
        append_registered(writer, status, version, UNKNOWN_ACTOR)
    require_move_permission(writer.backend, request.model, preview_moves(status, request, writer))
    anchors = status.snapshot.anchors(status.book_id)
    with explain_no_answer(
        "No version was moved. If the decision was recorded, it stays open until you finish it or give it up with recover."
    ):
        intent_id = append(writer, status.book_id, _decision(writer, status, request), anchors) or ""
    try:
        status = replace(status, state=read_book(writer.backend, status.book_id))
        intent = next(entry for entry in status.state.intents if entry.id == intent_id)
        status, _ = carry_out(writer, status, intent)
    except PodiumError as error:
        raise _add_recovery_hint(error) from error
    return _move_result(status, request, version, intent_id)


def preview_moves(status: ModelStatus, request: MoveRequest, writer: Writer) -> tuple[Move, ...]:
    """The registry writes a request would cause, in order. Writes nothing."""
    body = _decision_body(writer, status.state, status.snapshot, request)
    return preview_intent(add_preview_intent(status.state, body), status.snapshot, PREVIEW_ID)


def displaced_versions(status: ModelStatus, request: MoveRequest) -> tuple[str, ...]:
    """The versions that a request would displace from its slots."""
    slots = _named_slots(status.state, status.snapshot, request)
    holders = {version for slot in slots for version in status.snapshot.slot_states[slot].holders}
    return tuple(sorted(holders - {request.version}, key=version_sort_key)) if slot_of(request.to_stage) else ()


def desired_holder(status: ModelStatus, request: MoveRequest) -> DesiredHolder:
    """The holder of the requested slot by the ledger, which the decision replaces."""
    slot = _contested_slot(status.state, status.snapshot, request)
    return status.state.desired_holders(status.snapshot.is_possible)[slot] if slot else DesiredHolder()


def target_version(state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> VersionSnapshot:
    """The version of a request: an existing one or, to accept a deletion, one that was deleted while it held a slot."""
    if request.version not in snapshot.versions and request.kind == "adopt" and slot_of(request.to_stage) is None:
        slots = _slots_lost_by_deletion(state, snapshot, request.version)
        identity = state.version_identity(request.version)
        if slots and identity:
            return VersionSnapshot(request.version, SLOTS[slots[0]], identity.created, identity.created, identity.run_id)
    return require_version(snapshot, request.version)


def _require_ready(version: VersionSnapshot, request: MoveRequest) -> None:
    """Raise ActionRefused for a version without files, unless it leaves a slot or the present state is adopted."""
    if slot_of(request.to_stage) is not None and request.kind != "adopt":
        require_ready(request.model, version)


def _require_existing_version(backend: Backend, request: MoveRequest) -> None:
    """Raise NotFound before the sync that may begin a record, so that a wrong version number leaves nothing behind."""
    snapshot = read_snapshot(backend, request.model)
    if snapshot.created_at is not None and request.kind != "adopt":
        require_version(snapshot, request.version)


def _decision(writer: Writer, status: ModelStatus, request: MoveRequest) -> Callable[[BookState], Body | None]:
    """Returns a factory that builds the entry from the book at the moment of the append, after all guards."""

    def make(state: BookState) -> Body:
        if state.model_created_at != status.snapshot.created_at:
            raise ActionRefused(f"{request.model} was re-created since then.", next="Reload and try again.")
        _require_decidable(state, status, request)
        return _decision_body(writer, state, status.snapshot, request)

    return make


def _decision_body(writer: Writer, state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> Decided:
    version = target_version(state, snapshot, request)
    _require_ready(version, request)
    if unknown_aliases := [alias for alias in request.aliases if alias not in snapshot.aliases or alias in SLOTS]:
        raise BadInput(f"{', '.join(unknown_aliases)} cannot be moved with the version.", next="Reload and try again.")
    common_fields = writer.common_fields(request.model) | {"from": version.stage}
    return Decided(
        **common_fields,
        verdict="approve",
        kind=request.kind,
        version=request.version,
        identity=version.identity,
        to=request.to_stage,
        reason=request.reason,
        review="none",
        expected=request.expected_holder,
        slots=_named_slots(state, snapshot, request),
        aliases=request.aliases,
    )


def _require_decidable(state: BookState, status: ModelStatus, request: MoveRequest) -> None:
    """Raise ActionRefused if registry and ledger disagree, or the slot's holder is not the expected one.

    `state` is the present book, `status` was read before.
    """
    snapshot, known_head = status.snapshot, status.state.book.head
    in_flight = {*status.in_flight, *(intent.id for intent in state.open_intents if intent.position > known_head)}
    drifted_slots = state.drifted_slots(in_flight=in_flight)
    if request.kind in ("adopt", "revert"):
        _require_drift(drifted_slots, state, snapshot, request)
    elif drifted_slots:
        stages = " and ".join(SLOTS[slot] for slot in drifted_slots)
        is_half_moved = any(intent.id not in in_flight for intent in state.open_intents)
        raise ActionRefused(
            f"{stages} of {request.model} was changed outside Podium and has not been accepted or reverted.",
            next=_HALF_MOVED_ADVICE if is_half_moved else _DRIFT_ADVICE,
        )
    slot = _contested_slot(state, snapshot, request)
    holders = state.desired_holders(snapshot.is_possible)[slot].holders_text if slot else NO_HOLDER
    expected = request.expected_holder
    if expected is not None and set(holders.split(",")) != set(expected.split(",")):
        stage = SLOTS[slot] if slot else "a stage"
        raise ActionRefused(
            f"You expected {_describe(expected)} in {stage} of {request.model}, but it now holds {_describe(holders)}.",
            next="Review the change, then decide again.",
        )


def _require_drift(drifted_slots: tuple[Slot, ...], state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> None:
    """Raise ActionRefused unless registry and ledger still disagree about exactly the change to adopt or revert."""
    named_slots = _named_slots(state, snapshot, request)
    slots = [slot for slot in drifted_slots if slot in named_slots]
    if request.kind == "adopt" and not slots and _is_undecided(state, snapshot, request):
        return
    if request.kind == "adopt":
        slots = [slot for slot in slots if _accepts_observed(state, slot, request) or _is_half_removed(state, slot, request)]
    if not slots:
        raise ActionRefused(
            f"Registry and ledger of {request.model} no longer disagree about this.", next="Reload to see the present state."
        )


def _accepts_observed(state: BookState, slot: Slot, request: MoveRequest) -> bool:
    """Does the request keep the version where this slot shows it, in or out?"""
    return (request.version in state.observed_slots[slot].holders) == (SLOTS[slot] == request.to_stage)


def _is_half_removed(state: BookState, slot: Slot, request: MoveRequest) -> bool:
    """Did the holder lose only its alias or only its stage, and does the request remove it completely?"""
    observed, desired = state.observed_slots[slot], state.settled_holders()[slot]
    return slot_of(request.to_stage) is None and observed.holders == desired.holders == (request.version,)


def _is_undecided(state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> bool:
    """Was the version deleted while it held a slot, or is it in a slot without any decision so far?"""
    slot = slot_of(request.to_stage)
    if slot is None:
        return bool(_slots_lost_by_deletion(state, snapshot, request.version))
    is_managed = state.settled_holders()[slot].is_managed
    recorded_holders, current_holders = state.observed_slots[slot].holders, snapshot.slot_states[slot].holders
    return not is_managed and recorded_holders == current_holders == (request.version,)


def _is_already_done(status: ModelStatus, request: MoveRequest) -> bool:
    """Do ledger and registry already show the requested state, with no decision in progress?"""
    if status.state.open_intents or request.aliases or request.kind == "adopt":
        return False
    slot, slot_states = slot_of(request.to_stage), status.snapshot.slot_states
    if slot is None:
        holds_slot = any(request.version in slot_state.holders for slot_state in slot_states.values())
        return not holds_slot and status.snapshot.versions[request.version].stage == request.to_stage
    desired = status.state.desired_holders()[slot]
    return desired.holder == request.version and is_fulfilled(desired, slot_states[slot])


def _named_slots(state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> tuple[Slot, ...]:
    """The slots of a request: first the one it fills, then those its version holds by registry or ledger."""
    target, desired = slot_of(request.to_stage), state.desired_holders_with_deleted(snapshot.is_possible)
    held_slots = [s for s in SLOTS if request.version in (*desired[s].holders, *snapshot.slot_states[s].holders)]
    return tuple(dict.fromkeys([*([target] if target else []), *held_slots]))


def _contested_slot(state: BookState, snapshot: RegistrySnapshot, request: MoveRequest) -> Slot | None:
    """The slot whose holder the request may replace; None if the version is in no slot and goes to none."""
    return next(iter(_named_slots(state, snapshot, request)), None)


def _slots_lost_by_deletion(state: BookState, snapshot: RegistrySnapshot, number: str) -> list[Slot]:
    """The slots that a deleted version still holds by the ledger."""
    desired = state.desired_holders_with_deleted(lambda _: False)
    return [slot for slot in state.slots_with_deleted_holder(snapshot.versions) if number in desired[slot].holders]


def _move_result(status: ModelStatus, request: MoveRequest, version: VersionSnapshot, intent_id: str) -> MoveResult:
    state, entries = status.state, status.state.book.entries
    outcome = {"APPLIED": "applied", "OVERTAKEN": "overtaken"}.get(state.outcomes.get(intent_id, ""), "failed")
    closings = [entry.body for entry in entries if isinstance(entry.body, Closing) and entry.body.intent == intent_id]
    intent = next((entry for entry in entries if entry.id == intent_id), None)
    later_intent = find_overtaking_intent(state, status.snapshot, intent) if intent and outcome == "overtaken" else None
    return MoveResult(
        model=request.model,
        version=request.version,
        from_stage=version.stage,
        to_stage=request.to_stage,
        outcome=outcome,  # type: ignore[arg-type]
        entry_id=intent_id,
        position=intent.position if intent else 0,
        displaced_versions=closings[0].displaced if closings else (),
        failure_reason=(closings[0].why or "") if closings else "The model was deleted or re-created.",
        waiting_for=later_intent.id if later_intent else "",
    )


def _add_recovery_hint(error: PodiumError) -> PodiumError:
    """Add to an error that the decision is recorded, but may not have been carried out."""
    means = "The decision is in the ledger, but may be only partly carried out."
    advice = "Then open the model again or run recover, to finish the decision or give it up."
    hint = f"{error.next} {advice}".strip()
    return type(error)(error.what, means=means, next=hint)


def _describe(holders_text: str) -> str:
    return version_list(() if holders_text == NO_HOLDER else holders_text.split(","))
