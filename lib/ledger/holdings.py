"""Who held which slot from when until when. Pure; only entries that say what was seen count, never intents.

The order is the place; the time of an entry is the store's where it is known, and never runs backwards along the places. Inside
the window of an outside move the holder is unknown, and so is it while several versions stand in one slot.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from lib.ledger.bodies import Body, Closing, Decided, Held, Observed, Opened
from lib.ledger.chain import Entry
from lib.ledger.words import SLOTS, Slot, as_time


@dataclass(frozen=True)
class Holding:
    """A version in a slot, from `since` until `until` (None: still). `place` is the entry that says so.

    `version` is None while it is unknown who held the slot; `why` then says why. `decided` is the id of the decision behind it,
    empty for an outside move or the state before the record.
    """

    slot: Slot
    version: str | None
    since: datetime
    until: datetime | None
    place: int
    decided: str = ""
    why: str = ""


def holdings(entries: Iterable[Entry]) -> tuple[Holding, ...]:
    """Every holding of a book, oldest first; slots that nobody held leave gaps."""
    done: list[Holding] = []
    current: dict[Slot, Holding | None] = dict.fromkeys(SLOTS)
    clock: datetime | None = None
    for entry in entries:
        if (now := _now(entry.body)) is None:
            continue
        clock = _later(clock, _time(entry.body))
        for slot in SLOTS:
            current[slot] = _next(done, current[slot], _held(slot, now[slot], entry, clock), entry)
    return tuple(sorted([*done, *(holding for holding in current.values() if holding)], key=lambda h: (h.since, h.place)))


def holder(entries: Iterable[Entry], slot: Slot) -> Holding | None:
    """The holding of a slot at the head of the book; None when nobody holds it."""
    return next((h for h in holdings(entries) if h.slot == slot and h.until is None), None)


def _next(done: list[Holding], before: Holding | None, after: Holding | None, entry: Entry) -> Holding | None:
    """End the holding before when another begins; an outside move leaves an unknown stretch between them."""
    if before and after and before.version == after.version and before.why == after.why:
        return before
    at = after.since if after else _later(before.since if before else None, _time(entry.body))
    opened = _window_start(before, entry)
    if before:
        done.append(replace(before, until=opened or at))
    if opened and opened < at and (before or after):
        slot = (after or before).slot  # type: ignore[union-attr]
        done.append(Holding(slot, None, opened, at, entry.place, why="moved outside Podium"))
    return after


def _window_start(before: Holding | None, entry: Entry) -> datetime | None:
    if not isinstance(entry.body, Observed) or not entry.body.window[0]:
        return None
    since = as_time(entry.body.window[0])
    return max(since, before.since) if before else since


def _held(slot: Slot, held: Held, entry: Entry, at: datetime) -> Holding | None:
    holders = held.holders
    decided = entry.body.intent if isinstance(entry.body, Closing) else ""
    if len(holders) > 1:
        return Holding(slot, None, at, None, entry.place, decided, f"{' and '.join(f'v{v}' for v in holders)} at once")
    return Holding(slot, holders[0], at, None, entry.place, decided) if holders else None


def _now(body: Body) -> dict[Slot, Held] | None:
    return body.now if isinstance(body, Opened | Closing | Observed) else None


def _time(body: Body) -> datetime:
    return as_time(body.effective_at or body.recorded_at)


def _later(clock: datetime | None, at: datetime) -> datetime:
    return at if clock is None or at > clock else clock


def decision_of(entries: Iterable[Entry], holding: Holding) -> Decided | None:
    """The decision that led to a holding; None for an outside move or the state before the record."""
    bodies = (entry.body for entry in entries if entry.id == holding.decided)
    return next((body for body in bodies if isinstance(body, Decided)), None)
