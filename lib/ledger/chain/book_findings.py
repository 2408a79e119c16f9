"""Findings about a complete book: against heads stored elsewhere, from the clocks of its writers, and condensed. Pure."""

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
"""How far the clocks of two machines may differ without a finding."""
MAX_FINDINGS_OF_A_KIND = 10
"""Up to this many are listed one by one; the rest becomes one finding with a count."""
_MAX_POSITIONS_LISTED, _MAX_NAMES_LISTED, _MAX_NAME_LENGTH = 5, 3, 40


def collect_findings(book: DecodedBook, anchors: Iterable[Anchor]) -> tuple[LedgerFinding, ...]:
    """The condensed findings of a book, including those against heads stored elsewhere; empty if all is well."""
    return condense_findings(list_findings(book, anchors))


def list_findings(book: DecodedBook, anchors: Iterable[Anchor]) -> tuple[LedgerFinding, ...]:
    """The same, uncondensed."""
    return (*book.findings, *(finding for anchor in anchors if (finding := _anchor_finding(book, anchor))))


def condense_findings(findings: Sequence[LedgerFinding]) -> tuple[LedgerFinding, ...]:
    """Condense the findings: too many of one kind end in a summary that says how many more there are, and where.

    Settled and unsettled findings are counted separately.
    """
    if len(findings) <= MAX_FINDINGS_OF_A_KIND:
        return tuple(findings)
    findings_by_kind, named_findings = defaultdict[tuple[str, bool], list[LedgerFinding]](list), list[LedgerFinding]()
    for finding in findings:
        same_kind = findings_by_kind[finding.what, bool(finding.settled_by)]
        same_kind.append(finding)
        if len(same_kind) <= MAX_FINDINGS_OF_A_KIND:
            named_findings.append(finding)
    further_findings = (same_kind[MAX_FINDINGS_OF_A_KIND:] for same_kind in findings_by_kind.values())
    return (*named_findings, *(_summary(further) for further in further_findings if further))


def check_clock_skew(entries: Sequence[Entry]) -> tuple[LedgerFinding, ...]:
    """One finding if entries claim to be more than a second older than the entry before them: where, and by how much."""
    times = [(entry.position, at) for entry in entries if (at := _recorded_time(entry)) is not None]
    jumps = [(position, previous - at) for (_, previous), (position, at) in pairwise(times) if previous - at > MAX_CLOCK_SKEW]
    if not jumps:
        return ()
    positions = ", ".join(str(position) for position, _ in jumps[:_MAX_POSITIONS_LISTED])
    more_text = f" and {len(jumps) - _MAX_POSITIONS_LISTED} more" if jumps[_MAX_POSITIONS_LISTED:] else ""
    means = (
        f"By its own timestamp, the entry at place {positions}{more_text} was written before the preceding one, by up to "
        f"{max(length for _, length in jumps).total_seconds():,.0f} s: the clocks of two machines differ. "
        "The places determine the order; answers use the later of both times."
    )
    return (LedgerFinding(jumps[0][0], "clock ran backwards", means),)


def blocking_finding(findings: Iterable[LedgerFinding]) -> LedgerFinding | None:
    """The first unsettled finding that blocks writing; None if the book may be written."""
    return next((finding for finding in findings if finding.blocks_writing and not finding.settled_by), None)


def stray_parameter_findings(names: Collection[str], holder: str) -> list[LedgerFinding]:
    """One finding for parameters of a run that do not belong to a ledger; `holder` describes the run."""
    if not names:
        return []
    listed = [clean_text(name)[:_MAX_NAME_LENGTH] for name in nsmallest(_MAX_NAMES_LISTED, names)]
    more = [f"{len(names) - len(listed):,} more"] if len(names) > len(listed) else []
    means = f"Unexpected in the {holder}: {format_count(len(names), 'parameter')} ({join_words([*listed, *more])}). No answer uses them."
    return [LedgerFinding(0, "stray parameter", means)]


def _summary(further_findings: Sequence[LedgerFinding]) -> LedgerFinding:
    """One finding that summarizes many of one kind. It blocks writing if one of them does."""
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
    """Ascending positions as texts, consecutive ones as a range: 12–4017."""
    starts = [n for n, position in enumerate(positions) if not n or position != positions[n - 1] + 1]
    ranges = [(positions[start], positions[end - 1]) for start, end in pairwise([*starts, len(positions)])]
    return [f"{first}–{last}" if last > first else str(first) for first, last in ranges]


def _anchor_finding(book: DecodedBook, anchor: Anchor) -> LedgerFinding | None:
    if anchor.position > book.head:
        means = (
            f"The stored head is at place {anchor.position}, but the book ends at {book.head}: its end was cut off, this is another book, "
            "or the stored head is wrong. Anyone who may change the model can write tags on its versions."
        )
        return LedgerFinding(anchor.position, "head behind its anchor", means, blocks_writing=True)
    if book.chains[anchor.position] != anchor.chain:
        means = (
            "The book up to here differs from the head stored elsewhere: it was rewritten, or the stored head is wrong. Anyone who may "
            "change the model can write tags on its versions."
        )
        return LedgerFinding(anchor.position, "differs from its anchor", means, blocks_writing=True)
    return None


def _recorded_time(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(entry.body.recorded_at)
    except ValueError:
        return None
