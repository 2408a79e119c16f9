"""Computes the remaining moves from decisions and a registry snapshot. Pure.

A writer carrying out a decision counts that decision and those settled before it. Unsettled decisions of others move nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder, IntentPredicate
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
    """The remaining writes for these open intents, in order: alias, stage, others out of the stage, alias deletions.

    Only slots named by these intents are touched, and those that should hold a version they displace. A desired version that was deleted
    is left to users.
    """
    intents = [intent for intent in state.open_intents if intent.id in intent_ids and snapshot.is_possible(intent)]
    counts = _own_decisions(state, snapshot, intents)
    target_stages = _target_stages(state, snapshot, intents, counts)
    slots, desired = _affected_slots(state, snapshot, intents, counts)
    keepers = {
        holder.holder
        for slot, holder in desired.items()
        if holder.is_managed and holder.holder and _may_move(state, intents, slot, holder, holder.holder)
    }
    moves = [
        move
        for slot, holder in desired.items()
        if slot in slots
        for move in _moves_for_slot(slot, holder, snapshot, target_stages, keepers)
        if _may_move(state, intents, slot, holder, move.version)
    ]
    moves += [
        make_stage_move(snapshot, version, stage)
        for version, stage in target_stages.items()
        if version not in keepers
        and slot_of(snapshot.versions[version].stage) is None
        and snapshot.versions[version].stage != stage
    ]
    return (*moves, *_alias_moves(state, snapshot, intents, counts))


def is_in_force(state: BookState, intent: Entry, counts: IntentPredicate) -> bool:
    """Does an intent still determine where its version is, by all counting decisions? A later one may have moved it or filled its slot."""
    body, decisions = intent.body, [other for other in state.intents if counts(other)]
    assert isinstance(body, Decided)
    if target_slot := slot_of(body.to):
        holder = state.holders_decided_by(counts)[target_slot]
        deciding_bodies = [other.body for other in decisions if other.id == holder.intent_id and other.id != intent.id]
        is_filled_again = any(isinstance(other_body, Decided) and other_body.to == body.to for other_body in deciding_bodies)
        return body.version in holder.holders and not is_filled_again
    return not any(other.position > intent.position and other.body.version == body.version for other in decisions)


def settled_or(intent_ids: Collection[str], state: BookState, snapshot: RegistrySnapshot) -> IntentPredicate:
    """A predicate that counts settled decisions, and of the open ones only these."""
    return lambda entry: state.is_settled(entry) or (entry.id in intent_ids and state.is_effective(entry, snapshot.is_possible))


def preview_intent(state: BookState, snapshot: RegistrySnapshot, intent_id: str) -> tuple[Move, ...]:
    """All moves of one intent, in order."""
    return preview_plan(lambda snapshot_then: plan_moves(state, snapshot_then, (intent_id,)), snapshot)


def preview_plan(plan: Callable[[RegistrySnapshot], tuple[Move, ...]], snapshot: RegistrySnapshot) -> tuple[Move, ...]:
    """All moves of a plan, found by applying each one to the snapshot and planning again."""
    preview: list[Move] = []
    for _ in range(100):
        moves = plan(snapshot)
        if not moves:
            break
        preview.append(moves[0])
        snapshot = apply_move(snapshot, moves[0])
    return tuple(preview)


def apply_move(snapshot: RegistrySnapshot, move: Move) -> RegistrySnapshot:
    """The registry as it would be after a move."""
    if move.verb == "stage":
        version = replace(snapshot.versions[move.version], stage=move.target, has_explicit_stage=True)
        return replace(snapshot, versions={**snapshot.versions, move.version: version})
    aliases = {alias: version for alias, version in snapshot.aliases.items() if alias != move.target}
    return replace(snapshot, aliases={**aliases, move.target: move.version} if move.verb == "alias" else aliases)


def _own_decisions(state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry]) -> IntentPredicate:
    """A predicate that counts these intents and the decisions settled before the last of them."""
    ids, last_position = {intent.id for intent in intents}, max((intent.position for intent in intents), default=0)
    counts = settled_or(ids, state, snapshot)
    return lambda entry: entry.position <= last_position and counts(entry)


def _may_move(state: BookState, intents: Sequence[Entry], slot: Slot, holder: DesiredHolder, version: str) -> bool:
    """May these intents move a version in a slot?

    Always in the slot they fill. Elsewhere only their own versions if a later decision filled the slot or concerns the version. In a slot
    they only empty, not the versions that open decisions of others are moving into it.
    """
    stage, own_ids = SLOTS[slot], {intent.id for intent in intents}
    if any(isinstance(intent.body, Decided) and intent.body.to == stage for intent in intents):
        return True
    last_position = max((intent.position for intent in intents), default=0)
    others = [(other, other.body) for other in state.intents if other.id not in own_ids]
    later_bodies = [body for other, body in others if other.position > last_position and state.is_settled(other)]
    if any(isinstance(body, Decided) and (body.to == stage or body.version == version) for body in later_bodies):
        return version in {intent.body.version for intent in intents}
    open_bodies = [body for other, body in others if other.id not in state.outcomes]
    rivals = {body.version for body in open_bodies if isinstance(body, Decided) and body.to == stage}
    return holder.holder is not None or version not in rivals


def _affected_slots(
    state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry], counts: IntentPredicate
) -> tuple[set[Slot], dict[Slot, DesiredHolder]]:
    """The slots to update and their desired holders: slots named by intents, and managed ones that should hold a version they move or
    displace. A slot that only a later decision concerns is not filled."""
    slots_by_intent, last_position = state.slots_by_intent(counts), max((intent.position for intent in intents), default=0)
    named_slots = {slot for intent in intents for slot in slots_by_intent.get(intent.id, ())}
    later = [other.body for other in state.intents if other.position > last_position and state.is_settled(other)]
    desired = {
        slot: holder
        if slot in named_slots
        or not any(slot in body.slots or body.version in holder.holders for body in later if isinstance(body, Decided))
        else DesiredHolder()
        for slot, holder in state.holders_decided_by(counts).items()
    }
    versions = {intent.body.version for intent in intents}
    versions |= {version for slot in named_slots for version in snapshot.slot_states[slot].holders}
    return named_slots | {slot for slot, h in desired.items() if h.is_managed and versions & set(h.holders)}, desired


def _target_stages(
    state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry], counts: IntentPredicate
) -> dict[str, Stage]:
    """Version → its target stage outside the slots by its last decision, for the versions of these intents."""
    last_intents = {intent.body.version: intent for intent in state.intents if counts(intent)}
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
    exits = {version: make_stage_move(snapshot, version, target_stages.get(version, "Archived")) for version in leavers}
    # a stage only implied by the alias would be lost with it
    moves = [move for version, move in exits.items() if not snapshot.versions[version].has_explicit_stage]
    if holder is not None and slot_state.alias != holder and snapshot.has_aliases:
        moves.append(Move("alias", slot, holder, slot_state.alias or ""))
    if holder is not None and (snapshot.versions[holder].stage != stage or not snapshot.versions[holder].has_explicit_stage):
        moves.append(make_stage_move(snapshot, holder, stage))
    moves += [move for version, move in exits.items() if snapshot.versions[version].has_explicit_stage]
    if snapshot.has_aliases and slot_state.alias is not None and slot_state.alias not in desired.holders and holder is None:
        moves.append(Move("unalias", slot, slot_state.alias))
    return moves


def make_stage_move(snapshot: RegistrySnapshot, version: str, stage: Stage) -> Move:
    """The write that puts a version into a stage; on a server without stages, as a tag."""
    return Move("stage", stage, version, snapshot.versions[version].stage, is_stage_tag=not snapshot.has_stages)


def _alias_moves(state: BookState, snapshot: RegistrySnapshot, intents: Sequence[Entry], counts: IntentPredicate) -> list[Move]:
    """Moves for other aliases that an open, still effective intent includes."""
    effective_ids = {holder.intent_id for holder in state.holders_decided_by(counts).values()}
    bodies = [intent.body for intent in intents if intent.id in effective_ids]
    pairs = [(alias, body.version) for body in bodies if isinstance(body, Decided) for alias in body.aliases]
    remaining = [(alias, version) for alias, version in pairs if snapshot.has_aliases and snapshot.aliases.get(alias) != version]
    return [Move("alias", alias, version, snapshot.aliases.get(alias, "")) for alias, version in remaining]


def add_preview_intent(state: BookState, body: Decided) -> BookState:
    """The state with one more intent, to preview its effect."""
    entry = Entry(state.book.head + 1, PREVIEW_ID, "", body)
    book = replace(state.book, entries=(*state.book.entries, entry))
    return replace(state, book=book, intents=(*state.intents, entry))
