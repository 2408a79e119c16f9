"""The moves that undo something: a decision that was given up, or a write that came too late. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.entry.types import EMPTY_SLOT_STATES, Closing, Decided, Observed, Opened, SlotState
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder
from lib.ledger.state.settlements import has_trusted_closing
from lib.registry.moves import Move, make_stage_move, settled_or
from lib.registry.snapshot import RegistrySnapshot, version_sort_key

NOBODY = ""
"""Represents an empty slot among the versions seen in it."""


def plan_give_up(state: BookState, snapshot: RegistrySnapshot, intent: Entry) -> tuple[Move, ...]:
    """The writes that restore the slots of an open decision to their desired state without it. Its version returns to its stage.

    A slot without any decision returns to its last recorded state before the decision.
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
    certain_holders: Mapping[Slot, Collection[str]],
) -> tuple[Move, ...]:
    """The writes that undo own `moves` still visible in the registry although the ledger now wants another holder.

    A slot is only set to one of its `certain_holders` (`NOBODY` for none): those this writer saw in it, and those the ledger wants by a
    closing under a trusted key. So a planted entry moves nothing.
    """
    counts = settled_or(own_ids, state, snapshot)
    goals = _goals(state.holders_decided_by(counts), state.observed_slots)
    own_bodies = [intent.body for intent in state.intents if intent.id in own_ids]
    exits = {b.version: b.from_ for b in own_bodies if isinstance(b, Decided) and slot_of(b.from_) is None}
    certain = {
        slot: goal
        for slot, goal in goals.items()
        if set(goal.holders or (NOBODY,)) <= set(certain_holders[slot]) and _exist(goal, snapshot)
    }
    repairs = [_repair(move, snapshot, goals, certain, exits) for move in reversed(moves)]
    return tuple(repair for repair in repairs if repair)


def find_trusted_holders(
    state: BookState, snapshot: RegistrySnapshot, own_ids: Collection[str], keys: TrustedKeys
) -> dict[Slot, tuple[str, ...]]:
    """The desired holders of each slot by a decision closed under a trusted key; slots without one are left out."""
    desired = state.holders_decided_by(settled_or(own_ids, state, snapshot))
    return {
        slot: holder.holders or (NOBODY,)
        for slot, holder in desired.items()
        if holder.is_managed and has_trusted_closing(state.book, holder.intent_id, keys)
    }


def _repair(
    move: Move,
    snapshot: RegistrySnapshot,
    goals: Mapping[Slot, SlotState],
    certain: Mapping[Slot, SlotState],
    exits: Mapping[str, Stage],
) -> Move | None:
    """The write that undoes one own move; None if the move is no longer visible, or the correct holder is not certain."""
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
    """The state each slot should have by decisions. A slot without a decision keeps its `recorded` state, without versions that a decision
    placed elsewhere."""
    placed_versions = {version for holder in desired.values() if holder.is_managed for version in holder.holders}
    return {
        slot: SlotState(alias=holder.holder, stage=holder.holders)
        if holder.is_managed
        else SlotState(alias=recorded[slot].alias, stage=tuple(v for v in recorded[slot].stage if v not in placed_versions))
        for slot, holder in desired.items()
    }


def _recorded_before(state: BookState, intent: Entry) -> Mapping[Slot, SlotState]:
    """The last recorded state of the slots before a decision."""
    bodies = [entry.body for entry in state.current_life_entries if entry.position < intent.position]
    reports = [body.now for body in bodies if isinstance(body, Opened | Observed | Closing)]
    return reports[-1] if reports else EMPTY_SLOT_STATES


def _moves_to_goal(
    slot: Slot, goal: SlotState, snapshot: RegistrySnapshot, goals: Mapping[Slot, SlotState], exits: Mapping[str, Stage]
) -> list[Move]:
    """The writes that bring a slot to its goal: set alias, set stage, move others out, delete alias. Deleted versions are skipped."""
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
    """The moves that return the decision's other aliases to their previous holder."""
    holder = next((goal.alias for slot, goal in goals.items() if slot == slot_of(body.to)), None)
    if holder not in snapshot.versions or holder == body.version:
        return []
    return [
        Move("alias", alias, str(holder), body.version) for alias in body.aliases if snapshot.aliases.get(alias) == body.version
    ]


def _exist(goal: SlotState, snapshot: RegistrySnapshot) -> bool:
    return set(goal.holders) <= set(snapshot.versions)
