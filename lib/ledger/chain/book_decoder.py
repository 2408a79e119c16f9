"""Reads a book from the parameters of its runs and names what does not fit. Pure; linear in what the runs hold, whatever that is.

Everybody who may write to the ledger can add parameters to a run, in any number. None of them changes how an entry is read that
stood there before: they become findings, or are counted.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from lib.ledger.chain.body_parts import POSITION_KEY, BodyReader, BodyText, StrayParams
from lib.ledger.chain.book_findings import stray_parameter_findings
from lib.ledger.chain.hash_chain import (
    DecodedBook,
    Entry,
    LedgerFinding,
    VolumeRef,
    chain_seed,
    hash_text,
    next_chain,
    param_key,
)
from lib.ledger.chain.signatures import SignedPosition, find_signature, hash_unsigned_text, is_valid_signature
from lib.ledger.entry.schema import is_newer_body, parse_body
from lib.ledger.entry.types import Body, Volume
from lib.text import format_count

BodyParser = Callable[[str, str], Body]
"""From the sha256 of a text and the text to the body; a text always gives the same one, so it may be remembered by its sha256."""
_ENTRY_VALUE = re.compile(r"([0-9A-Z]{26}) ([0-9a-f]{64}) ([0-9a-f]{64}) ", re.ASCII)
_MAX_CLAIMED_CHAINS = 3
"""How many void values back a later one may go on from: entries that changed places do so within three."""
_MAX_REORDERING_SEARCHES = 3
"""How often a volume is searched for the entry that belongs at a position: each search reads all of it."""


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
    entries, chains, findings = list(book.entries), list(book.chains), list(book.findings)
    volume, tip, bodies, voids = VolumeRef(run_id, len(chains), seed), seed, BodyReader(params), _VoidValues(params, chains)
    entry_ids = {entry.id for entry in entries}
    while (value := params.get(param_key(len(chains)))) is not None:
        position, match = len(chains), _ENTRY_VALUE.match(value)
        if match and match[3] == next_chain(tip, match[2]):
            entry = (
                _repeated_id_finding(position)
                if match[1] in entry_ids
                else _decode_entry(position, match, bodies.read(match[1], match[2], value[match.end() :]), body_parser)
            )
            signed_at = SignedPosition((book.volumes or (volume,))[0].run_id, run_id, position, match[1], tip)
            findings += [entry] if isinstance(entry, LedgerFinding) else _newer_schema_findings(entry, signed_at)
            entries += [] if isinstance(entry, LedgerFinding) else [entry]
            entry_ids.add(match[1])
            tip = match[3]
        else:
            findings.append(voids.judge(position, tip, match))
            tip = next_chain(tip, hash_text(value))
        chains.append(tip)
        if entries and entries[-1].position == position and isinstance(entries[-1].body, Volume):
            break
    strays = bodies.find_strays()
    findings += _findings_beyond_end(params, volume.first_position, len(chains))
    findings += _stray_findings(strays, entries[len(book.entries) :])
    return DecodedBook(
        tuple(entries),
        tuple(chains),
        tuple(findings),
        (*book.volumes, volume),
        book.abandoned_part_count + strays.abandoned_part_count,
        bodies.open_part_keys,
    )


class _VoidValues:
    """Judges the values of a volume that do not continue its chain, each in the same time however many there are."""

    def __init__(self, params: Mapping[str, str], chains: Sequence[str]) -> None:
        self._params, self._chains = params, chains
        self._chain_set, self._chain_count = set[str](), 0
        self._claimed_chains = deque[str](maxlen=_MAX_CLAIMED_CHAINS)
        self._searches_left = _MAX_REORDERING_SEARCHES

    def judge(self, position: int, tip: str, match: re.Match[str] | None) -> LedgerFinding:
        """The finding for the value at a position; `tip` is the chain before it, `match` the value if it has the form of an entry."""
        if match is None:
            return _void_finding(position)
        finding = self._find_reordering(position, tip) or self._find_break(position, match) or _void_finding(position)
        self._chain_set.update(self._chains[self._chain_count :])
        self._chain_count = len(self._chains)
        if match[3] not in self._chain_set:
            self._claimed_chains.append(match[3])
        return finding

    def _find_break(self, position: int, match: re.Match[str]) -> LedgerFinding | None:
        if not any(match[3] == next_chain(chain, match[2]) for chain in self._claimed_chains):
            return None
        means = (
            "From an earlier place on, entries were replaced, reordered or copied in the database itself, "
            "or somebody planted values that go on from one another."
        )
        return LedgerFinding(position, "chain broken", means, blocks_writing=True)

    def _find_reordering(self, position: int, tip: str) -> LedgerFinding | None:
        """The entry that would go on from the chain, when it stands at another position of the volume."""
        if self._claimed_chains or not self._searches_left:
            return None
        self._searches_left -= 1
        for name, value in self._params.items():
            match = _ENTRY_VALUE.match(value) if POSITION_KEY.fullmatch(name) else None
            if match and match[3] == next_chain(tip, match[2]):
                means = (
                    f"The entry that belongs here stands at place {int(name)}: entries were reordered in the database itself, "
                    "or somebody planted what stands at both places."
                )
                return LedgerFinding(position, "reordered", means)
        return None


def _decode_entry(position: int, match: re.Match[str], body: BodyText, body_parser: BodyParser) -> Entry | LedgerFinding:
    if not body.is_intact and not body.text.endswith("}"):
        means = (
            "The end of this entry is missing: it was cut, or a parameter that holds a part of it was deleted, in the database itself; "
            "or somebody wrote it so. It says nothing."
        )
        return LedgerFinding(position, "missing", means)
    if not body.is_intact:
        means = (
            "The text of this entry does not fit its hash: it was changed in the database itself, or somebody wrote it so. "
            "It says nothing."
        )
        return LedgerFinding(position, "edited", means)
    parsed_body = body_parser(match[2], body.text)
    return Entry(position, match[1], match[3], parsed_body, hash_unsigned_text(body.text, parsed_body))


def _repeated_id_finding(position: int) -> LedgerFinding:
    means = "An earlier entry has this id already. No id is given twice: somebody wrote this by hand, and it says nothing."
    return LedgerFinding(position, "repeated id", means)


def _newer_schema_findings(entry: Entry, position: SignedPosition) -> list[LedgerFinding]:
    """A newer Podium signs what it writes: an entry that no key signed, whosever it is, stops nothing."""
    if not is_newer_body(entry.body):
        return []
    is_signed = is_valid_signature(find_signature(entry.body), position, entry.unsigned_sha256)
    effect = "and writes nothing here" if is_signed else "and goes on, because no Podium signed it"
    means = f"A newer Podium knows this kind of entry; this one shows what it can read of it {effect}."
    return [LedgerFinding(entry.position, "newer schema", means, blocks_writing=is_signed)]


def _void_finding(position: int) -> LedgerFinding:
    means = "Somebody wrote a value here that is no entry. It is counted as empty and says nothing."
    return LedgerFinding(position, "void", means)


def _findings_beyond_end(params: Mapping[str, str], first_position: int, end_position: int) -> list[LedgerFinding]:
    """Values at positions that this volume does not have: `end_position` is the first one beyond it."""
    positions = sorted(
        int(name) for name in params if POSITION_KEY.fullmatch(name) and not first_position <= int(name) < end_position
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


def _stray_findings(strays: StrayParams, entries: Iterable[Entry]) -> list[LedgerFinding]:
    """What somebody added to a volume with these entries: parts that no body asks for, and parameters that are nothing of a book."""
    findings, means = list[LedgerFinding](), "The entry fits its hash without, and is read without."
    for entry in entries:
        if count := strays.part_counts.get(entry.id):
            text = f"Somebody added {format_count(count, 'parameter')} under the id of this entry. {means}"
            findings.append(LedgerFinding(entry.position, "stray part", text))
    return [*findings, *stray_parameter_findings(strays.other_names, "run of this book")]
