"""Entry n of a book is one write-once parameter: `<ULID> <sha256 of body> <chain> <body>`. Pure.

chain n = sha256(chain n−1 + sha256 of body n), seeded with the book's run id. A body too long for one parameter goes on in parameters
`<ULID>.00`, `<ULID>.01` … A long book goes on in further runs, its volumes: positions go on counting, and the chain of a volume is
seeded with the chain so far and its own run id. The order is that of the positions; `check_clock_skew` reports clocks that differ.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from lib.ledger.chain.signatures import SignedPosition, find_signature, hash_unsigned_text, is_valid_signature
from lib.ledger.entry.schema import is_newer_body, parse_body
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Body, Volume

CHUNK_LENGTH = 5_600
"""Characters of a body that fit behind the header in one parameter value of 6,000."""
HEADER_LENGTH = 160
"""Characters before the body: the id, two hashes, the spaces between them, and one to spare."""
MAX_CLOCK_SKEW = timedelta(seconds=1)
"""How far the clocks of two machines may differ before it is reported."""
_MAX_POSITIONS_LISTED = 5
BodyParser = Callable[[str, str], Body]
"""From the sha256 of a text and the text to the body; a text always gives the same one, so it may be remembered by its sha256."""
_POSITION_KEY = re.compile(r"\d{6}")
_ENTRY_VALUE = re.compile(r"([0-9A-Z]{26}) ([0-9a-f]{64}) ([0-9a-f]{64}) ", re.ASCII)


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
    """What does not fit in a book: where, what, and what it means. It `blocks_writing` when nothing may be written any more."""

    position: int
    what: str
    means: str
    blocks_writing: bool = False


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
    """A book: its entries, the head (last position), the chain at each position, and what does not fit; then its volumes."""

    entries: tuple[Entry, ...]
    chains: tuple[str, ...]
    findings: tuple[LedgerFinding, ...]
    volumes: tuple[VolumeRef, ...] = ()

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
        f"{entry_id}.{n:02d}": chunk for n, chunk in enumerate(chunks)
    }


def parse_uncached(_sha256: str, text: str) -> Body:
    """The body in a text; nothing is cached."""
    return parse_body(text)


def decode_volume(
    params: Mapping[str, str], run_id: str, book_so_far: DecodedBook | None = None, body_parser: BodyParser = parse_uncached
) -> DecodedBook:
    """Read a book from the parameters of its run, or go on with its next volume. Never raises: what does not fit becomes a finding.

    A value that does not continue the chain is absorbed as void, so that a stray parameter cannot stop the writing. It counts as
    a broken chain only where later entries go on from what the value claims, which a stray or a replayed entry cannot make true.
    """
    seed = chain_seed(run_id, book_so_far.chain) if book_so_far else chain_seed(run_id)
    book = book_so_far or DecodedBook((), (seed,), ())
    entries, chains, findings, claimed_chains = list(book.entries), list(book.chains), list(book.findings), list[str]()
    volume, tip = VolumeRef(run_id, len(chains), seed), seed
    while (value := params.get(param_key(len(chains)))) is not None:
        position, match = len(chains), _ENTRY_VALUE.match(value)
        if match and match[3] == next_chain(tip, match[2]):
            entry = _decode_entry(position, match, _full_text(match, value, params), body_parser)
            signed_at = SignedPosition((book.volumes or (volume,))[0].run_id, run_id, position, match[1], tip)
            findings += [entry] if isinstance(entry, LedgerFinding) else _newer_schema_findings(entry, signed_at)
            entries += [] if isinstance(entry, LedgerFinding) else [entry]
            tip = match[3]
        else:
            reordering = None if claimed_chains else _reordering_finding(params, position, tip)
            findings.append(reordering or _void_finding(position, match, claimed_chains))
            claimed_chains += [match[3]] if match and match[3] not in chains else []
            tip = next_chain(tip, hash_text(value))
        chains.append(tip)
        if entries and entries[-1].position == position and isinstance(entries[-1].body, Volume):
            break
    findings += _findings_beyond_end(params, volume.first_position, len(chains))
    return DecodedBook(tuple(entries), tuple(chains), tuple(findings), (*book.volumes, volume))


def collect_findings(book: DecodedBook, anchors: Iterable[Anchor]) -> tuple[LedgerFinding, ...]:
    """Every finding of a book, those against heads noted elsewhere included; empty when all is well."""
    return (*book.findings, *(finding for anchor in anchors if (finding := _anchor_finding(book, anchor))))


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


def _full_text(match: re.Match[str], value: str, params: Mapping[str, str]) -> str:
    """The text of a body, with the parameters it goes on in."""
    text, n = value[match.end() :], 0
    while (chunk := params.get(f"{match[1]}.{n:02d}")) is not None:
        text, n = text + chunk, n + 1
    return text


def _decode_entry(position: int, match: re.Match[str], text: str, body_parser: BodyParser) -> Entry | LedgerFinding:
    is_intact = hash_text(text) == match[2]
    if not is_intact and not text.endswith("}"):
        means = "The end of this entry is missing: it was cut, or a parameter that holds a part of it was deleted."
        return LedgerFinding(position, "missing", means)
    if not is_intact:
        means = "The text of this entry is not what was written: it was changed in the database itself."
        return LedgerFinding(position, "edited", means)
    body = body_parser(match[2], text)
    return Entry(position, match[1], match[3], body, hash_unsigned_text(text, body))


def _newer_schema_findings(entry: Entry, position: SignedPosition) -> list[LedgerFinding]:
    if not is_newer_body(entry.body):
        return []
    is_signed = is_valid_signature(find_signature(entry.body), position, entry.unsigned_sha256)
    effect = "and writes nothing here" if is_signed else "and goes on, because no Podium signed it"
    means = f"A newer Podium knows this kind of entry; this one shows what it can read of it {effect}."
    return [LedgerFinding(entry.position, "newer schema", means, blocks_writing=is_signed)]


def _void_finding(position: int, match: re.Match[str] | None, claimed_chains: Iterable[str]) -> LedgerFinding:
    if match and any(match[3] == next_chain(chain, match[2]) for chain in claimed_chains):
        means = "From an earlier place on, entries were replaced, reordered or copied in the database itself."
        return LedgerFinding(position, "chain broken", means, blocks_writing=True)
    means = "Somebody wrote a value here that is no entry. It is counted as empty and says nothing."
    return LedgerFinding(position, "void", means)


def _reordering_finding(params: Mapping[str, str], position: int, tip: str) -> LedgerFinding | None:
    """The entry that would go on from the chain, when it stands at another position of the volume."""
    for name, value in params.items():
        match = _ENTRY_VALUE.match(value) if _POSITION_KEY.fullmatch(name) else None
        if match and match[3] == next_chain(tip, match[2]):
            means = f"The entry that belongs here stands at place {int(name)}: entries were reordered in the database itself."
            return LedgerFinding(position, "reordered", means)
    return None


def _findings_beyond_end(params: Mapping[str, str], first_position: int, end_position: int) -> list[LedgerFinding]:
    """Values at positions that this volume does not have: `end_position` is the first one beyond it."""
    positions = sorted(
        int(name) for name in params if _POSITION_KEY.fullmatch(name) and not first_position <= int(name) < end_position
    )
    followers = (
        [position for position in positions if position > end_position and _continues_previous(params, position)]
        if param_key(end_position) not in params
        else []
    )
    gap_findings, linked_positions = list[LedgerFinding](), set[int]()
    if followers:
        means = (
            f"No entry stands here, but the values up to place {followers[-1]} go on from one another: "
            "entries were deleted from the database itself, or somebody planted some beyond the end."
        )
        gap_findings = [LedgerFinding(end_position, "gap", means)]
        linked_positions = {*followers, *(position - 1 for position in followers)}
    means = "A value beyond the end of the book: a stray, or the entry before it was deleted from the database."
    return [
        *gap_findings,
        *(LedgerFinding(position, "beyond the end", means) for position in positions if position not in linked_positions),
    ]


def _continues_previous(params: Mapping[str, str], position: int) -> bool:
    """Does the value of a position go on from what the value before it claims?"""
    previous_match, match = (_ENTRY_VALUE.match(params.get(param_key(n), "")) for n in (position - 1, position))
    return bool(previous_match and match and match[3] == next_chain(previous_match[3], match[2]))


def _anchor_finding(book: DecodedBook, anchor: Anchor) -> LedgerFinding | None:
    if anchor.position > book.head:
        means = (
            f"{anchor.position} entries were noted elsewhere, {book.head} are here: the end was cut off, or this is another book."
        )
        return LedgerFinding(anchor.position, "head behind its anchor", means, blocks_writing=True)
    if book.chains[anchor.position] != anchor.chain:
        means = "The book up to here is not the one that was noted elsewhere: it was rewritten."
        return LedgerFinding(anchor.position, "differs from its anchor", means, blocks_writing=True)
    return None


def _recorded_time(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(entry.body.recorded_at)
    except ValueError:
        return None
