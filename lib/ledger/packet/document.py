"""A packet: the evidence for one decision, or one answer about the past, as a self-contained document. Pure.

It contains entries as written with their signatures, the hashes of the complete book up to its head, evidence, the registry at that
moment, a picture, and a hash of each part. `verify` checks that such a document is consistent. The hashes reveal changes to a file, but
they are not a signature: compare the head with the book, or the fingerprints of the keys with ones stored elsewhere.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from lib.errors import LedgerBroken
from lib.ledger.chain.body_parts import read_body_text
from lib.ledger.chain.hash_chain import DecodedBook, Entry, VolumeRef, hash_text, next_chain, param_key
from lib.ledger.entry.vocabulary import Actor, Stage

FormatVersion = Literal[1, 2]
SubjectKind = Literal["decision", "as of"]
FORMAT_VERSION: FormatVersion = 2
DECISION_KIND: SubjectKind = "decision"
AS_OF_KIND: SubjectKind = "as of"
ParamsByRun = Mapping[str, Mapping[str, str]]
"""Run id → its parameters, for every run from which a book was decoded."""


@dataclass(frozen=True)
class Mismatch:
    """A part of a packet that does not match, and what that means."""

    section: str
    what: str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PacketVolume(_Part):
    """One run of the book: the chain before its first place, and the sha256 of the body at each place from there."""

    run_id: str
    first: int = Field(default=1, ge=1)
    before: str
    hashes: tuple[str, ...]


class PacketBook(_Part):
    """The complete chain up to the head, for comparison with heads stored earlier."""

    model: str
    volumes: tuple[PacketVolume, ...] = Field(min_length=1)
    head: int
    chain: str


class PacketEntry(_Part):
    """An entry as stored in the book: `text` is the hashed body, RFC 8785."""

    place: int
    id: str
    sha256: str
    chain: str
    text: str


class PacketKey(_Part):
    """A key that signed entries of the packet. `name`, `own` and `trusted` are claims of the exporter."""

    fingerprint: str
    key: str
    name: str = ""
    own: bool = False
    trusted: bool = False


class PacketSignatures(_Part):
    """How many entries of the packet are signed by keys the exporter trusted, by other keys, or not at all."""

    trusted: int = 0
    unknown: int = 0
    none: int = 0


class PacketSubject(_Part):
    """What the packet is about: an entry, or a stage at a time (`at`, `until` and `zone` as in the output of `asof`)."""

    kind: SubjectKind
    model: str
    entry: str | None = None
    place: int | None = None
    stage: Stage | None = None
    at: str | None = None
    until: str | None = None
    zone: str = "UTC"
    so_far: bool = False


class PacketPicture(_Part):
    """A picture, its bytes as base64 and their sha256."""

    type: str
    alt: str
    sha256: str
    data: str


class PacketOrigin(_Part):
    """When the packet was created and by whom."""

    at: str
    by: Actor


class Packet(_Part):
    """A packet without its hashes. `shown` are the places that prove it; `unrecorded` is the body that a sync would append.

    Format 1 has neither `keys` nor `signatures`.
    """

    packet: FormatVersion = FORMAT_VERSION
    subject: PacketSubject
    said: str
    answer: dict[str, Any] | None = None
    made: PacketOrigin
    backend: dict[str, str]
    book: PacketBook
    entries: tuple[PacketEntry, ...]
    shown: tuple[int, ...]
    keys: tuple[PacketKey, ...] = ()
    signatures: PacketSignatures = PacketSignatures()
    unrecorded: str | None = None
    evidence: tuple[dict[str, Any], ...] = ()
    registry: dict[str, Any] = {}
    verify: tuple[dict[str, Any], ...] = ()
    pictures: dict[str, PacketPicture] = {}


SECTIONS = tuple(Packet.model_fields)
SECTIONS_BY_FORMAT: Mapping[int, tuple[str, ...]] = {
    1: tuple(name for name in SECTIONS if name not in ("keys", "signatures")),
    2: SECTIONS,
}


def packet_volumes(params_by_run: ParamsByRun, book: DecodedBook) -> tuple[PacketVolume, ...]:
    """The hashes of a book by volume. A still empty volume is left out; the entry before it names it."""
    ends = [*(volume.first_position for volume in book.volumes[1:]), book.head + 1]
    return tuple(
        _packet_volume(params_by_run[volume.run_id], book, volume, end)
        for volume, end in zip(book.volumes, ends, strict=True)
        if volume.first_position < end or volume.first_position == 1
    )


def packet_entries(params_by_run: ParamsByRun, book: DecodedBook, positions: Iterable[int]) -> tuple[PacketEntry, ...]:
    """The entries at these positions as stored in the book; positions without a readable entry are left out."""
    wanted_positions, first_positions = set(positions), [volume.first_position for volume in book.volumes]
    chosen_entries = [entry for entry in book.entries if entry.position in wanted_positions]
    return tuple(
        _packet_entry(params_by_run[book.volumes[bisect_right(first_positions, entry.position) - 1].run_id], entry)
        for entry in chosen_entries
    )


def hashed_document(packet: Packet) -> dict[str, Any]:
    """The document with a hash of each part and a hash over these hashes."""
    parts = packet.model_dump(mode="json")
    hashes = {name: hash_json(parts[name]) for name in SECTIONS}
    return {**parts, "hashes": hashes, "sha256": hash_json(hashes)}


def document_to_json(document: Mapping[str, Any]) -> str:
    """The text of the document in a file. ASCII, so that mail gateways and invisible characters cannot alter it."""
    return json.dumps(document, indent=1) + "\n"


def hash_json(part: Any) -> str:
    """sha256 of a part as canonical JSON (RFC 8785). Raises ValueError if it cannot be serialized."""
    return hashlib.sha256(rfc8785.dumps(part)).hexdigest()


def recompute_chains(volumes: Sequence[PacketVolume]) -> list[str]:
    """The chain after each position of these volumes, recomputed; the first is the one before position 1."""
    chains = [volumes[0].before]
    for volume in volumes:
        chain = volume.before
        for body_sha in volume.hashes:
            chain = next_chain(chain, body_sha)
            chains.append(chain)
    return chains


def _packet_volume(params: Mapping[str, str], book: DecodedBook, volume: VolumeRef, end: int) -> PacketVolume:
    """One volume up to, but not including, the position `end`."""
    previous_chains = [volume.chain_before, *book.chains[volume.first_position : end]]
    hashes = tuple(
        _body_sha(params[param_key(position)], (previous_chains[n], book.chains[position]), position)
        for n, position in enumerate(range(volume.first_position, end))
    )
    return PacketVolume(run_id=volume.run_id, first=volume.first_position, before=volume.chain_before, hashes=hashes)


def _body_sha(value: str, chain_step: tuple[str, str], position: int) -> str:
    """The sha256 that continued the chain: the one in the entry's header, or that of the complete value if it is not an entry."""
    claimed_sha = value[27:91]
    for candidate in (claimed_sha, hash_text(value)):
        if next_chain(chain_step[0], candidate) == chain_step[1]:
            return candidate
    raise LedgerBroken(f"The value at place {position} changed while it was being read.", next="Try again.")


def _packet_entry(params: Mapping[str, str], entry: Entry) -> PacketEntry:
    value = params[param_key(entry.position)]
    text = read_body_text(params, entry.id, value[27:91], value[27 + 64 + 1 + 64 + 1 :]).text
    return PacketEntry(place=entry.position, id=entry.id, sha256=hash_text(text), chain=entry.chain, text=text)
