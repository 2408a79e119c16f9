"""The signatures of a complete book: the status of each entry, counts by status, and findings. Pure.

A signature does not change the state of a book. It determines which names are shown as verified, and two guards on writing.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lib.ledger.chain.hash_chain import DecodedBook, Entry, LedgerFinding
from lib.ledger.chain.signatures import (
    SignatureStatus,
    SignedPosition,
    TrustedKeys,
    claims_signature,
    find_signature,
    is_valid_signature,
    key_fingerprint,
)


@dataclass(frozen=True)
class SignatureCounts:
    """How many entries of a book are signed by a trusted key, by another key, or not validly signed."""

    trusted: int = 0
    unknown: int = 0
    none: int = 0

    def __str__(self) -> str:
        parts = {"signed by a trusted key": self.trusted, "signed by an unknown key": self.unknown, "not signed": self.none}
        return ", ".join(f"{count:,} {label}" for label, count in parts.items() if count) or "no entries"


def signature_status(book: DecodedBook, entry: Entry, keys: TrustedKeys) -> SignatureStatus:
    """The signature status of an entry of this book. An entry outside the book (position 0) has none."""
    if not entry.position or not claims_signature(entry.body):
        return "none"
    if not has_valid_signature(book, entry):
        return "invalid"
    return "trusted" if keys.trusts(entry_fingerprint(entry)) else "unknown"


def signature_status_at(book: DecodedBook, position: int, keys: TrustedKeys) -> SignatureStatus:
    """The same for the entry at a position."""
    entry = find_entry_at(book, position)
    return signature_status(book, entry, keys) if entry else "none"


def find_entry_at(book: DecodedBook, position: int) -> Entry | None:
    """The entry at a position as stored in the book, without corrections; None if there is none."""
    index = bisect_left(book.entries, position, key=lambda entry: entry.position)
    is_there = index < len(book.entries) and book.entries[index].position == position
    return book.entries[index] if is_there else None


def has_valid_signature(book: DecodedBook, entry: Entry) -> bool:
    """Does an entry carry a signature, by any key, that is valid for its body and position in this book?"""
    signature = find_signature(entry.body)
    return signature is not None and is_valid_signature(signature, signed_position(book, entry), entry.unsigned_sha256)


def entry_fingerprint(entry: Entry) -> str:
    """The fingerprint of the key named by an entry; empty if there is none. Does not check the signature."""
    signature = find_signature(entry.body)
    return key_fingerprint(signature.key) if signature else ""


def signed_position(book: DecodedBook, entry: Entry) -> SignedPosition:
    """The position of an entry in its book, as covered by its signature."""
    volumes = book.volumes
    volume = volumes[bisect_right([volume.first_position for volume in volumes], entry.position) - 1]
    is_first = entry.position == volume.first_position
    previous_chain = volume.chain_before if is_first else book.chains[entry.position - 1]
    return SignedPosition(volumes[0].run_id, volume.run_id, entry.position, entry.id, previous_chain)


def count_signatures(book: DecodedBook, keys: TrustedKeys) -> SignatureCounts:
    """Count the entries of a book by signature status. Invalid signatures count as none and are findings."""
    counts = Counter(signature_status(book, entry, keys) for entry in book.entries)
    return SignatureCounts(counts["trusted"], counts["unknown"], counts["none"] + counts["invalid"])


def has_trusted_entry(book: DecodedBook, keys: TrustedKeys) -> bool:
    """Is any entry of a book signed by a trusted key?"""
    return any(signature_status(book, entry, keys) == "trusted" for entry in book.entries)


def signature_findings(book: DecodedBook) -> Iterator[LedgerFinding]:
    """Findings for invalid signatures and for unsigned entries after a signed one. Neither blocks writing."""
    signed_at = 0
    for entry in book.entries:
        if not claims_signature(entry.body):
            if signed_at:
                means = f"Entry {signed_at} is signed, this later one is not: written without a key, by an older Podium or another program."
                yield LedgerFinding(entry.position, "unsigned after signed", means)
        elif has_valid_signature(book, entry):
            signed_at = entry.position
        else:
            means = "The signature is not valid for this text at this place with the given key. The entry counts as not signed."
            yield LedgerFinding(entry.position, "signature does not fit", means)
