"""Entry n of a book is one write-once parameter: `<ULID> <sha256 of body> <chain> <body>`. Pure.

Here it is written, read and judged. chain n = sha256(chain n−1 + sha256 of body n), seeded with the book's run id. A body too long for one parameter goes on in
parameters `<ULID>.00`, `<ULID>.01` … A long book goes on in further runs, its volumes: places go on counting, and the chain of a volume
is seeded with the chain so far and its own run id.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import SCHEMA_VERSION, Body, Volume

CHUNK_LENGTH = 5_600
"""Characters of a body that fit behind the header in one parameter value of 6,000."""
HEADER_LENGTH = 160
"""Characters before the body: the id, two hashes, the spaces between them, and one to spare."""
MAX_CLOCK_SKEW = timedelta(seconds=1)
"""How far the clocks of two machines may differ before it is reported."""
_MAX_POSITIONS_LISTED = 5
BodyParser = Callable[[str, str], Body]
"""From the sha256 of a text and the text to the body; a text always gives the same one, so it may be remembered by its sha256."""
_PLACE = re.compile(r"\d{6}")
_PARTS = re.compile(r"([0-9A-Z]{26}) ([0-9a-f]{64}) ([0-9a-f]{64}) ", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger at its place (its number in the book, from 1), with its id and the chain up to here."""

    position: int
    id: str
    chain: str
    body: Body


@dataclass(frozen=True)
class LedgerFinding:
    """What does not fit in a book: where, what, and what it means. `stops` when nothing may be written any more."""

    position: int
    what: str
    means: str
    blocks_writing: bool = False


@dataclass(frozen=True)
class Anchor:
    """A head noted elsewhere: the chain as it was at a place."""

    position: int
    chain: str


@dataclass(frozen=True)
class VolumeRef:
    """One volume: the run it stands in, its first place, and the chain before that place."""

    run_id: str
    first_position: int
    chain_before: str


@dataclass(frozen=True)
class DecodedBook:
    """A whole book: its entries, the head (last place), the chain at each place, and what does not fit; then its volumes."""

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
        return self.volumes[-1].chain_before if self._is_fresh else self.chain

    @property
    def next_run_id(self) -> str | None:
        """The run that the book goes on in beyond its head; None when it ends here."""
        if self._is_fresh or not self.entries:
            return None
        last = self.entries[-1]
        return last.body.next if last.position == self.head and isinstance(last.body, Volume) else None

    @property
    def _is_fresh(self) -> bool:
        """Is the last volume still empty?"""
        return bool(self.volumes) and self.volumes[-1].first_position > self.head


def hash_text(text: str) -> str:
    """sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chain_seed(run_id: str, previous_chain: str = "") -> str:
    """The chain before the first entry of a volume: ties it to its run, and to the chain `before` it where there is one."""
    return hash_text(previous_chain + run_id if previous_chain else "podium " + run_id)


def next_chain(previous_chain: str, body_sha: str) -> str:
    """The chain after an entry whose body has this sha256."""
    return hash_text(previous_chain + body_sha)


def param_key(position: int) -> str:
    """The parameter that holds a place: 000001, 000002 …"""
    return f"{position:06d}"


def chunk_length_for(max_param_length: int) -> int:
    """How many characters of a body go into one parameter of at most `longest` characters, behind the id and the two hashes."""
    return max(40, min(CHUNK_LENGTH, max_param_length - HEADER_LENGTH))


def encode_entry(
    entry_id: str, body_text: str, previous_chain: str, chunk_length: int = CHUNK_LENGTH
) -> tuple[str, dict[str, str]]:
    """The value of a place, and the parameters its body goes on in (none when it fits into `room` characters)."""
    body_sha = hash_text(body_text)
    rest = [body_text[at : at + chunk_length] for at in range(chunk_length, len(body_text), chunk_length)]
    return f"{entry_id} {body_sha} {next_chain(previous_chain, body_sha)} {body_text[:chunk_length]}", {
        f"{entry_id}.{n:02d}": part for n, part in enumerate(rest)
    }


def parse_uncached(_sha256: str, text: str) -> Body:
    """The body in a text, remembered by nobody."""
    return parse_body(text)


def decode_volume(
    params: Mapping[str, str], run_id: str, book_so_far: DecodedBook | None = None, body_parser: BodyParser = parse_uncached
) -> DecodedBook:
    """Read a book from the parameters of its run, or go on with its next volume. Never raises: whatever does not fit becomes a finding.

    A value that does not continue the chain is absorbed as void, so that a stray parameter cannot stop the writing. It counts as
    a broken chain only where later entries go on from what the value claims, which a stray or a replayed entry cannot make true.
    """
    begins = chain_seed(run_id, book_so_far.chain) if book_so_far else chain_seed(run_id)
    told = book_so_far or DecodedBook((), (begins,), ())
    entries, chains, findings, voids = list(told.entries), list(told.chains), list(told.findings), list[str]()
    volume, tip = VolumeRef(run_id, len(chains), begins), begins
    while (raw := params.get(param_key(len(chains)))) is not None:
        place, part = len(chains), _PARTS.match(raw)
        if part and part[3] == next_chain(tip, part[2]):
            entry = _entry(place, part, _whole(part, raw, params), body_parser)
            findings += [entry] if isinstance(entry, LedgerFinding) else _newer(entry)
            entries += [] if isinstance(entry, LedgerFinding) else [entry]
            tip = part[3]
        else:
            moved = None if voids else _reordered(params, place, tip)
            findings.append(moved or _void(place, part, voids))
            voids += [part[3]] if part and part[3] not in chains else []
            tip = next_chain(tip, hash_text(raw))
        chains.append(tip)
        if entries and entries[-1].position == place and isinstance(entries[-1].body, Volume):
            break
    findings += _beyond(params, volume.first_position, len(chains))
    return DecodedBook(tuple(entries), tuple(chains), tuple(findings), (*told.volumes, volume))


def collect_findings(book: DecodedBook, anchors: Iterable[Anchor]) -> tuple[LedgerFinding, ...]:
    """Every finding of a book, those against heads noted elsewhere included; empty when all is well."""
    return (*book.findings, *(finding for anchor in anchors if (finding := _against(book, anchor))))


def check_clock_skew(entries: Sequence[Entry]) -> tuple[LedgerFinding, ...]:
    """One finding when an entry claims to be more than a second older than the entry before it: where, and by how much."""
    times = [(entry.position, at) for entry in entries if (at := _recorded_time(entry)) is not None]
    jumps = [(position, before - at) for (_, before), (position, at) in pairwise(times) if before - at > MAX_CLOCK_SKEW]
    if not jumps:
        return ()
    positions = ", ".join(str(position) for position, _ in jumps[:_MAX_POSITIONS_LISTED])
    more = f" and {len(jumps) - _MAX_POSITIONS_LISTED} more" if jumps[_MAX_POSITIONS_LISTED:] else ""
    means = (
        f"By its own time, what stands at place {positions}{more} was written before the entry in front of it, by up to "
        f"{max(length for _, length in jumps).total_seconds():,.0f} s: the clocks of two machines differ. "
        "The order is that of the places; answers take the later of both times."
    )
    return (LedgerFinding(jumps[0][0], "clock ran backwards", means),)


def blocking_finding(findings: Iterable[LedgerFinding]) -> LedgerFinding | None:
    """The first finding that forbids writing; None when the book may be written."""
    return next((finding for finding in findings if finding.blocks_writing), None)


def _whole(part: re.Match[str], raw: str, params: Mapping[str, str]) -> str:
    """The text of a body, with the parameters it goes on in."""
    text, n = raw[part.end() :], 0
    while (more := params.get(f"{part[1]}.{n:02d}")) is not None:
        text, n = text + more, n + 1
    return text


def _entry(place: int, part: re.Match[str], text: str, understand: BodyParser) -> Entry | LedgerFinding:
    whole = hash_text(text) == part[2]
    if not whole and not text.endswith("}"):
        return LedgerFinding(
            place, "missing", "The end of this entry is missing: it was cut, or a parameter that holds a part of it was deleted."
        )
    if not whole:
        return LedgerFinding(
            place, "edited", "The text of this entry is not what was written: it was changed in the database itself."
        )
    return Entry(place, part[1], part[3], understand(part[2], text))


def _newer(entry: Entry) -> list[LedgerFinding]:
    if entry.body.schema_ <= SCHEMA_VERSION:
        return []
    means = "A newer Podium wrote this. It can be read as far as it is known; this Podium writes nothing here."
    return [LedgerFinding(entry.position, "newer schema", means, blocks_writing=True)]


def _void(place: int, part: re.Match[str] | None, voids: Iterable[str]) -> LedgerFinding:
    if part and any(part[3] == next_chain(claimed, part[2]) for claimed in voids):
        means = "From an earlier place on, entries were replaced, reordered or copied in the database itself."
        return LedgerFinding(place, "chain broken", means, blocks_writing=True)
    return LedgerFinding(place, "void", "Somebody wrote a value here that is no entry. It is counted as empty and says nothing.")


def _reordered(params: Mapping[str, str], place: int, tip: str) -> LedgerFinding | None:
    """The entry that would go on from the chain, when it stands at another place of the volume."""
    for name, raw in params.items():
        part = _PARTS.match(raw) if _PLACE.fullmatch(name) else None
        if part and part[3] == next_chain(tip, part[2]):
            means = f"The entry that belongs here stands at place {int(name)}: entries were reordered in the database itself."
            return LedgerFinding(place, "reordered", means)
    return None


def _beyond(params: Mapping[str, str], first: int, end: int) -> list[LedgerFinding]:
    """Values at places that this volume does not have: `end` is the first one beyond it."""
    places = sorted(int(name) for name in params if _PLACE.fullmatch(name) and not first <= int(name) < end)
    follow = [place for place in places if place > end and _follows(params, place)] if param_key(end) not in params else []
    if follow:
        means = (
            f"No entry stands here, but the values up to place {follow[-1]} go on from one another: "
            "entries were deleted from the database itself, or somebody planted some beyond the end."
        )
        gap, linked = [LedgerFinding(end, "gap", means)], {*follow, *(place - 1 for place in follow)}
    else:
        gap, linked = [], set()
    means = "A value beyond the end of the book: a stray, or the entry before it was deleted from the database."
    return [*gap, *(LedgerFinding(place, "beyond the end", means) for place in places if place not in linked)]


def _follows(params: Mapping[str, str], place: int) -> bool:
    """Does the value of a place go on from what the value before it claims?"""
    before, part = (_PARTS.match(params.get(param_key(one), "")) for one in (place - 1, place))
    return bool(before and part and part[3] == next_chain(before[3], part[2]))


def _against(reading: DecodedBook, anchor: Anchor) -> LedgerFinding | None:
    if anchor.position > reading.head:
        means = f"{anchor.position} entries were noted elsewhere, {reading.head} are here: the end was cut off, or this is another book."
        return LedgerFinding(anchor.position, "head behind its anchor", means, blocks_writing=True)
    if reading.chains[anchor.position] != anchor.chain:
        means = "The book up to here is not the one that was noted elsewhere: it was rewritten."
        return LedgerFinding(anchor.position, "differs from its anchor", means, blocks_writing=True)
    return None


def _recorded_time(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(entry.body.recorded_at)
    except ValueError:
        return None
