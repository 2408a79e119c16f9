"""Two guards on writing that ask whose signature an entry carries: what a person settled, and whether reviews are required. Pure.

A signature changes nothing of what a book adds up to, so that two machines agree. But nobody else settles for this Podium: it asks its
own person. And reviews that were once required stay so until somebody who is trusted here says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.hash_chain import DecodedBook
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.entry.schema_2_types import PolicySet, Settlement


@dataclass(frozen=True)
class ReviewRule:
    """Whether a decision about this model needs a review. `ignored_positions` are POLICY entries that would have it otherwise,
    under keys that are not trusted here.
    """

    is_required: bool = False
    ignored_positions: tuple[int, ...] = ()


def settled_positions(book: DecodedBook, keys: TrustedKeys) -> Mapping[int, int]:
    """Place that stopped the decisions → position of the entry that settles it for this Podium, the first one where several do."""
    settled = dict[int, int]()
    for entry in book.entries:
        if isinstance(entry.body, Settlement) and signature_status(book, entry, keys) == "trusted":
            settled = dict.fromkeys(entry.body.places, entry.position) | settled
    return settled


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
