"""What the times in a book say about the clocks of those who wrote it. Pure; the order of a book is the place, never a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from lib.ledger.chain.hash_chain import Entry, LedgerFinding
from lib.ledger.entry.timestamps import parse_timestamp

MAX_CLOCK_SKEW = timedelta(seconds=1)
"""How far the clocks of two machines may differ before anybody is told."""
_NAMED = 5


def check_clock_skew(entries: Sequence[Entry]) -> tuple[LedgerFinding, ...]:
    """One finding when a claimed time lies more than a second before that of the entry before it: where, and by how much."""
    told = [(entry.position, at) for entry in entries if (at := _claim(entry)) is not None]
    jumps = [(place, before - at) for (_, before), (place, at) in pairwise(told) if before - at > MAX_CLOCK_SKEW]
    if not jumps:
        return ()
    places = ", ".join(str(place) for place, _ in jumps[:_NAMED]) + (f" and {len(jumps) - _NAMED} more" if jumps[_NAMED:] else "")
    means = (
        f"By its own time, what stands at place {places} was written before the entry in front of it, by up to "
        f"{max(length for _, length in jumps).total_seconds():,.0f} s: the clocks of two machines differ. "
        "The order is that of the places; answers take the later of both times."
    )
    return (LedgerFinding(jumps[0][0], "clock ran backwards", means),)


def _claim(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(entry.body.recorded_at)
    except ValueError:
        return None
