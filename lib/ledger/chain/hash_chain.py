"""Entry n of a book is one write-once parameter: `<ULID> <sha256 of body> <chain> <body>`. Pure.

This module defines the encoding of entries and the decoded book; `book_decoder` reads one. chain n = sha256(chain n−1 + sha256 of body
n), seeded with the book's run id. A body too long for one parameter continues in parameters `<ULID>.00`, `<ULID>.01` … A long book
continues in further runs, its volumes: positions keep counting, and the chain of a volume is seeded with the chain so far and its own run
id. Entries are ordered by position, never by time.
"""

import hashlib
from dataclasses import dataclass

from lib.ledger.chain.body_parts import part_key
from lib.ledger.entry.types import Body

CHUNK_LENGTH = 5_600
"""Characters of a body that fit behind the header in one parameter value of 6,000."""
HEADER_LENGTH = 160
"""Characters before the body: the id, two hashes, the spaces between them, and one spare."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger at its position (from 1), with its id, the chain up to here, and the sha256 of its body without `sig`."""

    position: int
    id: str
    chain: str
    body: Body
    unsigned_sha256: str = ""


@dataclass(frozen=True)
class LedgerFinding:
    """A finding in a book: where, what, and what it means. If it `blocks_writing`, nothing may be written until it is settled.

    `subject` identifies what it concerns outside the book, such as a run, so that it is recognized at the next reading. `settled_by` is
    the position of the entry that settles it, 0 if unsettled; `settled_in` is the model of that entry if it is in another book.
    """

    position: int
    what: str
    means: str
    blocks_writing: bool = False
    subject: str = ""
    settled_by: int = 0
    settled_in: str = ""


@dataclass(frozen=True)
class Anchor:
    """A head stored elsewhere: the chain at a position."""

    position: int
    chain: str


@dataclass(frozen=True)
class VolumeRef:
    """One volume: its run, its first position, and the chain before that position."""

    run_id: str
    first_position: int
    chain_before: str


@dataclass(frozen=True)
class DecodedBook:
    """A book: its entries, the chain at each position up to the head, its findings and its volumes.

    `abandoned_part_count`: parts of bodies whose ids took no position, left by a lost race. `open_part_keys`: the parameters of the last
    volume that could still complete a body that does not match its hash. `next_run_id` is the run in which the book continues beyond its
    head, None if it ends here.
    """

    entries: tuple[Entry, ...]
    chains: tuple[str, ...]
    findings: tuple[LedgerFinding, ...]
    volumes: tuple[VolumeRef, ...] = ()
    abandoned_part_count: int = 0
    open_part_keys: tuple[str, ...] = ()
    next_run_id: str | None = None

    @property
    def head(self) -> int:
        return len(self.chains) - 1

    @property
    def chain(self) -> str:
        return self.chains[-1]

    @property
    def tip(self) -> str:
        """The chain that the next entry continues: that of the head, or the one before a still empty volume."""
        return self.volumes[-1].chain_before if self._last_volume_is_empty else self.chain

    @property
    def _last_volume_is_empty(self) -> bool:
        """Is the last volume still empty?"""
        return bool(self.volumes) and self.volumes[-1].first_position > self.head


def hash_text(text: str) -> str:
    """sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chain_seed(run_id: str, previous_chain: str = "") -> str:
    """The chain before the first entry of a volume. Binds it to its run, and to the `previous_chain` if given."""
    return hash_text(previous_chain + run_id if previous_chain else "podium " + run_id)


def next_chain(previous_chain: str, body_sha: str) -> str:
    """The chain after an entry whose body has this sha256."""
    return hash_text(previous_chain + body_sha)


def param_key(position: int) -> str:
    """The parameter that holds a position: 000001, 000002 …"""
    return f"{position:06d}"


def chunk_length_for(max_param_length: int) -> int:
    """The number of body characters that fit into one parameter of `max_param_length` characters after the id and the two hashes."""
    return max(40, min(CHUNK_LENGTH, max_param_length - HEADER_LENGTH))


def encode_entry(
    entry_id: str, body_text: str, previous_chain: str, chunk_length: int = CHUNK_LENGTH
) -> tuple[str, dict[str, str]]:
    """The value of a position, and the parameters with the rest of its body (none if it fits into `chunk_length` characters)."""
    body_sha = hash_text(body_text)
    chunks = [body_text[start : start + chunk_length] for start in range(chunk_length, len(body_text), chunk_length)]
    return f"{entry_id} {body_sha} {next_chain(previous_chain, body_sha)} {body_text[:chunk_length]}", {
        part_key(entry_id, n): chunk for n, chunk in enumerate(chunks)
    }
