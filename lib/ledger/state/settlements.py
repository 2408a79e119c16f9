"""Two guards on writing that ask whose signature an entry carries: what a person settled, and whether reviews are required. Pure.

A signature changes nothing of what a book adds up to, so that two machines agree. But nobody else settles for this Podium: it asks its
own person. And reviews that were once required stay so until somebody who is trusted here says otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.hash_chain import DecodedBook, LedgerFinding
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.entry.schema_2_types import PolicySet, Settlement


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

    `positions` are places of the book, `run_ids` runs (or what a tag names as one) that are no part of the record. `replacements`:
    run id of a book that was remembered → the ids of the entries which say that another head counts now.
    """

    positions: Mapping[int, int] = field(default_factory=dict)
    run_ids: Mapping[str, int] = field(default_factory=dict)
    replacements: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def entry_ids(self) -> frozenset[str]:
        """The ids of the entries that replace a remembered head."""
        return frozenset().union(*self.replacements.values())


NOTHING_SETTLED = Settlements()


def read_settlements(book: DecodedBook, keys: TrustedKeys) -> Settlements:
    """What a book says is settled, as far as this Podium believes it."""
    positions, run_ids, replacements = dict[int, int](), dict[str, int](), dict[str, frozenset[str]]()
    for entry in book.entries:
        if not isinstance(entry.body, Settlement) or signature_status(book, entry, keys) != "trusted":
            continue
        positions = dict.fromkeys(entry.body.places, entry.position) | positions
        run_ids = dict.fromkeys(entry.body.runs, entry.position) | run_ids
        if replaced := entry.body.was:
            replacements[replaced.book] = replacements.get(replaced.book, frozenset()) | {entry.id}
    return Settlements(positions, run_ids, replacements)


def mark_settled(findings: Iterable[LedgerFinding], settlements: Settlements) -> tuple[LedgerFinding, ...]:
    """The findings of a book, with the entry that settles each: by its subject where it has one, else by its place."""
    return tuple(
        replace(
            finding,
            settled_by=settlements.run_ids.get(finding.subject, 0)
            if finding.subject
            else settlements.positions.get(finding.position, 0),
        )
        for finding in findings
    )


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
