"""Entry n of a book is one write-once parameter: `<ULID> <sha256 of body> <chain> <body>`. Pure.

Here is how entries are encoded, and what a book is; `book_decoder` reads one. chain n = sha256(chain n−1 + sha256 of body n), seeded
with the book's run id. A body too long for one parameter goes on in parameters `<ULID>.00`, `<ULID>.01` … A long book goes on in
further runs, its volumes: positions go on counting, and the chain of a volume is seeded with the chain so far and its own run id.
The order of a book is that of the positions, never a time.
"""

import hashlib
from dataclasses import dataclass

from lib.ledger.chain.body_parts import part_key
from lib.ledger.entry.types import Body, Volume

CHUNK_LENGTH = 5_600
"""Characters of a body that fit behind the header in one parameter value of 6,000."""
HEADER_LENGTH = 160
"""Characters before the body: the id, two hashes, the spaces between them, and one to spare."""


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
    """What does not fit in a book: where, what, and what it means. It `blocks_writing` when nothing may be written any more.

    `subject` is the run or the tag it is about, where it is about one: by it a finding is the same again at the next reading.
    """

    position: int
    what: str
    means: str
    blocks_writing: bool = False
    subject: str = ""


@dataclass(frozen=True)
class Anchor:
    """A head noted elsewhere: the chain as it was at a position."""

    position: int
    chain: str


@dataclass(frozen=True)
class VolumeRef:
    """One volume: the run it stands in, its first position, and the chain before that position."""

    run_id: str
    first_position: int
    chain_before: str


@dataclass(frozen=True)
class DecodedBook:
    """A book: its entries, the head (last position), the chain at each position, and what does not fit; then its volumes.

    `abandoned_part_count`: parts of bodies whose ids took no position, as a lost race leaves them. `open_part_keys`: the parameters
    of the last volume that could still complete a body which does not fit its hash.
    """

    entries: tuple[Entry, ...]
    chains: tuple[str, ...]
    findings: tuple[LedgerFinding, ...]
    volumes: tuple[VolumeRef, ...] = ()
    abandoned_part_count: int = 0
    open_part_keys: tuple[str, ...] = ()

    @property
    def head(self) -> int:
        return len(self.chains) - 1

    @property
    def chain(self) -> str:
        return self.chains[-1]

    @property
    def tip(self) -> str:
        """The chain that the next entry goes on from: that of the head, or that before a volume which is still empty."""
        return self.volumes[-1].chain_before if self._last_volume_is_empty else self.chain

    @property
    def next_run_id(self) -> str | None:
        """The run that the book goes on in beyond its head; None when it ends here."""
        if self._last_volume_is_empty or not self.entries:
            return None
        last_entry = self.entries[-1]
        return last_entry.body.next if last_entry.position == self.head and isinstance(last_entry.body, Volume) else None

    @property
    def _last_volume_is_empty(self) -> bool:
        """Is the last volume still empty?"""
        return bool(self.volumes) and self.volumes[-1].first_position > self.head


def hash_text(text: str) -> str:
    """sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chain_seed(run_id: str, previous_chain: str = "") -> str:
    """The chain before the first entry of a volume: ties it to its run, and to the `previous_chain` where there is one."""
    return hash_text(previous_chain + run_id if previous_chain else "podium " + run_id)


def next_chain(previous_chain: str, body_sha: str) -> str:
    """The chain after an entry whose body has this sha256."""
    return hash_text(previous_chain + body_sha)


def param_key(position: int) -> str:
    """The parameter that holds a position: 000001, 000002 …"""
    return f"{position:06d}"


def chunk_length_for(max_param_length: int) -> int:
    """How many characters of a body go into one parameter of at most `max_param_length` characters, behind the id and the two hashes."""
    return max(40, min(CHUNK_LENGTH, max_param_length - HEADER_LENGTH))


def encode_entry(
    entry_id: str, body_text: str, previous_chain: str, chunk_length: int = CHUNK_LENGTH
) -> tuple[str, dict[str, str]]:
    """The value of a position, and the parameters its body goes on in (none when it fits into `chunk_length` characters)."""
    body_sha = hash_text(body_text)
    chunks = [body_text[start : start + chunk_length] for start in range(chunk_length, len(body_text), chunk_length)]
    return f"{entry_id} {body_sha} {next_chain(previous_chain, body_sha)} {body_text[:chunk_length]}", {
        part_key(entry_id, n): chunk for n, chunk in enumerate(chunks)
    }
