"""Verifies that a packet is consistent, offline: every hash, the chain up to the head, the answer, and the page around it. Pure.

Every mismatch is reported with its part. No backend is queried, so a completely forged packet, including its hashes, passes. But it is
not signed by a trusted key, and its head can still be compared with the book.
"""

import base64
import binascii
import hashlib
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785
from pydantic import ValidationError

from lib.ledger.chain.entry_signatures import SignatureCounts, count_signatures
from lib.ledger.chain.hash_chain import Entry, chain_seed, hash_text, next_chain
from lib.ledger.chain.signatures import NO_KEYS, TrustedKeys
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import slot_of
from lib.ledger.packet.document import (
    AS_OF_KIND,
    SECTIONS,
    SECTIONS_BY_FORMAT,
    Mismatch,
    Packet,
    document_to_json,
    hash_json,
    recompute_chains,
)
from lib.ledger.packet.html_hashes import DATA_SECTION, split_page
from lib.ledger.packet.signatures import packet_book, signature_mismatches, trust_problems
from lib.ledger.queries.as_of import answer_to_json, as_of
from lib.ledger.queries.time_query import TimeQuery


@dataclass(frozen=True)
class PacketVerification:
    """The result; `packet` is None if the file is not a readable packet. `sha256` is the packet's own hash, for comparison.

    `signatures` counts the signatures of the entries by the given keys. If keys are given, `trust_problems` says what they do not cover.
    """

    packet: Packet | None
    sha256: str
    mismatches: tuple[Mismatch, ...]
    trust_problems: tuple[Mismatch, ...] = ()
    signatures: SignatureCounts | None = None


class _UnreadablePacket(Exception):
    """The text is not a packet."""


def verify_packet(data: bytes, keys: TrustedKeys = NO_KEYS) -> PacketVerification:
    """Check the bytes of a packet, HTML or JSON, and judge its signatures by these keys. Never raises on foreign bytes."""
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        document, page_mismatches = _read_document(text)
    except (UnicodeDecodeError, _UnreadablePacket, RecursionError) as error:
        problem = str(error) if isinstance(error, _UnreadablePacket) else "it is not UTF-8 text as written by Podium"
        return PacketVerification(None, "", (Mismatch("the file", f"This is not a readable packet: {problem}."),))
    mismatches = [*page_mismatches, *_hash_mismatches(document)]
    try:
        packet = Packet.model_validate({name: document[name] for name in _sections(document) if name in document})
    except ValidationError as error:
        section = ".".join(map(str, error.errors()[0]["loc"]))
        return PacketVerification(
            None, "", (*mismatches, Mismatch(section or "the file", "This part does not have the shape of a packet."))
        )
    book = packet_book(packet)
    mismatches += [
        *_chain_mismatches(packet),
        *_entry_mismatches(packet),
        *_picture_mismatches(packet),
        *_answer_mismatches(packet),
        *(signature_mismatches(packet, book) if packet.packet > 1 else ()),
    ]
    return PacketVerification(
        packet,
        str(document.get("sha256", "")),
        tuple(dict.fromkeys(mismatches)),
        tuple(trust_problems(packet, book, keys)) if keys.keys else (),
        count_signatures(book, keys),
    )


def _read_document(text: str) -> tuple[dict[str, Any], list[Mismatch]]:
    """The document in a file, and mismatches around it: in the page, or in the format of the data."""
    if not text.lstrip().startswith("<"):
        return _parse_document(text)
    page = split_page(text)
    if page is None:
        raise _UnreadablePacket("it does not contain the data of a packet")
    container, mismatches = _parse_document(html.unescape(page.data))
    document = container.get("packet")
    if not isinstance(document, dict):
        raise _UnreadablePacket("its data does not contain a packet")
    if html.escape(html.unescape(page.data), quote=False) != page.data:
        mismatches.append(Mismatch(DATA_SECTION, "The data at the end is not in the format that Podium writes."))
    noted_hashes = container.get("page")
    return document, [*mismatches, *_page_mismatches(noted_hashes if isinstance(noted_hashes, dict) else {}, page.hashes)]


def _parse_document(text: str) -> tuple[dict[str, Any], list[Mismatch]]:
    try:
        document = json.loads(text)
        is_canonical = isinstance(document, dict) and document_to_json(document) == text
    except (ValueError, RecursionError) as error:
        raise _UnreadablePacket("its data is no longer valid JSON") from error
    if not isinstance(document, dict):
        raise _UnreadablePacket("its data is not a JSON object")
    if is_canonical:
        return document, []
    return document, [Mismatch("the file", "It is not in the format that Podium writes: characters were changed.")]


def _page_mismatches(noted_hashes: dict[str, Any], page_hashes: dict[str, str]) -> list[Mismatch]:
    names = [name for name in {**noted_hashes, **page_hashes} if noted_hashes.get(name) != page_hashes.get(name)]
    return [Mismatch(f"page: {name}", "The page content differs from what was exported.") for name in names]


def _hash_mismatches(document: dict[str, Any]) -> Iterator[Mismatch]:
    noted_hashes = document.get("hashes")
    noted_hashes = noted_hashes if isinstance(noted_hashes, dict) else {}
    sections, formats = _sections(document), " and ".join(map(str, SECTIONS_BY_FORMAT))
    if document.get("packet") not in (*SECTIONS_BY_FORMAT,):
        yield Mismatch("packet", f"This is format {str(document.get('packet'))[:20]}; this Podium reads formats {formats}.")
    for name in dict.fromkeys([*sections, *noted_hashes, *document]):
        if name in ("hashes", "sha256"):
            continue
        if name not in sections:
            yield Mismatch(name, "This part does not belong to a packet.")
        elif name not in document or _hash_or_empty(document[name]) != noted_hashes.get(name):
            yield Mismatch(name, "This part differs from what was exported, or its hash was changed.")
    if _hash_or_empty(noted_hashes) != document.get("sha256"):
        yield Mismatch("sha256", "The hash over all parts does not match.")


def _sections(document: dict[str, Any]) -> tuple[str, ...]:
    """The parts of a document by its format; those of the present format if it is unknown."""
    return next((sections for number, sections in SECTIONS_BY_FORMAT.items() if document.get("packet") == number), SECTIONS)


def _hash_or_empty(part: Any) -> str:
    try:
        return hash_json(part)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        return ""


def _chain_mismatches(packet: Packet) -> Iterator[Mismatch]:
    volumes = packet.book.volumes
    end_chain, position = "", 1
    for volume in volumes:
        seed = next_chain(end_chain, volume.run_id) if end_chain else chain_seed(volume.run_id)
        if volume.before != seed or volume.first != position:
            yield Mismatch("book", f"The chain does not start at the beginning of book {volume.run_id[:8]}….")
        end_chain, position = recompute_chains([volume])[-1], position + len(volume.hashes)
    if (packet.book.head, packet.book.chain) != (position - 1, end_chain):
        yield Mismatch("book", "The hashes of the entries do not lead to the stated head.")


def _entry_mismatches(packet: Packet) -> Iterator[Mismatch]:
    hashes = [body_sha for volume in packet.book.volumes for body_sha in volume.hashes]
    chains, positions = recompute_chains(packet.book.volumes), {entry.place for entry in packet.entries}
    for entry in packet.entries:
        is_in_book = 1 <= entry.place < len(chains)
        if hash_text(entry.text) != entry.sha256 or not is_in_book or hashes[entry.place - 1] != entry.sha256:
            yield Mismatch(f"entry {entry.place}", "The text of this entry does not match the chain.")
        elif chains[entry.place] != entry.chain:
            yield Mismatch(f"entry {entry.place}", "This entry is not in the chain at this place.")
    for position in packet.shown:
        if position not in positions:
            yield Mismatch(f"entry {position}", "This entry is referenced but missing in the packet.")
    subject, entry_keys = packet.subject, {(entry.place, entry.id) for entry in packet.entries}
    if subject.place is not None and (subject.place, subject.entry) not in entry_keys:
        yield Mismatch(f"entry {subject.place}", "The packet is about this entry but does not contain it.")


def _picture_mismatches(packet: Packet) -> Iterator[Mismatch]:
    for name, picture in packet.pictures.items():
        try:
            data = base64.b64decode(picture.data, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if base64.b64encode(data).decode() != picture.data or hashlib.sha256(data).hexdigest() != picture.sha256:
            yield Mismatch(f"picture {name}", "The picture differs from the exported one.")


def _answer_mismatches(packet: Packet) -> Iterator[Mismatch]:
    """Check that the answer follows from the entries, by computing it again."""
    subject = packet.subject
    if subject.kind != AS_OF_KIND:
        return
    slot = slot_of(subject.stage or "")
    try:
        until = parse_timestamp(subject.until) if subject.until else None
        query = TimeQuery(parse_timestamp(subject.at or ""), until, subject.zone, subject.so_far)
    except ValueError:
        slot = None
    if slot is None:
        yield Mismatch("subject", "The query cannot be read.")
        return
    entries = [Entry(entry.place, entry.id, entry.chain, parse_body(entry.text)) for entry in packet.entries]
    entries += [Entry(0, "", "", parse_body(packet.unrecorded))] if packet.unrecorded else []
    if _essence(answer_to_json(as_of(entries, slot, query))) != _essence(packet.answer or {}):
        yield Mismatch("answer", "The answer does not follow from the entries.")


def _essence(answer: dict[str, Any]) -> Any:
    """The essential parts of an answer: who held the stage from when until when, and what is unknown."""
    holders, unknown = answer.get("holders"), answer.get("unknown")
    if not isinstance(holders, list) or not isinstance(unknown, list):
        return None
    if not all(isinstance(item, dict) for item in holders + unknown):
        return None
    return (
        [(holder.get("version"), holder.get("since"), holder.get("until")) for holder in holders],
        [(interval.get("since"), interval.get("until")) for interval in unknown],
    )
