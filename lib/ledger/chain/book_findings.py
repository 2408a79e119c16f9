"""What does not fit in a book as a whole: against heads noted elsewhere, by the clocks of its writers, and in few words. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import pairwise

from lib.ledger.chain.hash_chain import Anchor, DecodedBook, Entry, LedgerFinding
from lib.ledger.entry.timestamps import parse_timestamp
from lib.text import clean_text, format_count, join_words

MAX_CLOCK_SKEW = timedelta(seconds=1)
"""How far the clocks of two machines may differ before it is reported."""
MAX_FINDINGS_OF_A_KIND = 10
"""So many are named one by one; what is beyond becomes one more finding that counts the others."""
_MAX_POSITIONS_LISTED, _MAX_NAMES_LISTED, _MAX_NAME_LENGTH = 5, 3, 40


def collect_findings(book: DecodedBook, anchors: Iterable[Anchor]) -> tuple[LedgerFinding, ...]:
    """Every finding of a book, those against heads noted elsewhere included, few of each kind; empty when all is well."""
    return condense_findings((*book.findings, *(finding for anchor in anchors if (finding := _anchor_finding(book, anchor)))))


def condense_findings(findings: Sequence[LedgerFinding]) -> tuple[LedgerFinding, ...]:
    """The findings, where those of one kind that are too many end in one that says how many more there are, and where."""
    if len(findings) <= MAX_FINDINGS_OF_A_KIND:
        return tuple(findings)
    findings_by_kind, named_findings = defaultdict[str, list[LedgerFinding]](list), list[LedgerFinding]()
    for finding in findings:
        findings_by_kind[finding.what].append(finding)
        if len(findings_by_kind[finding.what]) <= MAX_FINDINGS_OF_A_KIND:
            named_findings.append(finding)
    further_findings = (same_kind[MAX_FINDINGS_OF_A_KIND:] for same_kind in findings_by_kind.values())
    return (*named_findings, *(_summary(further) for further in further_findings if further))


def check_clock_skew(entries: Sequence[Entry]) -> tuple[LedgerFinding, ...]:
    """One finding when an entry claims to be more than a second older than the entry before it: where, and by how much."""
    times = [(entry.position, at) for entry in entries if (at := _recorded_time(entry)) is not None]
    jumps = [(position, previous - at) for (_, previous), (position, at) in pairwise(times) if previous - at > MAX_CLOCK_SKEW]
    if not jumps:
        return ()
    positions = ", ".join(str(position) for position, _ in jumps[:_MAX_POSITIONS_LISTED])
    more_text = f" and {len(jumps) - _MAX_POSITIONS_LISTED} more" if jumps[_MAX_POSITIONS_LISTED:] else ""
    means = (
        f"By its own time, what stands at place {positions}{more_text} was written before the entry in front of it, by up to "
        f"{max(length for _, length in jumps).total_seconds():,.0f} s: the clocks of two machines differ. "
        "The order is that of the places; answers take the later of both times."
    )
    return (LedgerFinding(jumps[0][0], "clock ran backwards", means),)


def blocking_finding(findings: Iterable[LedgerFinding]) -> LedgerFinding | None:
    """The first finding that forbids writing; None when the book may be written."""
    return next((finding for finding in findings if finding.blocks_writing), None)


def stray_parameter_findings(names: Collection[str], holder: str) -> list[LedgerFinding]:
    """One finding for the parameters of a run that are nothing of a ledger; `holder` says what the run is."""
    if not names:
        return []
    listed = [clean_text(name)[:_MAX_NAME_LENGTH] for name in nsmallest(_MAX_NAMES_LISTED, names)]
    more = [f"{len(names) - len(listed):,} more"] if len(names) > len(listed) else []
    means = f"Somebody added {format_count(len(names), 'parameter')} to the {holder}: {join_words([*listed, *more])}. No answer reads them."
    return [LedgerFinding(0, "stray parameter", means)]


def _summary(further_findings: Sequence[LedgerFinding]) -> LedgerFinding:
    """One finding for many of one kind. It blocks writing when one of them does."""
    first = further_findings[0]
    ranges = _position_ranges(sorted({finding.position for finding in further_findings if finding.position}))
    listed = ", ".join(ranges[:_MAX_POSITIONS_LISTED])
    more_text = f" and {len(ranges) - _MAX_POSITIONS_LISTED:,} other stretches" if ranges[_MAX_POSITIONS_LISTED:] else ""
    where = f", at places {listed}{more_text}" if ranges else ""
    return replace(
        first,
        means=f"{len(further_findings):,} more of these{where}. {first.means}",
        blocks_writing=any(finding.blocks_writing for finding in further_findings),
    )


def _position_ranges(positions: Sequence[int]) -> list[str]:
    """Positions in ascending order as texts, those in a row as one: 12–4,017."""
    starts = [n for n, position in enumerate(positions) if not n or position != positions[n - 1] + 1]
    ranges = [(positions[start], positions[end - 1]) for start, end in pairwise([*starts, len(positions)])]
    return [f"{first}–{last}" if last > first else str(first) for first, last in ranges]


def _anchor_finding(book: DecodedBook, anchor: Anchor) -> LedgerFinding | None:
    if anchor.position > book.head:
        means = (
            f"{anchor.position} entries were noted elsewhere, {book.head} are here: the end was cut off, this is another book, or the "
            "note is false. A tag on a version can be written by anybody who may change the model."
        )
        return LedgerFinding(anchor.position, "head behind its anchor", means, blocks_writing=True)
    if book.chains[anchor.position] != anchor.chain:
        means = (
            "The book up to here is not the one that was noted elsewhere: it was rewritten, or the note is false. A tag on a version "
            "can be written by anybody who may change the model."
        )
        return LedgerFinding(anchor.position, "differs from its anchor", means, blocks_writing=True)
    return None


def _recorded_time(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(entry.body.recorded_at)
    except ValueError:
        return None
