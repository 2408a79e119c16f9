"""From what is wanted and what is seen to the moves that are left, and whether a sight is explained. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lib.ledger.bodies import Decided
from lib.ledger.chain import Entry
from lib.ledger.fold import State, Wanted
from lib.ledger.words import SLOTS, Slot, slot_of
from lib.registry.seen import Seen, by_number


@dataclass(frozen=True)
class Move:
    """One registry write: point an alias at a version, drop an alias, or put a version into a stage."""

    verb: Literal["alias", "unalias", "stage"]
    where: str
    version: str
    was: str = ""


def moves(state: State, seen: Seen) -> tuple[Move, ...]:
    """The writes that turn what is seen into what the ledger wants, in order: alias, stage, others out, aliases off.

    Only slots that an intent named are touched; a wanted version that is gone is left to people.
    """
    want, leaving = state.wanted(seen.possible), _leaving(state, seen)
    placed = {version for w in want.values() if w.named for version in w.holders}
    out = [move for slot, w in want.items() if w.named for move in _for_slot(slot, w, seen, leaving, placed)]
    out += [
        Move("stage", stage, version, seen.versions[version].stage)
        for version, stage in leaving.items()
        if version not in placed and slot_of(seen.versions[version].stage) is None and seen.versions[version].stage != stage
    ]
    return (*out, *_carried(state, seen))


def preview(state: State, seen: Seen) -> tuple[Move, ...]:
    """Every move until nothing is left, found by making each one on paper and looking again."""
    done: list[Move] = []
    for _ in range(100):
        left = moves(state, seen)
        if not left:
            break
        done.append(left[0])
        seen = on_paper(seen, left[0])
    return tuple(done)


def on_paper(seen: Seen, move: Move) -> Seen:
    """What the registry would show after a move."""
    if move.verb == "stage":
        moved = replace(seen.versions[move.version], stage=move.where)
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
    may_be_empty = any(body.to != SLOTS[slot] and body.version in cover for body in flying) or any(
        not state.wanted()[slot].holders or state.now[slot].alias is None for state in states
    )
    held = seen.now[slot]
    return (held.alias in cover or (held.alias is None and may_be_empty)) and set(held.stage) <= cover


def _leaving(state: State, seen: Seen) -> dict[str, str]:
    """Version → the stage it leaves for, from open intents that take a version out of every slot."""
    bodies = [intent.body for intent in state.open if seen.possible(intent)]
    return {body.version: body.to for body in bodies if isinstance(body, Decided) and slot_of(body.to) is None}


def _for_slot(slot: Slot, want: Wanted, seen: Seen, leaving: Mapping[str, str], placed: set[str]) -> list[Move]:
    holder, stage, shown = want.holder, SLOTS[slot], seen.now[slot]
    if holder is not None and holder not in seen.versions:
        return []
    found: list[Move] = []
    if holder is not None and shown.alias != holder:
        found.append(Move("alias", slot, holder, shown.alias or ""))
    if holder is not None and seen.versions[holder].stage != stage:
        found.append(Move("stage", stage, holder, seen.versions[holder].stage))
    others = [version for version in shown.stage if version not in want.holders and version not in placed]
    found += [Move("stage", leaving.get(version, "Archived"), version, stage) for version in sorted(others, key=by_number)]
    if shown.alias is not None and shown.alias not in want.holders and holder is None:
        found.append(Move("unalias", slot, shown.alias))
    return found


def _carried(state: State, seen: Seen) -> list[Move]:
    """Other aliases that an open, still wanted intent was asked to take along."""
    causes = {want.cause for want in state.wanted(seen.possible).values()}
    bodies = [intent.body for intent in state.open if intent.id in causes]
    pairs = [(alias, body.version) for body in bodies if isinstance(body, Decided) for alias in body.aliases]
    return [
        Move("alias", alias, version, seen.aliases.get(alias, ""))
        for alias, version in pairs
        if seen.aliases.get(alias) != version
    ]


def intent_on_paper(state: State, body: Decided) -> State:
    """The state with one more intent, to preview what it would do."""
    entry = Entry(state.reading.head + 1, "preview", "", body)
    reading = replace(state.reading, entries=(*state.reading.entries, entry))
    return replace(state, reading=reading, intents=(*state.intents, entry))
