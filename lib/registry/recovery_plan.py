"""The moves that take something back: a decision that is given up, or a write that came too late. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import EMPTY_SLOT_STATES, Closing, Decided, Observed, Opened, SlotState
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder
from lib.registry.move_plan import Move, make_stage_move, settled_or
from lib.registry.snapshot import RegistrySnapshot, version_sort_key

NOBODY = ""
"""Stands for an empty slot among the versions that were seen in it."""


def plan_give_up(state: BookState, snapshot: RegistrySnapshot, intent: Entry) -> tuple[Move, ...]:
    """The writes that put the slots of an open decision back to what is wanted without it; its version goes back to its stage.

    A slot about which nobody ever decided gets back what was recorded of it before the decision.
    """
    body = intent.body
    assert isinstance(body, Decided)
    counts = settled_or((intent.id,), state, snapshot)
    slots = {*state.slots_by_intent(counts).get(intent.id, ()), *body.slots}
    all_goals = _goals(state.settled_holders(), _recorded_before(state, intent))
    goals = {slot: goal for slot, goal in all_goals.items() if slot in slots}
    exits: dict[str, Stage] = {body.version: body.from_} if slot_of(body.from_) is None else {}
    moves = [move for slot, goal in goals.items() for move in _moves_to_goal(slot, goal, snapshot, goals, exits)]
    version = snapshot.versions.get(body.version)
    if version and exits and slot_of(body.to) is None and version.stage == body.to != body.from_:
        moves.append(make_stage_move(snapshot, body.version, body.from_))
    return (*moves, *_alias_returns(snapshot, body, goals))


def plan_repair(
    state: BookState,
    snapshot: RegistrySnapshot,
    own_ids: Collection[str],
    moves: Sequence[Move],
    seen_holders: Mapping[Slot, Collection[str]],
) -> tuple[Move, ...]:
    """The writes that take own `moves` back where they still show and the ledger wants another holder now.

    A slot is set only to one of its `seen_holders` (`NOBODY` for none), so that a planted entry moves nothing.
    """
    counts = settled_or(own_ids, state, snapshot)
    goals = _goals(state.holders_decided_by(counts), state.observed_slots)
    own_bodies = [intent.body for intent in state.intents if intent.id in own_ids]
    exits = {b.version: b.from_ for b in own_bodies if isinstance(b, Decided) and slot_of(b.from_) is None}
    certain = {
        slot: goal
        for slot, goal in goals.items()
        if set(goal.holders or (NOBODY,)) <= set(seen_holders[slot]) and _exist(goal, snapshot)
    }
    repairs = [_repair(move, snapshot, goals, certain, exits) for move in reversed(moves)]
    return tuple(repair for repair in repairs if repair)


def _repair(
    move: Move,
    snapshot: RegistrySnapshot,
    goals: Mapping[Slot, SlotState],
    certain: Mapping[Slot, SlotState],
    exits: Mapping[str, Stage],
) -> Move | None:
    """The write that takes one own move back; None where it does not show any more, or nobody knows for certain what belongs there."""
    if move.verb != "stage":
        goal, holder = certain.get(cast("Slot", move.target)), snapshot.aliases.get(move.target)
        is_visible = holder == (move.version if move.verb == "alias" else None)
        if goal is None or not is_visible or goal.alias == holder:
            return None
        return Move("alias", move.target, goal.alias, holder or "") if goal.alias else Move("unalias", move.target, move.version)
    version = snapshot.versions.get(move.version)
    if version is None or version.stage != move.target:
        return None
    home = next((slot for slot, goal in goals.items() if move.version in goal.stage), None)
    if home and home in certain and SLOTS[home] != move.target:
        return make_stage_move(snapshot, move.version, SLOTS[home])
    if home is None and slot_of(move.target) in certain:
        return make_stage_move(snapshot, move.version, exits.get(move.version, "Archived"))
    return None


def _goals(desired: Mapping[Slot, DesiredHolder], recorded: Mapping[Slot, SlotState]) -> dict[Slot, SlotState]:
    """What each slot should show by decisions; for a slot about which nobody decided, what is `recorded` of it, without the versions
    that belong elsewhere by a decision."""
    placed_versions = {version for holder in desired.values() if holder.is_managed for version in holder.holders}
    return {
        slot: SlotState(alias=holder.holder, stage=holder.holders)
        if holder.is_managed
        else SlotState(alias=recorded[slot].alias, stage=tuple(v for v in recorded[slot].stage if v not in placed_versions))
        for slot, holder in desired.items()
    }


def _recorded_before(state: BookState, intent: Entry) -> Mapping[Slot, SlotState]:
    """What was last recorded of the slots before a decision."""
    bodies = [entry.body for entry in state.current_life_entries if entry.position < intent.position]
    reports = [body.now for body in bodies if isinstance(body, Opened | Observed | Closing)]
    return reports[-1] if reports else EMPTY_SLOT_STATES


def _moves_to_goal(
    slot: Slot, goal: SlotState, snapshot: RegistrySnapshot, goals: Mapping[Slot, SlotState], exits: Mapping[str, Stage]
) -> list[Move]:
    """The writes that make a slot show its goal: alias, stage, others out, alias off. Versions that are gone are left out."""
    slot_state, stage = snapshot.slot_states[slot], SLOTS[slot]
    homes = {version: SLOTS[other] for other, other_goal in goals.items() for version in other_goal.stage}
    moves = list[Move]()
    if snapshot.has_aliases and goal.alias in snapshot.versions and slot_state.alias != goal.alias:
        moves.append(Move("alias", slot, str(goal.alias), slot_state.alias or ""))
    moves += [
        make_stage_move(snapshot, version, stage)
        for version in goal.stage
        if version in snapshot.versions and version not in slot_state.stage
    ]
    moves += [
        make_stage_move(snapshot, version, homes.get(version) or exits.get(version, "Archived"))
        for version in sorted(slot_state.stage, key=version_sort_key)
        if version not in goal.stage
    ]
    if snapshot.has_aliases and goal.alias is None and slot_state.alias is not None:
        moves.append(Move("unalias", slot, slot_state.alias))
    return moves


def _alias_returns(snapshot: RegistrySnapshot, body: Decided, goals: Mapping[Slot, SlotState]) -> list[Move]:
    """The other aliases that the decision took along go back to the holder they came from."""
    holder = next((goal.alias for slot, goal in goals.items() if slot == slot_of(body.to)), None)
    if holder not in snapshot.versions or holder == body.version:
        return []
    return [
        Move("alias", alias, str(holder), body.version) for alias in body.aliases if snapshot.aliases.get(alias) == body.version
    ]


def _exist(goal: SlotState, snapshot: RegistrySnapshot) -> bool:
    return set(goal.holders) <= set(snapshot.versions)
