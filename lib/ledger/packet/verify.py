"""Hold a packet against itself, offline: every hash, the chain up to the head, the answer, the page around it. Pure.

Whatever does not match is named by the part it stands in. Nothing is asked of a backend, so a packet that was forged as a whole,
hashes included, fits; its head can still be compared with the book.
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

from lib.ledger.chain.hash_chain import Entry, chain_seed, hash_text, next_chain
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import slot_of
from lib.ledger.packet.document import (
    AS_OF_KIND,
    FORMAT_VERSION,
    SECTIONS,
    Packet,
    document_to_json,
    hash_json,
    recompute_chains,
)
from lib.ledger.packet.html_hashes import DATA_SECTION, split_page
from lib.ledger.queries.as_of import answer_to_json, as_of
from lib.ledger.queries.time_query import TimeQuery


@dataclass(frozen=True)
class Mismatch:
    """A part of a packet that does not match, and what that means."""

    section: str
    what: str


@dataclass(frozen=True)
class PacketVerification:
    """What was found; `packet` is None when the file is none that can be read. `sha256` is the packet's own hash, for comparing."""

    packet: Packet | None
    sha256: str
    mismatches: tuple[Mismatch, ...]


class _Unreadable(Exception):
    """Not the text of a packet."""


def verify_packet(data: bytes) -> PacketVerification:
    """Check the bytes of a packet, HTML or JSON. Never raises on foreign bytes."""
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        document, around = _read(text)
    except (UnicodeDecodeError, _Unreadable, RecursionError) as error:
        why = str(error) if isinstance(error, _Unreadable) else "it is not the text that Podium writes"
        return PacketVerification(None, "", (Mismatch("the file", f"This is no packet that can be read: {why}."),))
    found = [*around, *_hashes(document)]
    try:
        packet = Packet.model_validate({name: document[name] for name in SECTIONS if name in document})
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        return PacketVerification(
            None, "", (*found, Mismatch(where or "the file", "This part does not have the shape of a packet."))
        )
    found += [*_chain(packet), *_entries(packet), *_pictures(packet), *_answer(packet)]
    return PacketVerification(packet, str(document.get("sha256", "")), tuple(dict.fromkeys(found)))


def _read(text: str) -> tuple[dict[str, Any], list[Mismatch]]:
    """The document in a file, and what does not match around it: the page, or the way the data is written."""
    if not text.lstrip().startswith("<"):
        return _strict(text)
    page = split_page(text)
    if page is None:
        raise _Unreadable("it does not hold the data of one")
    outer, found = _strict(html.unescape(page.data))
    document = outer.get("packet")
    if not isinstance(document, dict):
        raise _Unreadable("its data has no packet")
    if html.escape(html.unescape(page.data), quote=False) != page.data:
        found.append(Mismatch(DATA_SECTION, "The data at the end is not written as Podium writes it."))
    noted = outer.get("page")
    return document, [*found, *_page(noted if isinstance(noted, dict) else {}, page.hashes)]


def _strict(text: str) -> tuple[dict[str, Any], list[Mismatch]]:
    try:
        document = json.loads(text)
        same = isinstance(document, dict) and document_to_json(document) == text
    except (ValueError, RecursionError) as error:
        raise _Unreadable("its data is no JSON any more") from error
    if not isinstance(document, dict):
        raise _Unreadable("its data is no JSON document")
    return document, [] if same else [Mismatch("the file", "It is not written as Podium writes it: a character was changed.")]


def _page(noted: dict[str, Any], shown: dict[str, str]) -> list[Mismatch]:
    names = [name for name in {**noted, **shown} if noted.get(name) != shown.get(name)]
    return [Mismatch(f"page: {name}", "What the page shows here is not what was exported.") for name in names]


def _hashes(document: dict[str, Any]) -> Iterator[Mismatch]:
    noted = document.get("hashes")
    noted = noted if isinstance(noted, dict) else {}
    if document.get("packet") != FORMAT_VERSION:
        yield Mismatch("packet", f"This is format {str(document.get('packet'))[:20]}; this Podium reads format {FORMAT_VERSION}.")
    for name in dict.fromkeys([*SECTIONS, *noted, *document]):
        if name in ("hashes", "sha256"):
            continue
        if name not in SECTIONS:
            yield Mismatch(name, "This part is none of a packet.")
        elif name not in document or _digest(document[name]) != noted.get(name):
            yield Mismatch(name, "This part is not what was exported, or its hash was changed.")
    if _digest(noted) != document.get("sha256"):
        yield Mismatch("sha256", "The hash over all parts does not match.")


def _digest(part: Any) -> str:
    try:
        return hash_json(part)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        return ""


def _chain(packet: Packet) -> Iterator[Mismatch]:
    volumes = packet.book.volumes
    end, place = "", 1
    for one in volumes:
        if one.before != (next_chain(end, one.run_id) if end else chain_seed(one.run_id)) or one.first != place:
            yield Mismatch("book", f"The chain does not begin where the book {one.run_id[:8]}… begins.")
        end, place = recompute_chains([one])[-1], place + len(one.hashes)
    if (packet.book.head, packet.book.chain) != (place - 1, end):
        yield Mismatch("book", "The hashes of the entries do not lead to the head that is named.")


def _entries(packet: Packet) -> Iterator[Mismatch]:
    hashes = [body_sha for one in packet.book.volumes for body_sha in one.hashes]
    links, places = recompute_chains(packet.book.volumes), {entry.place for entry in packet.entries}
    for entry in packet.entries:
        there = 1 <= entry.place < len(links)
        if hash_text(entry.text) != entry.sha256 or not there or hashes[entry.place - 1] != entry.sha256:
            yield Mismatch(f"entry {entry.place}", "The text of this entry is not the one that the chain was made from.")
        elif links[entry.place] != entry.chain:
            yield Mismatch(f"entry {entry.place}", "This entry does not stand in the chain at this place.")
    for place in packet.shown:
        if place not in places:
            yield Mismatch(f"entry {place}", "This entry is named, and is not in the packet.")
    about = packet.subject
    if about.place is not None and not any((one.place, one.id) == (about.place, about.entry) for one in packet.entries):
        yield Mismatch(f"entry {about.place}", "The packet is about this entry, and does not hold it.")


def _pictures(packet: Packet) -> Iterator[Mismatch]:
    for name, picture in packet.pictures.items():
        try:
            data = base64.b64decode(picture.data, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if base64.b64encode(data).decode() != picture.data or hashlib.sha256(data).hexdigest() != picture.sha256:
            yield Mismatch(f"picture {name}", "The picture is not the one that was exported.")


def _answer(packet: Packet) -> Iterator[Mismatch]:
    """An answer has to follow from the entries, read once more."""
    subject = packet.subject
    if subject.kind != AS_OF_KIND:
        return
    slot = slot_of(subject.stage or "")
    try:
        until = parse_timestamp(subject.until) if subject.until else None
        when = TimeQuery(parse_timestamp(subject.at or ""), until, subject.zone, subject.so_far)
    except ValueError:
        slot = None
    if slot is None:
        yield Mismatch("subject", "What was asked cannot be read.")
        return
    entries = [Entry(one.place, one.id, one.chain, parse_body(one.text)) for one in packet.entries]
    entries += [Entry(0, "", "", parse_body(packet.unrecorded))] if packet.unrecorded else []
    if _core(answer_to_json(as_of(entries, slot, when))) != _core(packet.answer or {}):
        yield Mismatch("answer", "The answer does not follow from the entries.")


def _core(answer: dict[str, Any]) -> Any:
    """What an answer stands and falls with: who held the stage from when until when, and what is unknown."""
    holders, unknown = answer.get("holders"), answer.get("unknown")
    if not isinstance(holders, list) or not isinstance(unknown, list) or not all(isinstance(o, dict) for o in holders + unknown):
        return None
    return (
        [(one.get("version"), one.get("since"), one.get("until")) for one in holders],
        [(one.get("since"), one.get("until")) for one in unknown],
    )
