"""From what is wanted and what is seen to the moves that are left, and whether a sight is explained. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import BookState, DesiredHolder
from lib.registry.snapshot import RegistrySnapshot, version_sort_key

PREVIEW_ID = "preview"
"""The id of an intent that is only on paper."""


@dataclass(frozen=True)
class Move:
    """One registry write: point an alias at a version, drop an alias, or put a version into a stage.

    `as_tag`: the server keeps no stages, so the stage is written as a tag of the version.
    """

    verb: Literal["alias", "unalias", "stage"]
    target: str
    version: str
    previous: str = ""
    is_stage_tag: bool = False


def plan_moves(state: BookState, snapshot: RegistrySnapshot, intent_ids: Collection[str]) -> tuple[Move, ...]:
    """The writes that are left for the open intents `mine` (ids), in order: alias, stage, others out, aliases off.

    Only slots that these intents named are touched, and those in which a version they push out is wanted. A wanted version that is
    gone is left to people.
    """
    open_ = [intent for intent in state.open_intents if intent.id in intent_ids and snapshot.is_possible(intent)]
    want, leaving = state.desired_holders(snapshot.is_possible), _leaving(state, snapshot, open_)
    slots = _slots(state, snapshot, open_)
    placed = {w.holder for w in want.values() if w.is_managed and w.holder}
    out = [move for slot, w in want.items() if slot in slots for move in _for_slot(slot, w, snapshot, leaving, placed)]
    out += [
        _to_stage(snapshot, version, stage)
        for version, stage in leaving.items()
        if version not in placed
        and slot_of(snapshot.versions[version].stage) is None
        and snapshot.versions[version].stage != stage
    ]
    return (*out, *_carried(state, snapshot, open_))


def preview_intent(state: BookState, snapshot: RegistrySnapshot, intent_id: str) -> tuple[Move, ...]:
    """Every move of one intent until nothing is left, found by making each one on paper and looking again."""
    done: list[Move] = []
    for _ in range(100):
        left = plan_moves(state, snapshot, (intent_id,))
        if not left:
            break
        done.append(left[0])
        snapshot = apply_move(snapshot, left[0])
    return tuple(done)


def apply_move(snapshot: RegistrySnapshot, move: Move) -> RegistrySnapshot:
    """What the registry would show after a move."""
    if move.verb == "stage":
        moved = replace(snapshot.versions[move.version], stage=move.target, has_explicit_stage=True)
        return replace(snapshot, versions={**snapshot.versions, move.version: moved})
    aliases = {alias: version for alias, version in snapshot.aliases.items() if alias != move.target}
    return replace(snapshot, aliases={**aliases, move.target: move.version} if move.verb == "alias" else aliases)


def is_explained(states: Iterable[BookState], snapshot: RegistrySnapshot) -> bool:
    """Is everything the slots show known, or the work of an intent in flight?

    A writer whose intent is open may be carrying out any later intent too, even one closed meanwhile: all intents from the oldest
    open place on count. `states` are readings of the book before and after the look at the registry.
    """
    known = tuple(states)
    if any(dict(state.observed_slots) == snapshot.slot_states for state in known):
        return True
    flying = _flying(known)
    return bool(flying) and all(_covered(slot, known, flying, snapshot) for slot in SLOTS)


def _flying(states: tuple[BookState, ...]) -> list[Decided]:
    oldest = min((intent.position for intent in states[0].open_intents), default=states[0].book.head + 1)
    bodies = [intent.body for state in states for intent in state.intents if intent.position >= oldest]
    return [body for body in bodies if isinstance(body, Decided)]


def _covered(slot: Slot, states: tuple[BookState, ...], flying: list[Decided], seen: RegistrySnapshot) -> bool:
    cover = {body.version for body in flying if body.to == SLOTS[slot]}
    cover |= {v for state in states for v in (*state.desired_holders()[slot].holders, *state.observed_slots[slot].holders)}
    between = not seen.has_aliases and any(slot in body.slots or body.to == SLOTS[slot] for body in flying)  # one in, one out
    may_be_empty = (
        between
        or any(body.to != SLOTS[slot] and body.version in cover for body in flying)
        or any(not state.desired_holders()[slot].holders or state.observed_slots[slot].alias is None for state in states)
    )
    held = seen.slot_states[slot]
    return (held.alias in cover or (held.alias is None and may_be_empty)) and set(held.stage) <= cover


def _slots(state: BookState, seen: RegistrySnapshot, intents: Sequence[Entry]) -> set[Slot]:
    """The slots that intents named, and the named ones in which a version they move or push out is wanted."""
    names, want = state.slots_by_intent(seen.is_possible), state.desired_holders(seen.is_possible)
    slots = {slot for intent in intents for slot in names.get(intent.id, ())}
    moved = {intent.body.version for intent in intents} | {v for slot in slots for v in seen.slot_states[slot].holders}
    return slots | {slot for slot, w in want.items() if w.is_managed and moved & set(w.holders)}


def _leaving(state: BookState, seen: RegistrySnapshot, intents: Sequence[Entry]) -> dict[str, Stage]:
    """Version → the stage it leaves for, by the last decision about it, for versions that `intents` speak of."""
    last = {intent.body.version: intent for intent in state.intents if state.is_effective(intent, seen.is_possible)}
    found = {}
    for version in {intent.body.version for intent in intents} & set(seen.versions):
        body = last[version].body if version in last and seen.is_possible(last[version]) else None
        if isinstance(body, Decided) and slot_of(body.to) is None:
            found[body.version] = body.to
    return found


def _for_slot(
    slot: Slot, want: DesiredHolder, seen: RegistrySnapshot, leaving: Mapping[str, Stage], placed: set[str]
) -> list[Move]:
    holder, stage, shown = want.holder, SLOTS[slot], seen.slot_states[slot]
    if holder is not None and holder not in seen.versions:
        return []
    others = sorted((v for v in shown.stage if v not in want.holders and v not in placed), key=version_sort_key)
    out = {version: _to_stage(seen, version, leaving.get(version, "Archived")) for version in others}
    # a stage that only an alias tells of would be lost with it
    found = [move for version, move in out.items() if not seen.versions[version].has_explicit_stage]
    if holder is not None and shown.alias != holder and seen.has_aliases:
        found.append(Move("alias", slot, holder, shown.alias or ""))
    if holder is not None and (seen.versions[holder].stage != stage or not seen.versions[holder].has_explicit_stage):
        found.append(_to_stage(seen, holder, stage))
    found += [move for version, move in out.items() if seen.versions[version].has_explicit_stage]
    if seen.has_aliases and shown.alias is not None and shown.alias not in want.holders and holder is None:
        found.append(Move("unalias", slot, shown.alias))
    return found


def _to_stage(seen: RegistrySnapshot, version: str, stage: Stage) -> Move:
    return Move("stage", stage, version, seen.versions[version].stage, is_stage_tag=not seen.has_stages)


def _carried(state: BookState, seen: RegistrySnapshot, intents: Sequence[Entry]) -> list[Move]:
    """Other aliases that an open, still wanted intent was asked to take along."""
    causes = {want.intent_id for want in state.desired_holders(seen.is_possible).values()}
    bodies = [intent.body for intent in intents if intent.id in causes]
    pairs = [(alias, body.version) for body in bodies if isinstance(body, Decided) for alias in body.aliases]
    left = [(alias, version) for alias, version in pairs if seen.has_aliases and seen.aliases.get(alias) != version]
    return [Move("alias", alias, version, seen.aliases.get(alias, "")) for alias, version in left]


def add_preview_intent(state: BookState, body: Decided) -> BookState:
    """The state with one more intent, to preview what it would do."""
    entry = Entry(state.book.head + 1, PREVIEW_ID, "", body)
    reading = replace(state.book, entries=(*state.book.entries, entry))
    return replace(state, book=reading, intents=(*state.intents, entry))
