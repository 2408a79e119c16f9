"""Reads a book from the parameters of its runs and reports findings. Pure; linear in the number of parameters, whatever they are.

Anyone with write access to the ledger can add any number of parameters to a run. None of them changes how existing entries are read:
they become findings, or are counted.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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
from lib.text import clean_text, format_count

BodyParser = Callable[[str, str], Body]
"""From the sha256 of a text and the text to the body. The same text always gives the same body, so it can be cached by its sha256."""
_ENTRY_VALUE = re.compile(r"([0-9A-Z]{26}) ([0-9a-f]{64}) ([0-9a-f]{64}) ", re.ASCII)
_MAX_CLAIMED_CHAINS = 3
"""How many void values back a later one may continue from: swapped entries do so within three."""
_MAX_REORDERING_SEARCHES = 3
"""How often a volume is searched for the entry that belongs at a position. Each search reads the complete volume."""


def parse_uncached(_sha256: str, text: str) -> Body:
    """Parse the body in a text without caching."""
    return parse_body(text)


def decode_volume(
    params: Mapping[str, str],
    run_id: str,
    book_so_far: DecodedBook | None = None,
    missing_run_ids: Collection[str] = (),
    body_parser: BodyParser = parse_uncached,
) -> DecodedBook:
    """Read a book from the parameters of its run, or continue with its next volume. Never raises: irregularities become findings.

    A VOLUME entry ends its run, unless it names a missing run or one of the book's own: then the book continues here.

    A value that does not continue the chain is treated as void, so that a stray parameter cannot block writing. It counts as a broken
    chain only if later entries continue from its claimed chain, which a stray or a replayed entry cannot achieve.
    """
    seed = chain_seed(run_id, book_so_far.chain) if book_so_far else chain_seed(run_id)
    book = book_so_far or DecodedBook((), (seed,), ())
    entries, chains, findings = list(book.entries), list(book.chains), list(book.findings)
    volume, tip, bodies, voids = VolumeRef(run_id, len(chains), seed), seed, BodyReader(params), _VoidValues(params, chains)
    entry_ids, next_run_id = {entry.id for entry in entries}, None
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
        if entries and entries[-1].position == position and isinstance(end := entries[-1].body, Volume):
            finding = _volume_finding(position, end, {ref.run_id for ref in (*book.volumes, volume)}, missing_run_ids)
            if finding is None:
                next_run_id = end.next
                break
            findings.append(finding)
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
        next_run_id,
    )


class _VoidValues:
    """Judges the values of a volume that do not continue its chain, in constant time per value."""

    def __init__(self, params: Mapping[str, str], chains: Sequence[str]) -> None:
        self._params, self._chains = params, chains
        self._chain_set, self._chain_count = set[str](), 0
        self._claimed_chains = deque[str](maxlen=_MAX_CLAIMED_CHAINS)
        self._searches_left = _MAX_REORDERING_SEARCHES

    def judge(self, position: int, tip: str, match: re.Match[str] | None) -> LedgerFinding:
        """The finding for the value at a position. `tip` is the chain before it, `match` the value if it has the form of an entry."""
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
            "or someone planted values that continue one another."
        )
        return LedgerFinding(position, "chain broken", means, blocks_writing=True)

    def _find_reordering(self, position: int, tip: str) -> LedgerFinding | None:
        """The finding for an entry that continues the chain but is stored at another position of the volume."""
        if self._claimed_chains or not self._searches_left:
            return None
        self._searches_left -= 1
        for name, value in self._params.items():
            match = _ENTRY_VALUE.match(value) if POSITION_KEY.fullmatch(name) else None
            if match and match[3] == next_chain(tip, match[2]):
                means = (
                    f"The entry that belongs here is at place {int(name)}: entries were reordered in the database itself, "
                    "or someone planted the values at both places."
                )
                return LedgerFinding(position, "reordered", means)
        return None


def _decode_entry(position: int, match: re.Match[str], body: BodyText, body_parser: BodyParser) -> Entry | LedgerFinding:
    if not body.is_intact and not body.text.endswith("}"):
        means = (
            "The end of this entry is missing: it was cut off or a parameter with a part of it was deleted in the database itself, "
            "or it was written that way. The entry is ignored."
        )
        return LedgerFinding(position, "missing", means)
    if not body.is_intact:
        means = (
            "The text of this entry does not match its hash: it was changed in the database itself, or written that way. "
            "The entry is ignored."
        )
        return LedgerFinding(position, "edited", means)
    parsed_body = body_parser(match[2], body.text)
    return Entry(position, match[1], match[3], parsed_body, hash_unsigned_text(body.text, parsed_body))


def _repeated_id_finding(position: int) -> LedgerFinding:
    means = "An earlier entry already has this id. Podium never reuses ids, so this entry was written by hand and is ignored."
    return LedgerFinding(position, "repeated id", means)


def _newer_schema_findings(entry: Entry, position: SignedPosition) -> list[LedgerFinding]:
    """A finding for an entry of a newer schema. Newer Podiums sign their entries, so an unsigned one does not block writing."""
    if not is_newer_body(entry.body):
        return []
    is_signed = is_valid_signature(find_signature(entry.body), position, entry.unsigned_sha256)
    effect = "and writes nothing to this book" if is_signed else "and continues, because no Podium signed it"
    means = f"This kind of entry requires a newer Podium. This one shows the parts it can read {effect}."
    return [LedgerFinding(entry.position, "newer schema", means, blocks_writing=is_signed)]


def _volume_finding(
    position: int, end: Volume, own_run_ids: Collection[str], missing_run_ids: Collection[str]
) -> LedgerFinding | None:
    """The finding for an invalid end of a volume; None if the next volume exists."""
    if end.next in own_run_ids:
        problem, means = "volume named twice", "which is one of its own volumes: this entry was written by hand."
    elif end.next in missing_run_ids:
        problem = "volume missing"
        means = (
            "which does not exist. Either it was permanently removed, and its entries are lost unless exported, or this entry was "
            "written by hand."
        )
    else:
        return None
    return LedgerFinding(
        position, problem, f"The book continues in run {clean_text(end.next)[:8]}…, {means}", blocks_writing=True
    )


def _void_finding(position: int) -> LedgerFinding:
    means = "The value here is not a valid entry. It counts as empty and is ignored."
    return LedgerFinding(position, "void", means)


def _findings_beyond_end(params: Mapping[str, str], first_position: int, end_position: int) -> list[LedgerFinding]:
    """Values at positions outside this volume; `end_position` is the first one beyond it."""
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
            f"There is no entry here, but the values up to place {followers[-1]} continue one another: "
            "entries were deleted from the database itself, or someone planted values beyond the end."
        )
        gap_findings = [LedgerFinding(end_position, "gap", means)]
        linked_positions = {*followers, *(position - 1 for position in followers)}
    means = "A value beyond the end of the book: a stray value, or the entry before it was deleted from the database."
    return [
        *gap_findings,
        *(LedgerFinding(position, "beyond the end", means) for position in positions if position not in linked_positions),
    ]


def _continues_previous(params: Mapping[str, str], position: int) -> bool:
    """Does the value at a position continue the claimed chain of the value before it?"""
    previous_match, match = (_ENTRY_VALUE.match(params.get(param_key(n), "")) for n in (position - 1, position))
    return bool(previous_match and match and match[3] == next_chain(previous_match[3], match[2]))


def _stray_findings(strays: StrayParams, entries: Iterable[Entry]) -> list[LedgerFinding]:
    """Findings for foreign additions to a volume: parts not used by any body, and parameters that do not belong to a book."""
    findings, means = list[LedgerFinding](), "The entry matches its hash without them, and they are ignored."
    for entry in entries:
        if count := strays.part_counts.get(entry.id):
            text = f"Unexpected under the id of this entry: {format_count(count, 'parameter')}. {means}"
            findings.append(LedgerFinding(entry.position, "stray part", text))
    return [*findings, *stray_parameter_findings(strays.other_names, "run of this book")]
