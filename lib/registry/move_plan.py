"""A requested move, judged on plain values: its plan, the guards of the decision, and the entry that records it. Pure.

The same plan is previewed by the page, guarded inside the conditional append, recorded and reported by `promote`. How the registry writes
follow from decisions is left to `moves`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lib.errors import ActionRefused, BadInput
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import NO_HOLDER, SLOTS, Reason, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder, is_fulfilled
from lib.registry.model_status import ModelStatus
from lib.registry.moves import PREVIEW_ID, Move, add_preview_intent, preview_intent
from lib.registry.snapshot import VersionSnapshot, require_ready, require_version, version_sort_key
from lib.text import version_list

_DRIFT_ADVICE = "Accept the change with a reason, or revert it. Then decide again."
_HALF_MOVED_ADVICE = "An unfinished decision may be the cause. Finish it, give it up, or resolve the drift. Then decide again."
DecisionKind = Literal["promote", "archive", "roll_back", "adopt", "revert"]


@dataclass(frozen=True)
class MoveRequest:
    """What to move: this version of a model to this stage. `aliases` are other aliases of the displaced version that move along."""

    model: str
    version: str
    to_stage: Stage
    kind: DecisionKind = "promote"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Why to move: the reason, and on which condition.

    `expected_holder` is the version the user expects in the slot (as `DesiredHolder.holders_text`); None disables this guard.
    """

    reason: Reason
    expected_holder: str | None = None


@dataclass(frozen=True)
class MovePlan:
    """What a request changes, by one state of ledger and registry. Built by `plan_move`.

    `version` is the version as the registry shows it or, to accept a deletion, as the ledger last knew it.
    `slots` are the slots concerned: first the one it fills, then those its version holds by registry or ledger. The version leaves
    `lost_slots`, which it held by the ledger when it was deleted. `champion` is the holder of the first slot by the ledger, which the
    decision replaces. `displaced` are the versions that leave the slots for this one.
    `moves` are the registry writes that the decision would cause, in order. `position` is that of its entry if nothing else is recorded
    before, except the registration of a version that `is_unregistered`.
    """

    request: MoveRequest
    version: VersionSnapshot
    status: ModelStatus = field(repr=False)
    slots: tuple[Slot, ...]
    lost_slots: tuple[Slot, ...]
    champion: DesiredHolder
    displaced: tuple[str, ...]
    is_unregistered: bool
    position: int
    moves: tuple[Move, ...] = ()


def plan_move(status: ModelStatus, request: MoveRequest) -> MovePlan:
    """The plan of a request. Raises NotFound for an unknown version, unless its deletion is to be accepted."""
    plan = _plan_entry(status, request, _find_version(status, request))
    intent_body = Decided.model_construct(model=request.model, **_entry_fields(plan))
    return replace(plan, moves=preview_intent(add_preview_intent(status.state, intent_body), status.snapshot, PREVIEW_ID))


def is_decision_needed(plan: MovePlan, decision: Decision) -> bool:
    """False if ledger and registry already show the requested state. Raises ActionRefused if the decision may not be recorded."""
    _require_version_files(plan)
    if _is_already_done(plan):
        return False
    _require_decidable(plan, decision)
    return True


def entry_factory(
    plan: MovePlan, decision: Decision, common_fields: Callable[[], Mapping[str, Any]]
) -> Callable[[BookState], Decided]:
    """A factory that builds the entry from the book at the moment of the append, after all guards (`recheck_plan`)."""
    return lambda state: make_entry(recheck_plan(plan, state, decision), decision, common_fields())


def recheck_plan(plan: MovePlan, state: BookState, decision: Decision) -> MovePlan:
    """The plan by a newer state of the book, after all guards. Decisions recorded since the plan was made count as in flight.

    `version` and `moves` stay as they were: what remains to be moved is computed from the ledger once the entry is in it. Raises
    ActionRefused if the decision may not be recorded, BadInput for an alias that cannot move.
    """
    if state.model_created_at != plan.status.snapshot.created_at:
        raise ActionRefused(f"{plan.request.model} was re-created since then.", next="Reload and try again.")
    known_head = plan.status.state.book.head
    new_ids = {intent.id for intent in state.open_intents if intent.position > known_head}
    status = replace(plan.status, state=state, in_flight=plan.status.in_flight | new_ids)
    new_plan = replace(_plan_entry(status, plan.request, plan.version), moves=plan.moves)
    _require_decidable(new_plan, decision)
    _require_version_files(new_plan)
    _require_movable_aliases(new_plan)
    return new_plan


def make_entry(plan: MovePlan, decision: Decision, common_fields: Mapping[str, Any]) -> Decided:
    """The entry that records a decision. `common_fields` are those of all entries, such as who records it and when."""
    return Decided(**common_fields, **_entry_fields(plan), reason=decision.reason, expected=decision.expected_holder)


def _plan_entry(status: ModelStatus, request: MoveRequest, version: VersionSnapshot) -> MovePlan:
    """The plan without its moves."""
    number, target, state, snapshot = request.version, slot_of(request.to_stage), status.state, status.snapshot
    desired, slot_states = state.desired_holders_with_deleted(snapshot.is_possible), snapshot.slot_states
    held_slots = [slot for slot in SLOTS if number in (*desired[slot].holders, *slot_states[slot].holders)]
    slots = tuple(dict.fromkeys([*([target] if target else []), *held_slots]))
    displaced = {holder for slot in slots for holder in slot_states[slot].holders} - {number} if target else ()
    is_unregistered = number not in state.registered_versions and number in snapshot.versions
    return MovePlan(
        request,
        version,
        status,
        slots=slots,
        lost_slots=_find_lost_slots(status, number),
        champion=state.desired_holders(snapshot.is_possible)[slots[0]] if slots else DesiredHolder(),
        displaced=tuple(sorted(displaced, key=version_sort_key)),
        is_unregistered=is_unregistered,
        position=state.book.head + (2 if is_unregistered else 1),
    )


def _find_version(status: ModelStatus, request: MoveRequest) -> VersionSnapshot:
    """The version of a request: an existing one or, to accept a deletion, one that was deleted while it held a slot."""
    number = request.version
    if number not in status.snapshot.versions and request.kind == "adopt" and slot_of(request.to_stage) is None:
        slots, identity = _find_lost_slots(status, number), status.state.version_identity(number)
        if slots and identity:
            return VersionSnapshot(number, SLOTS[slots[0]], identity.created, identity.created, identity.run_id)
    return require_version(status.snapshot, number)


def _find_lost_slots(status: ModelStatus, number: str) -> tuple[Slot, ...]:
    """The slots that a deleted version still holds by the ledger."""
    state = status.state
    slots = state.slots_with_deleted_holder(status.snapshot.versions)
    desired = state.desired_holders_with_deleted(lambda _: False) if slots else {}
    return tuple(slot for slot in slots if number in desired[slot].holders)


def _entry_fields(plan: MovePlan) -> dict[str, Any]:
    """The fields of the entry that the plan determines. A preview needs no others."""
    return {
        "verdict": "approve",
        "kind": plan.request.kind,
        "version": plan.request.version,
        "identity": plan.version.identity,
        "from": plan.version.stage,
        "to": plan.request.to_stage,
        "review": "none",
        "slots": plan.slots,
        "aliases": plan.request.aliases,
    }


def _is_already_done(plan: MovePlan) -> bool:
    """Do ledger and registry already show the requested state, with no decision in progress?"""
    request, state, snapshot = plan.request, plan.status.state, plan.status.snapshot
    if state.open_intents or request.aliases or request.kind == "adopt":
        return False
    slot, slot_states = slot_of(request.to_stage), snapshot.slot_states
    if slot is None:
        holds_slot = any(request.version in slot_state.holders for slot_state in slot_states.values())
        return not holds_slot and plan.version.stage == request.to_stage
    desired = state.desired_holders()[slot]
    return desired.holder == request.version and is_fulfilled(desired, slot_states[slot])


def _require_version_files(plan: MovePlan) -> None:
    """Raise ActionRefused for a version without files, unless it leaves a slot or the present state is adopted."""
    if slot_of(plan.request.to_stage) is not None and plan.request.kind != "adopt":
        require_ready(plan.request.model, plan.version)


def _require_movable_aliases(plan: MovePlan) -> None:
    """Raise BadInput if an alias to move along does not exist, or follows a stage."""
    aliases = plan.status.snapshot.aliases
    if unknown_aliases := [alias for alias in plan.request.aliases if alias not in aliases or alias in SLOTS]:
        raise BadInput(f"{', '.join(unknown_aliases)} cannot be moved with the version.", next="Reload and try again.")


def _require_decidable(plan: MovePlan, decision: Decision) -> None:
    """Raise ActionRefused if registry and ledger disagree, or the slot's holder is not the expected one."""
    model, state, in_flight = plan.request.model, plan.status.state, plan.status.in_flight
    drifted_slots = state.drifted_slots(in_flight=in_flight)
    if plan.request.kind in ("adopt", "revert"):
        _require_drift(plan, drifted_slots)
    elif drifted_slots:
        stages = " and ".join(SLOTS[slot] for slot in drifted_slots)
        is_half_moved = any(intent.id not in in_flight for intent in state.open_intents)
        raise ActionRefused(
            f"{stages} of {model} was changed outside Podium and has not been accepted or reverted.",
            next=_HALF_MOVED_ADVICE if is_half_moved else _DRIFT_ADVICE,
        )
    holders, expected = plan.champion.holders_text, decision.expected_holder
    if expected is not None and set(holders.split(",")) != set(expected.split(",")):
        stage = SLOTS[plan.slots[0]] if plan.slots else "a stage"
        raise ActionRefused(
            f"You expected {_describe(expected)} in {stage} of {model}, but it now holds {_describe(holders)}.",
            next="Review the change, then decide again.",
        )


def _require_drift(plan: MovePlan, drifted_slots: tuple[Slot, ...]) -> None:
    """Raise ActionRefused unless registry and ledger still disagree about exactly the change to adopt or revert."""
    slots = [slot for slot in drifted_slots if slot in plan.slots]
    if plan.request.kind == "adopt" and not slots and _is_undecided(plan):
        return
    if plan.request.kind == "adopt":
        slots = [slot for slot in slots if _accepts_observed(plan, slot) or _is_half_removed(plan, slot)]
    if not slots:
        raise ActionRefused(
            f"Registry and ledger of {plan.request.model} no longer disagree about this.", next="Reload to see the present state."
        )


def _accepts_observed(plan: MovePlan, slot: Slot) -> bool:
    """Does the request keep the version where this slot shows it, in or out?"""
    is_observed = plan.request.version in plan.status.state.observed_slots[slot].holders
    return is_observed == (SLOTS[slot] == plan.request.to_stage)


def _is_half_removed(plan: MovePlan, slot: Slot) -> bool:
    """Did the holder lose only its alias or only its stage, and does the request remove it completely?"""
    observed, desired = plan.status.state.observed_slots[slot], plan.status.state.settled_holders()[slot]
    return slot_of(plan.request.to_stage) is None and observed.holders == desired.holders == (plan.request.version,)


def _is_undecided(plan: MovePlan) -> bool:
    """Was the version deleted while it held a slot, or is it in a slot without any decision so far?"""
    slot, state = slot_of(plan.request.to_stage), plan.status.state
    if slot is None:
        return bool(plan.lost_slots)
    recorded_holders, current_holders = state.observed_slots[slot].holders, plan.status.snapshot.slot_states[slot].holders
    is_managed = state.settled_holders()[slot].is_managed
    return not is_managed and recorded_holders == current_holders == (plan.request.version,)


def _describe(holders_text: str) -> str:
    return version_list(() if holders_text == NO_HOLDER else holders_text.split(","))
