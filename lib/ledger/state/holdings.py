"""Who held which slot from when until when. Pure; only entries that say what was seen count, never intents.

The order is the place; the time of an entry is the store's where it is known, and never runs backwards along the places. Inside
the window of an outside move, or while a model was deleted or made anew, the holder is unknown, and so is it while several
versions stand in one slot.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Body, Closing, Decided, Observed, Opened, SlotState
from lib.ledger.entry.vocabulary import SLOTS, Slot, slot_of, version_list


@dataclass(frozen=True)
class Holding:
    """A version in a slot, from `since` until `until` (None: still). `place` is the entry that says so, `ended` the one that ends it.

    `version` is None while it is unknown who held the slot; `why` then says why. `decided` is the id of the decision behind it,
    empty for an outside move or the state before the record. `imported` marks what only an imported entry tells.
    """

    slot: Slot
    version: str | None
    since: datetime
    until: datetime | None
    position: int
    decision_id: str = ""
    explanation: str = ""
    end_position: int = 0
    is_imported: bool = False


@dataclass(frozen=True)
class _Told:
    """An entry that says who holds what: at what time, since when it was not known (None: it was), by which decisions."""

    entry: Entry
    now: dict[Slot, SlotState]
    at: datetime
    dark: datetime | None
    decided: dict[tuple[Slot, str], str]


def recorded_holdings(entries: Iterable[Entry]) -> tuple[Holding, ...]:
    """Every holding of a book, oldest first; slots that nobody held leave gaps."""
    done: list[Holding] = []
    current: dict[Slot, Holding | None] = dict.fromkeys(SLOTS)
    for told in _told(entries):
        for slot in SLOTS:
            current[slot] = _next(done, current[slot], _held(slot, told), told)
    return tuple(sorted([*done, *(holding for holding in current.values() if holding)], key=lambda h: (h.since, h.position)))


def current_holding(entries: Iterable[Entry], slot: Slot) -> Holding | None:
    """The holding of a slot at the head of the book; None when nobody holds it."""
    return next((h for h in recorded_holdings(entries) if h.slot == slot and h.until is None), None)


def record_start(entries: Iterable[Entry]) -> datetime | None:
    """When the record first says who holds what; None when it never does."""
    return next((told.at for told in _told(entries)), None)


def _told(entries: Iterable[Entry]) -> Iterable[_Told]:
    clock: datetime | None = None
    seen: datetime | None = None
    sure: datetime | None = None
    shown: dict[Slot, SlotState] | None = None
    decided: dict[tuple[Slot, str], str] = {}
    for entry in entries:
        body = entry.body
        if isinstance(body, Decided) and body.verdict == "approve" and (goal := slot_of(body.to)):
            decided[goal, body.version] = entry.id
        if isinstance(body, Opened):
            decided.clear()
        if isinstance(body, Opened | Closing | Observed):
            clock = _later(clock, parse_timestamp(body.effective_at or body.recorded_at))
            if isinstance(body, Observed) and body.is_unmoved:
                continue  # nobody looked at who holds what
            dark, seen = sure if isinstance(body, Opened) else _dark(body, seen, clock), clock
            yield _Told(entry, body.now, clock, dark, decided if isinstance(body, Closing) else {})
            # a decision that failed because the model was gone is closed with what was known, not with what was seen
            blind = isinstance(body, Closing) and body.type == "FAILED" and body.now == shown
            sure, shown = sure if blind else clock, body.now


def _dark(body: Body, before: datetime | None, at: datetime) -> datetime | None:
    """Where the window of an outside move begins; never before what was told last, and never after its end."""
    return min(_later(before, parse_timestamp(body.window[0])), at) if isinstance(body, Observed) and before else None


def _next(done: list[Holding], before: Holding | None, after: Holding | None, told: _Told) -> Holding | None:
    """End the holding before when another begins; an outside move leaves an unknown stretch between them."""
    anew = isinstance(told.entry.body, Opened)
    if before and after and before.version == after.version and before.explanation == after.explanation and not anew:
        return before
    since = told.at if told.dark is None else told.dark
    if before:
        done.append(replace(before, until=since, end_position=told.entry.position))
    if since < told.at and (one := after or before):
        why = "the model was deleted or made anew" if anew else "moved outside Podium"
        done.append(Holding(one.slot, None, since, told.at, told.entry.position, explanation=why))
    return after


def _held(slot: Slot, told: _Told) -> Holding | None:
    holders, place = told.now[slot].holders, told.entry.position
    if len(holders) > 1:
        return Holding(slot, None, told.at, None, place, explanation=f"{version_list(holders)} at once")
    return Holding(slot, holders[0], told.at, None, place, told.decided.get((slot, holders[0]), "")) if holders else None


def _later(clock: datetime | None, at: datetime) -> datetime:
    return at if clock is None or at > clock else clock
