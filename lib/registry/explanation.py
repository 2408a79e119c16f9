"""Whether the state of the registry is explained: recorded, or caused by a decision in flight. Pure."""

from collections.abc import Collection, Iterable

from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import SLOTS, Slot
from lib.ledger.state.replay import BookState, DesiredHolder
from lib.registry.snapshot import RegistrySnapshot


def is_explained(states: Iterable[BookState], snapshot: RegistrySnapshot, in_flight: Collection[str] = ()) -> bool:
    """Is everything the slots show recorded, or caused by a decision in flight?

    `states` are the book before and after the registry was read, `in_flight` the open decisions of the first that are recent enough to
    explain anything. Decisions made between the two reads also count as explanation.
    """
    readings = tuple(states)
    if any(dict(state.observed_slots) == snapshot.slot_states for state in readings):
        return True
    known_ids = {intent.id for intent in readings[0].intents}
    intents = [e for state in readings for e in state.intents if e.id in in_flight or e.id not in known_ids]
    decisions = {intent.id: intent.body for intent in intents if isinstance(intent.body, Decided)}
    return bool(decisions) and all(_is_slot_explained(slot, readings, decisions, snapshot) for slot in SLOTS)


def _desired_in_flight(state: BookState, decisions: Collection[str]) -> dict[Slot, DesiredHolder]:
    return state.holders_decided_by(lambda entry: state.is_settled(entry) or entry.id in decisions)


def _is_slot_explained(
    slot: Slot, states: tuple[BookState, ...], decisions: dict[str, Decided], snapshot: RegistrySnapshot
) -> bool:
    """Are alias and stage among the versions that the states and the decisions in flight can explain?"""
    desired = [_desired_in_flight(state, decisions)[slot] for state in states]
    candidates = {body.version for body in decisions.values() if body.to == SLOTS[slot]}
    candidates |= {version for holder in desired for version in holder.holders}
    candidates |= {version for state in states for version in state.observed_slots[slot].holders}
    # without aliases, filling and emptying a stage takes two writes; in between it may hold two versions, which reads as no alias
    is_between_writes = not snapshot.has_aliases and any(slot in b.slots or b.to == SLOTS[slot] for b in decisions.values())
    may_be_empty = (
        is_between_writes
        or any(body.to != SLOTS[slot] and body.version in candidates for body in decisions.values())
        or any(not holder.holders for holder in desired)
        or any(state.observed_slots[slot].alias is None for state in states)
    )
    slot_state = snapshot.slot_states[slot]
    return (slot_state.alias in candidates or (slot_state.alias is None and may_be_empty)) and set(slot_state.stage) <= candidates
