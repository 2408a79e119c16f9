"""Guards on writing that ask whose signature an entry carries: what a person settled, what a decision came to, whether reviews are
required. Pure.

A signature changes nothing of what a book adds up to, so that two machines agree. But nobody else settles for this Podium: it asks its
own person. And reviews that were once required stay so until somebody who is trusted here says otherwise.
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
    """Whether a decision about this model needs a review. `ignored_positions` are POLICY entries that would have it otherwise,
    under keys that are not trusted here.
    """

    is_required: bool = False
    ignored_positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Settlements:
    """What the SETTLED entries under keys trusted here settle, each with the position of the first entry that does.

    `positions` are places of the book, `subjects` what stands elsewhere and is no part of the
    record: runs, what a tag names as one, names in the index. `replacements`:
    run id of a book that was remembered → the ids of the entries which say that another head counts now.
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
    """What a book says is settled, as far as this Podium believes it."""
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
    """The findings of a book, with the entry that settles each: by its subject where it has one, else by its place."""
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
    """Findings about what belongs to no book, with the entry of any of these books that settles each."""
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
    """ " (settled in entry 7 of wine)", to be put behind what was found; empty for a finding that nobody settled."""
    if not finding.settled_by:
        return ""
    return f" (settled in entry {finding.settled_by}{f' of {clean_text(finding.settled_in)}' if finding.settled_in else ''})"


def has_trusted_closing(book: DecodedBook, intent_id: str, keys: TrustedKeys) -> bool:
    """Is the entry that closed a decision signed by a key that is trusted here?"""
    closings = (entry for entry in book.entries if isinstance(entry.body, Closing) and entry.body.intent == intent_id)
    closing = next(closings, None)
    return closing is not None and signature_status(book, closing, keys) == "trusted"


def review_rule(book: DecodedBook, keys: TrustedKeys) -> ReviewRule:
    """What the POLICY entries of a book ask for: anybody may switch reviews on, only a key that is trusted here off again."""
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
