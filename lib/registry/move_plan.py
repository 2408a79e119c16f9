"""From what is wanted and what is seen to the moves that are left, and whether a sight is explained. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.types import Decided
from lib.ledger.entry.vocabulary import SLOTS, Slot, Stage, slot_of
from lib.ledger.state.replay import State, Wanted
from lib.registry.snapshot import Seen, by_number

PREVIEW = "preview"
"""The id of an intent that is only on paper."""


@dataclass(frozen=True)
class Move:
    """One registry write: point an alias at a version, drop an alias, or put a version into a stage.

    `as_tag`: the server keeps no stages, so the stage is written as a tag of the version.
    """

    verb: Literal["alias", "unalias", "stage"]
    where: str
    version: str
    was: str = ""
    as_tag: bool = False


def moves(state: State, seen: Seen, mine: Collection[str]) -> tuple[Move, ...]:
    """The writes that are left for the open intents `mine` (ids), in order: alias, stage, others out, aliases off.

    Only slots that these intents named are touched, and those in which a version they push out is wanted. A wanted version that is
    gone is left to people.
    """
    open_ = [intent for intent in state.open if intent.id in mine and seen.possible(intent)]
    want, leaving = state.wanted(seen.possible), _leaving(state, seen, open_)
    slots = _slots(state, seen, open_)
    placed = {w.holder for w in want.values() if w.named and w.holder}
    out = [move for slot, w in want.items() if slot in slots for move in _for_slot(slot, w, seen, leaving, placed)]
    out += [
        _to_stage(seen, version, stage)
        for version, stage in leaving.items()
        if version not in placed and slot_of(seen.versions[version].stage) is None and seen.versions[version].stage != stage
    ]
    return (*out, *_carried(state, seen, open_))


def preview(state: State, seen: Seen, intent: str) -> tuple[Move, ...]:
    """Every move of one intent until nothing is left, found by making each one on paper and looking again."""
    done: list[Move] = []
    for _ in range(100):
        left = moves(state, seen, (intent,))
        if not left:
            break
        done.append(left[0])
        seen = on_paper(seen, left[0])
    return tuple(done)


def on_paper(seen: Seen, move: Move) -> Seen:
    """What the registry would show after a move."""
    if move.verb == "stage":
        moved = replace(seen.versions[move.version], stage=move.where, is_marked=True)
        return replace(seen, versions={**seen.versions, move.version: moved})
    aliases = {alias: version for alias, version in seen.aliases.items() if alias != move.where}
    return replace(seen, aliases={**aliases, move.where: move.version} if move.verb == "alias" else aliases)


def explained(states: Iterable[State], seen: Seen) -> bool:
    """Is everything the slots show known, or the work of an intent in flight?

    A writer whose intent is open may be carrying out any later intent too, even one closed meanwhile: all intents from the oldest
    open place on count. `states` are readings of the book before and after the look at the registry.
    """
    known = tuple(states)
    if any(dict(state.now) == seen.now for state in known):
        return True
    flying = _flying(known)
    return bool(flying) and all(_covered(slot, known, flying, seen) for slot in SLOTS)


def _flying(states: tuple[State, ...]) -> list[Decided]:
    oldest = min((intent.place for intent in states[0].open), default=states[0].reading.head + 1)
    bodies = [intent.body for state in states for intent in state.intents if intent.place >= oldest]
    return [body for body in bodies if isinstance(body, Decided)]


def _covered(slot: Slot, states: tuple[State, ...], flying: list[Decided], seen: Seen) -> bool:
    cover = {body.version for body in flying if body.to == SLOTS[slot]}
    cover |= {v for state in states for v in (*state.wanted()[slot].holders, *state.now[slot].holders)}
    between = not seen.has_aliases and any(slot in body.slots or body.to == SLOTS[slot] for body in flying)  # one in, one out
    may_be_empty = (
        between
        or any(body.to != SLOTS[slot] and body.version in cover for body in flying)
        or any(not state.wanted()[slot].holders or state.now[slot].alias is None for state in states)
    )
    held = seen.now[slot]
    return (held.alias in cover or (held.alias is None and may_be_empty)) and set(held.stage) <= cover


def _slots(state: State, seen: Seen, intents: Sequence[Entry]) -> set[Slot]:
    """The slots that intents named, and the named ones in which a version they move or push out is wanted."""
    names, want = state.named(seen.possible), state.wanted(seen.possible)
    slots = {slot for intent in intents for slot in names.get(intent.id, ())}
    moved = {intent.body.version for intent in intents} | {v for slot in slots for v in seen.now[slot].holders}
    return slots | {slot for slot, w in want.items() if w.named and moved & set(w.holders)}


def _leaving(state: State, seen: Seen, intents: Sequence[Entry]) -> dict[str, Stage]:
    """Version → the stage it leaves for, by the last decision about it, for versions that `intents` speak of."""
    last = {intent.body.version: intent for intent in state.intents if state.counts(intent, seen.possible)}
    found = {}
    for version in {intent.body.version for intent in intents} & set(seen.versions):
        body = last[version].body if version in last and seen.possible(last[version]) else None
        if isinstance(body, Decided) and slot_of(body.to) is None:
            found[body.version] = body.to
    return found


def _for_slot(slot: Slot, want: Wanted, seen: Seen, leaving: Mapping[str, Stage], placed: set[str]) -> list[Move]:
    holder, stage, shown = want.holder, SLOTS[slot], seen.now[slot]
    if holder is not None and holder not in seen.versions:
        return []
    others = sorted((v for v in shown.stage if v not in want.holders and v not in placed), key=by_number)
    out = {version: _to_stage(seen, version, leaving.get(version, "Archived")) for version in others}
    # a stage that only an alias tells of would be lost with it
    found = [move for version, move in out.items() if not seen.versions[version].is_marked]
    if holder is not None and shown.alias != holder and seen.has_aliases:
        found.append(Move("alias", slot, holder, shown.alias or ""))
    if holder is not None and (seen.versions[holder].stage != stage or not seen.versions[holder].is_marked):
        found.append(_to_stage(seen, holder, stage))
    found += [move for version, move in out.items() if seen.versions[version].is_marked]
    if seen.has_aliases and shown.alias is not None and shown.alias not in want.holders and holder is None:
        found.append(Move("unalias", slot, shown.alias))
    return found


def _to_stage(seen: Seen, version: str, stage: Stage) -> Move:
    return Move("stage", stage, version, seen.versions[version].stage, as_tag=not seen.has_stages)


def _carried(state: State, seen: Seen, intents: Sequence[Entry]) -> list[Move]:
    """Other aliases that an open, still wanted intent was asked to take along."""
    causes = {want.cause for want in state.wanted(seen.possible).values()}
    bodies = [intent.body for intent in intents if intent.id in causes]
    pairs = [(alias, body.version) for body in bodies if isinstance(body, Decided) for alias in body.aliases]
    left = [(alias, version) for alias, version in pairs if seen.has_aliases and seen.aliases.get(alias) != version]
    return [Move("alias", alias, version, seen.aliases.get(alias, "")) for alias, version in left]


def intent_on_paper(state: State, body: Decided) -> State:
    """The state with one more intent, to preview what it would do."""
    entry = Entry(state.reading.head + 1, PREVIEW, "", body)
    reading = replace(state.reading, entries=(*state.reading.entries, entry))
    return replace(state, reading=reading, intents=(*state.intents, entry))
