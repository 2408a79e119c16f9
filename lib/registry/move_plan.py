"""From the desired holders and a registry snapshot to the moves that remain, and whether a snapshot is explained. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder
from lib.registry.snapshot import RegistrySnapshot, version_sort_key

PREVIEW_ID = "preview"
"""The id of an intent that exists only in a preview."""


@dataclass(frozen=True)
class Move:
    """One registry write: point an alias at a version, delete an alias, or put a version into a stage.

    `target` is the alias or the stage, `previous` what it replaces: the alias's old version or the version's old stage.
    `is_stage_tag`: the server has no stages, so the stage is written as a tag of the version.
    """

    verb: Literal["alias", "unalias", "stage"]
    target: str
    version: str
    previous: str = ""
    is_stage_tag: bool = False


def plan_moves(state: BookState, snapshot: RegistrySnapshot, intent_ids: Collection[str]) -> tuple[Move, ...]:
    """The writes that remain for these open intents, in order: alias, stage, others out of the stage, alias deletions.

    Only slots that these intents named are touched, and those that should hold a version they push out. A desired version that was
    deleted is left to people.
    """
    intents = [intent for intent in state.open_intents if intent.id in intent_ids and snapshot.is_possible(intent)]
    desired, target_stages = state.desired_holders(snapshot.is_possible), _target_stages(state, snapshot, intents)
    slots = _affected_slots(state, snapshot, intents)
    keepers = {holder.holder for holder in desired.values() if holder.is_managed and holder.holder}
    moves = [
        move
        for slot, holder in desired.items()
        if slot in slots
        for move in _moves_for_slot(slot, holder, snapshot, target_stages, keepers)
    ]
    moves += [
        _stage_move(snapshot, version, stage)
        for version, stage in target_stages.items()
        if version not in keepers
        and slot_of(snapshot.versions[version].stage) is None
        and snapshot.versions[version].stage != stage
    ]
    return (*moves, *_alias_moves(state, snapshot, intents))


def preview_intent(state: BookState, snapshot: RegistrySnapshot, intent_id: str) -> tuple[Move, ...]:
    """Every move of one intent until none remains, found by applying each one to the snapshot and planning again."""
    preview: list[Move] = []
    for _ in range(100):
        moves = plan_moves(state, snapshot, (intent_id,))
        if not moves:
            break
        preview.append(moves[0])
        snapshot = apply_move(snapshot, moves[0])
    return tuple(preview)


def apply_move(snapshot: RegistrySnapshot, move: Move) -> RegistrySnapshot:
    """What the registry would show after a move."""
    if move.verb == "stage":
        version = replace(snapshot.versions[move.version], stage=move.target, has_explicit_stage=True)
        return replace(snapshot, versions={**snapshot.versions, move.version: version})
    aliases = {alias: version for alias, version in snapshot.aliases.items() if alias != move.target}
    return replace(snapshot, aliases={**aliases, move.target: move.version} if move.verb == "alias" else aliases)


def is_explained(states: Iterable[BookState], snapshot: RegistrySnapshot) -> bool:
    """Is everything the slots show recorded, or the work of an intent in flight?

    A writer whose intent is open may be carrying out any later intent too, even one closed meanwhile: all intents from the position
    of the oldest open one on count. `states` are readings of the book before and after the registry was read.
    """
    readings = tuple(states)
    if any(dict(state.observed_slots) == snapshot.slot_states for state in readings):
        return True
    decisions = _decisions_in_flight(readings)
    return bool(decisions) and all(_is_slot_explained(slot, readings, decisions, snapshot) for slot in SLOTS)


def _decisions_in_flight(states: tuple[BookState, ...]) -> list[Decided]:
    first = min((intent.position for intent in states[0].open_intents), default=states[0].book.head + 1)
    bodies = [intent.body for state in states for intent in state.intents if intent.position >= first]
    return [body for body in bodies if isinstance(body, Decided)]


def _is_slot_explained(slot: Slot, states: tuple[BookState, ...], decisions: list[Decided], snapshot: RegistrySnapshot) -> bool:
    """Are alias and stage among the versions that the states and the decisions in flight can put there?"""
    candidates = {body.version for body in decisions if body.to == SLOTS[slot]}
    candidates |= {v for state in states for v in (*state.desired_holders()[slot].holders, *state.observed_slots[slot].holders)}
    # without aliases a stage is filled and emptied in two writes: in between it may hold two versions, which shows as no alias
    is_between_writes = not snapshot.has_aliases and any(slot in body.slots or body.to == SLOTS[slot] for body in decisions)
    may_be_empty = (
        is_between_writes
        or any(body.to != SLOTS[slot] and body.version in candidates for body in decisions)
        or any(not state.desired_holders()[slot].holders or state.observed_slots[slot].alias is None for state in states)
    )
    slot_state = snapshot.slot_states[slot]
    return (slot_state.alias in candidates or (slot_state.alias is None and may_be_empty)) and set(slot_state.stage) <= candidates


def _affected_slots(state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry]) -> set[Slot]:
    """The slots that intents named, and the managed ones that should hold a version they move or push out."""
    slots_by_intent, desired = state.slots_by_intent(snapshot.is_possible), state.desired_holders(snapshot.is_possible)
    slots = {slot for intent in intents for slot in slots_by_intent.get(intent.id, ())}
    versions = {intent.body.version for intent in intents} | {v for slot in slots for v in snapshot.slot_states[slot].holders}
    return slots | {slot for slot, holder in desired.items() if holder.is_managed and versions & set(holder.holders)}


def _target_stages(state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry]) -> dict[str, Stage]:
    """Version → the stage outside the slots it goes to by the last decision about it, for the versions of these intents."""
    last_intents = {intent.body.version: intent for intent in state.intents if state.is_effective(intent, snapshot.is_possible)}
    stages = {}
    for version in {intent.body.version for intent in intents} & set(snapshot.versions):
        body = last_intents[version].body if version in last_intents and snapshot.is_possible(last_intents[version]) else None
        if isinstance(body, Decided) and slot_of(body.to) is None:
            stages[body.version] = body.to
    return stages


def _moves_for_slot(
    slot: Slot, desired: DesiredHolder, snapshot: RegistrySnapshot, target_stages: Mapping[str, Stage], keepers: set[str]
) -> list[Move]:
    holder, stage, slot_state = desired.holder, SLOTS[slot], snapshot.slot_states[slot]
    if holder is not None and holder not in snapshot.versions:
        return []
    leavers = sorted((v for v in slot_state.stage if v not in desired.holders and v not in keepers), key=version_sort_key)
    exits = {version: _stage_move(snapshot, version, target_stages.get(version, "Archived")) for version in leavers}
    # a stage that is only implied by the alias would be lost with it
    moves = [move for version, move in exits.items() if not snapshot.versions[version].has_explicit_stage]
    if holder is not None and slot_state.alias != holder and snapshot.has_aliases:
        moves.append(Move("alias", slot, holder, slot_state.alias or ""))
    if holder is not None and (snapshot.versions[holder].stage != stage or not snapshot.versions[holder].has_explicit_stage):
        moves.append(_stage_move(snapshot, holder, stage))
    moves += [move for version, move in exits.items() if snapshot.versions[version].has_explicit_stage]
    if snapshot.has_aliases and slot_state.alias is not None and slot_state.alias not in desired.holders and holder is None:
        moves.append(Move("unalias", slot, slot_state.alias))
    return moves


def _stage_move(snapshot: RegistrySnapshot, version: str, stage: Stage) -> Move:
    return Move("stage", stage, version, snapshot.versions[version].stage, is_stage_tag=not snapshot.has_stages)


def _alias_moves(state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry]) -> list[Move]:
    """Moves for other aliases that an open, still effective intent takes along."""
    effective_ids = {holder.intent_id for holder in state.desired_holders(snapshot.is_possible).values()}
    bodies = [intent.body for intent in intents if intent.id in effective_ids]
    pairs = [(alias, body.version) for body in bodies if isinstance(body, Decided) for alias in body.aliases]
    remaining = [(alias, version) for alias, version in pairs if snapshot.has_aliases and snapshot.aliases.get(alias) != version]
    return [Move("alias", alias, version, snapshot.aliases.get(alias, "")) for alias, version in remaining]


def add_preview_intent(state: BookState, body: Decided) -> BookState:
    """The state with one more intent, to preview what it would do."""
    entry = Entry(state.book.head + 1, PREVIEW_ID, "", body)
    book = replace(state.book, entries=(*state.book.entries, entry))
    return replace(state, book=book, intents=(*state.intents, entry))
