"""The signatures of a whole book: the status of each entry, how many there are of each, and what does not fit. Pure.

A signature changes nothing of what a book adds up to. It decides which names are shown as verified, and two guards on writing.
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
    """How many entries of a book are signed by a key trusted here, by another key, or by none that fits."""

    trusted: int = 0
    unknown: int = 0
    none: int = 0

    def __str__(self) -> str:
        parts = {"signed by a trusted key": self.trusted, "signed by an unknown key": self.unknown, "not signed": self.none}
        return ", ".join(f"{count:,} {label}" for label, count in parts.items() if count) or "no entry"


def signature_status(book: DecodedBook, entry: Entry, keys: TrustedKeys) -> SignatureStatus:
    """Whose signature an entry of this book carries. An entry that is not in the book (position 0) carries none."""
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
    """The entry at a position as it stands in the book, whatever corrected it; None where there is none."""
    index = bisect_left(book.entries, position, key=lambda entry: entry.position)
    is_there = index < len(book.entries) and book.entries[index].position == position
    return book.entries[index] if is_there else None


def has_valid_signature(book: DecodedBook, entry: Entry) -> bool:
    """Does an entry carry a signature that fits its body and its position in this book, by whatever key?"""
    signature = find_signature(entry.body)
    return signature is not None and is_valid_signature(signature, signed_position(book, entry), entry.unsigned_sha256)


def entry_fingerprint(entry: Entry) -> str:
    """The fingerprint of the key that an entry names; empty when it names none. Says nothing about whether its signature fits."""
    signature = find_signature(entry.body)
    return key_fingerprint(signature.key) if signature else ""


def signed_position(book: DecodedBook, entry: Entry) -> SignedPosition:
    """Where an entry stands in its book, as its signature says it."""
    volumes = book.volumes
    volume = volumes[bisect_right([volume.first_position for volume in volumes], entry.position) - 1]
    is_first = entry.position == volume.first_position
    previous_chain = volume.chain_before if is_first else book.chains[entry.position - 1]
    return SignedPosition(volumes[0].run_id, volume.run_id, entry.position, entry.id, previous_chain)


def count_signatures(book: DecodedBook, keys: TrustedKeys) -> SignatureCounts:
    """How many entries of a book carry which signature. One that does not fit counts as none, and is a finding."""
    counts = Counter(signature_status(book, entry, keys) for entry in book.entries)
    return SignatureCounts(counts["trusted"], counts["unknown"], counts["none"] + counts["invalid"])


def signature_findings(book: DecodedBook) -> Iterator[LedgerFinding]:
    """Signatures that do not fit, and entries without one that follow a signed one. Neither stops the writing."""
    signed_at = 0
    for entry in book.entries:
        if not claims_signature(entry.body):
            if signed_at:
                means = f"Entry {signed_at} before it is signed and this one is not: by a Podium without a key, an older one, or no Podium."
                yield LedgerFinding(entry.position, "unsigned after signed", means)
        elif has_valid_signature(book, entry):
            signed_at = entry.position
        else:
            means = "It was not made with the key it names for this text in this place. The entry counts as not signed."
            yield LedgerFinding(entry.position, "signature does not fit", means)
