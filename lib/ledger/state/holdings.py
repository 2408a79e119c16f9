"""Who held which slot from when until when. Pure; based only on entries with observations, never on intents.

Entries are ordered by position. The time of an entry is the store's if known, and never decreases with the position. The holder is unknown
within the window of an outside move, while a model was deleted or re-created, and while several versions are in one slot.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Body, Closing, Decided, Observed, Opened, SlotState
from lib.ledger.entry.vocabulary import SLOTS, Slot, slot_of
from lib.text import version_list


@dataclass(frozen=True)
class Holding:
    """A version in a slot, from `since` until `until` (None: still), by the entry at `position` until the one at `end_position`.

    `version` is None if the holder is unknown. Then `explanation` says why, and `contenders` are the versions in the slot if there were
    several. `decision_id` is the decision behind the holding, empty for an outside move or the state before the record. `is_imported`
    marks holdings known only from imported entries.
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
    contenders: tuple[str, ...] = ()

    @property
    def holder_text(self) -> str:
        """The version as text, or the contenders if there were several, else "unknown"."""
        holders = (self.version,) if self.version else self.contenders
        return version_list(holders) if holders else "unknown"


@dataclass(frozen=True)
class _HolderReport:
    """An entry that reports the holders: its time, since when they were unknown (None: they were known), and the decisions behind them."""

    entry: Entry
    slot_states: dict[Slot, SlotState]
    at: datetime
    unknown_since: datetime | None
    decision_ids: dict[tuple[Slot, str], str]


def recorded_holdings(entries: Iterable[Entry]) -> tuple[Holding, ...]:
    """Every holding of a book, oldest first; empty slots leave gaps."""
    holdings: list[Holding] = []
    open_holdings: dict[Slot, Holding | None] = dict.fromkeys(SLOTS)
    for report in _holder_reports(entries):
        for slot in SLOTS:
            open_holdings[slot] = _next_holding(holdings, open_holdings[slot], _slot_holding(slot, report), report)
    holdings += [holding for holding in open_holdings.values() if holding]
    return tuple(sorted(holdings, key=lambda holding: (holding.since, holding.position)))


def current_holding(entries: Iterable[Entry], slot: Slot) -> Holding | None:
    """The holding of a slot at the head of the book; None if the slot is empty."""
    return next((h for h in recorded_holdings(entries) if h.slot == slot and h.until is None), None)


def record_start(entries: Iterable[Entry]) -> datetime | None:
    """When the record first reports holders; None if it never does."""
    return next((report.at for report in _holder_reports(entries)), None)


def _holder_reports(entries: Iterable[Entry]) -> Iterable[_HolderReport]:
    clock: datetime | None = None
    last_report_at: datetime | None = None
    last_certain_at: datetime | None = None
    last_slot_states: dict[Slot, SlotState] | None = None
    decision_ids: dict[tuple[Slot, str], str] = {}
    for entry in entries:
        body = entry.body
        if isinstance(body, Decided) and body.verdict == "approve" and (target_slot := slot_of(body.to)):
            decision_ids[target_slot, body.version] = entry.id
        if isinstance(body, Opened):
            decision_ids.clear()
        if isinstance(body, Opened | Closing | Observed):
            clock = _later_time(clock, parse_timestamp(body.effective_at or body.recorded_at))
            if isinstance(body, Observed) and body.is_unmoved:
                continue  # the holders were not observed
            unknown_since = last_certain_at if isinstance(body, Opened) else _window_start(body, last_report_at, clock)
            last_report_at = clock
            yield _HolderReport(entry, body.now, clock, unknown_since, decision_ids if isinstance(body, Closing) else {})
            # a decision that failed because the model was gone is closed with the known state, not an observed one
            is_unverified = isinstance(body, Closing) and body.type == "FAILED" and body.now == last_slot_states
            last_certain_at, last_slot_states = last_certain_at if is_unverified else clock, body.now


def _window_start(body: Body, previous: datetime | None, at: datetime) -> datetime | None:
    """The start of the window of an outside move; never before the last report, and never after its end."""
    return min(_later_time(previous, parse_timestamp(body.window[0])), at) if isinstance(body, Observed) and previous else None


def _next_holding(
    holdings: list[Holding], previous: Holding | None, following: Holding | None, report: _HolderReport
) -> Holding | None:
    """End the previous holding when another begins. An outside move leaves an unknown interval in between."""
    is_new_life = isinstance(report.entry.body, Opened)
    is_same = previous and following and (previous.version, previous.explanation) == (following.version, following.explanation)
    if is_same and not is_new_life:
        return previous
    since = report.at if report.unknown_since is None else report.unknown_since
    if previous:
        holdings.append(replace(previous, until=since, end_position=report.entry.position))
    if since < report.at and (holding := following or previous):
        explanation = "the model was deleted or re-created" if is_new_life else "moved outside Podium"
        holdings.append(Holding(holding.slot, None, since, report.at, report.entry.position, explanation=explanation))
    return following


def _slot_holding(slot: Slot, report: _HolderReport) -> Holding | None:
    holders, position = report.slot_states[slot].holders, report.entry.position
    if len(holders) > 1:
        return Holding(slot, None, report.at, None, position, explanation=f"{version_list(holders)} at once", contenders=holders)
    if not holders:
        return None
    return Holding(slot, holders[0], report.at, None, position, report.decision_ids.get((slot, holders[0]), ""))


def _later_time(clock: datetime | None, at: datetime) -> datetime:
    return at if clock is None or at > clock else clock
