"""Guards that depend on trusted signatures: settlements, closings of decisions, and required reviews. Pure.

A signature does not change the state of a book, so that two machines agree. But a settlement only counts here if its key is trusted here.
And once required, reviews stay required until an entry under a trusted key says otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.entry.schema_2_types import PolicySet, Settlement
from lib.ledger.entry.types import Closing
from lib.text import clean_text


@dataclass(frozen=True)
class ReviewRule:
    """Whether decisions about this model need a review. `ignored_positions` are POLICY entries under untrusted keys that lift that."""

    is_required: bool = False
    ignored_positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Settlements:
    """What SETTLED entries under trusted keys settle, each with the position of the first such entry.

    `positions` are places of the book, `subjects` are elsewhere and not part of the record: runs, tagged run ids, names in the index.
    `replacements`: run id of a remembered book → the ids of the entries that put another head in its place.
    """

    positions: Mapping[int, int] = field(default_factory=dict)
    subjects: Mapping[str, int] = field(default_factory=dict)
    replacements: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def entry_ids(self) -> frozenset[str]:
        """The ids of the entries that replace a remembered head."""
        return frozenset().union(*self.replacements.values())


FindingType = TypeVar("FindingType", bound=LedgerFinding)
NOTHING_SETTLED = Settlements()


def read_settlements(book: DecodedBook, keys: TrustedKeys) -> Settlements:
    """The settlements in a book under trusted keys."""
    positions, subjects, replacements = dict[int, int](), dict[str, int](), dict[str, frozenset[str]]()
    for entry in book.entries:
        if not isinstance(entry.body, Settlement) or signature_status(book, entry, keys) != "trusted":
            continue
        positions = dict.fromkeys(entry.body.places, entry.position) | positions
        subjects = dict.fromkeys(entry.body.subjects, entry.position) | subjects
        if replaced := entry.body.was:
            replacements[replaced.book] = replacements.get(replaced.book, frozenset()) | {entry.id}
    return Settlements(positions, subjects, replacements)


def mark_settled(findings: Iterable[LedgerFinding], settlements: Settlements) -> tuple[LedgerFinding, ...]:
    """The findings of a book, each with the entry that settles it: by its subject if it has one, else by its place."""
    return tuple(
        replace(
            finding,
            settled_by=settlements.subjects.get(finding.subject, 0)
            if finding.subject
            else settlements.positions.get(finding.position, 0),
        )
        for finding in findings
    )


def mark_settled_elsewhere(
    findings: Iterable[FindingType], books: Iterable[DecodedBook], keys: TrustedKeys
) -> tuple[FindingType, ...]:
    """Findings that belong to no book, each with the entry in any of these books that settles it."""
    findings = tuple(findings)
    if not findings:
        return ()
    settled = dict[str, tuple[int, str]]()
    for book in books:
        for subject, position in read_settlements(book, keys).subjects.items():
            settled.setdefault(subject, (position, book.entries[0].body.model))
    marks = ((finding, *settled.get(finding.subject, (0, ""))) for finding in findings)
    return tuple(replace(finding, settled_by=position, settled_in=model) for finding, position, model in marks)


def describe_settlement(finding: LedgerFinding) -> str:
    """ " (settled in entry 7 of wine)", as a suffix for a finding; empty if it is unsettled."""
    if not finding.settled_by:
        return ""
    return f" (settled in entry {finding.settled_by}{f' of {clean_text(finding.settled_in)}' if finding.settled_in else ''})"


def has_trusted_closing(book: DecodedBook, intent_id: str, keys: TrustedKeys) -> bool:
    """Is the entry that closed a decision signed by a trusted key?"""
    closings = (entry for entry in book.entries if isinstance(entry.body, Closing) and entry.body.intent == intent_id)
    closing = next(closings, None)
    return closing is not None and signature_status(book, closing, keys) == "trusted"


def review_rule(book: DecodedBook, keys: TrustedKeys) -> ReviewRule:
    """The rule from the POLICY entries of a book: anyone may require reviews, only a trusted key may lift that again."""
    is_required, ignored_positions = False, list[int]()
    for entry in book.entries:
        if not isinstance(entry.body, PolicySet):
            continue
        if entry.body.require_review or not is_required:
            is_required = entry.body.require_review
        elif signature_status(book, entry, keys) == "trusted":
            is_required, ignored_positions = False, []
        else:
            ignored_positions.append(entry.position)
    return ReviewRule(is_required, tuple(ignored_positions))
