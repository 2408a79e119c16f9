"""Make a packet of a decision, or of an answer about the past: read the book as it stands, the registry, and what verify says.

Nothing is written. Sources of versions are left out, because an address may carry a key; the backend's address never does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from lib.backends.backend import Backend
from lib.backends.mlflow_client import relaxed_gc, translate_errors
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Imported, Registered, canonical_json, to_json
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.packet.document import (
    AS_OF_KIND,
    DECISION_KIND,
    Packet,
    PacketBook,
    PacketOrigin,
    PacketPicture,
    PacketSubject,
    ParamsByRun,
    packet_entries,
    packet_volumes,
)
from lib.ledger.packet.selection import find_entry, proof_positions, related_positions
from lib.ledger.queries.as_of import answer_to_json
from lib.ledger.queries.as_of_text import answer_sentence
from lib.ledger.queries.history import history_rows
from lib.ledger.queries.time_query import TimeQuery, format_local_time
from lib.ledger.state.replay import replay
from lib.ledger.state.volumes import VolumeParams, read_volumes
from lib.ledger.storage.book import Writer, read_volume_params
from lib.ledger.storage.book_index import find_book_id
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.snapshot import RegistrySnapshot
from lib.registry.verify import verify


@dataclass(frozen=True)
class _Source:
    """What everything is taken from: the registry at one look, and the parameters of the book's runs with their reading."""

    seen: RegistrySnapshot
    sheets: ParamsByRun
    reading: DecodedBook
    findings: tuple[dict[str, Any], ...]


def build_decision_packet(writer: Writer, model: str, id_or_position: str) -> Packet:
    """The packet of an entry, named by its id or place, and of what led to it and came of it. Raises NotFound for an unknown one."""
    source = _read(writer.backend, model)
    entries = source.reading.entries
    entry = find_entry(entries, id_or_position)
    subject = PacketSubject(kind=DECISION_KIND, model=model, entry=entry.id, place=entry.position)
    places = related_positions(entries, entry)
    return _packet(writer, source, subject, said=_told(source.reading, entry), shown=places, kept=places)


def build_as_of_packet(writer: Writer, model: str, query: AsOfQuery) -> Packet:
    """The packet of the answer who held a slot then. It carries the whole book, so that the answer can be found anew."""
    told = query_as_of(writer.backend, model, query)
    source = _read(writer.backend, model)
    entries = (*source.reading.entries, *([told.unrecorded_entry] if told.unrecorded_entry else []))
    return _packet(
        writer,
        source,
        _asked(model, query),
        said=f"{model}, {_time_said(query.when)}: {answer_sentence(told.answer)}",
        answer=answer_to_json(told.answer),
        unrecorded=canonical_json(told.unrecorded_entry.body) if told.unrecorded_entry else None,
        shown=proof_positions(entries, told.answer),
        kept=tuple(entry.position for entry in source.reading.entries),
    )


def _read(backend: Backend, model: str) -> _Source:
    seen = read_snapshot(backend, model)
    book = find_book_id(backend, incarnation_of(seen))
    if book is None and seen.created_at is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book is None:
        raise NotFound(f"{model} has no record yet.", means="", next="A record begins with the first look that may write.")
    found = verify(backend, model).findings
    findings = tuple({"place": one.position, "what": one.what, "means": one.means} for one in found)
    sheets, reading = _sheets(backend, book)
    return _Source(seen, sheets, reading, findings)


def _sheets(backend: Backend, book: str) -> tuple[ParamsByRun, DecodedBook]:
    """A book through all its volumes, fetched and understood now, with the parameters it was read from."""
    sheets = dict[str, Mapping[str, str]]()

    def fetch(run_id: str) -> VolumeParams | None:
        found = read_volume_params(backend, run_id)
        if found:
            sheets[run_id] = found.params
        return found

    with translate_errors("The book of this model"), relaxed_gc():
        told = read_volumes(fetch, book)
    if told is None:
        raise NotFound(
            f"The book of this model, run {book}, is not there any more.", means="", next="Bring it back from a backup."
        )
    return sheets, told.book


def _packet(writer: Writer, source: _Source, subject: PacketSubject, *, kept: Sequence[int], **more: Any) -> Packet:
    reading = source.reading
    shown = [entry for entry in reading.entries if entry.position in more["shown"]]
    return Packet(
        subject=subject,
        made=PacketOrigin(at=format_timestamp(writer.clock()), by=writer.actor),
        backend={"kind": writer.backend.kind, "uri": writer.backend.uri},
        book=PacketBook(
            model=subject.model,
            volumes=packet_volumes(source.sheets, reading),
            head=reading.head,
            chain=reading.chain,
        ),
        entries=packet_entries(source.sheets, reading, kept),
        evidence=tuple(found for entry in shown if (found := _evidence(entry))),
        registry=_registry(source.seen, format_timestamp(writer.clock())),
        verify=source.findings,
        pictures=_pictures(reading.entries, subject, writer),
        **more,
    )


def _asked(model: str, question: AsOfQuery) -> PacketSubject:
    when = question.when
    return PacketSubject(
        kind=AS_OF_KIND,
        model=model,
        stage=SLOTS[question.slot],
        at=format_timestamp(when.at),
        until=format_timestamp(when.until) if when.until else None,
        zone=when.zone,
        so_far=when.is_ongoing,
    )


def _time_said(when: TimeQuery) -> str:
    """The instant, or the day, that was asked about, in its zone."""
    local = when.at.astimezone(ZoneInfo(when.zone))
    return f"{local.day} {local:%b %Y} ({when.zone})" if when.until else format_local_time(when.at, when.zone)


def _told(reading: DecodedBook, entry: Entry) -> str:
    """An entry in one sentence: what was decided, by whom, when, and how it ended."""
    state = replay(reading)
    line = next(one for one in history_rows(state) if one.position == entry.position)
    body = entry.body
    at = f" on {format_local_time(line.at, 'UTC')}" if line.at else ""
    version = f" v{line.version}" if line.version else ""
    if not isinstance(body, Decided):
        return f"Entry {entry.position} of {body.model or 'this model'},{version} {body.type}{at} by {line.actor_name}: {line.summary.rstrip('.')}"
    verdict = {"approve": "approved", "reject": "rejected", "changes": "sent back for changes"}[body.verdict]
    return f"{body.model}{version}: {verdict} for {body.to} by {line.actor_name}{at}{_ended(reading, entry)}"


def _ended(reading: DecodedBook, entry: Entry) -> str:
    """How an approving decision ended; empty for one that is still open and for the others."""
    ends = (one for one in reading.entries if isinstance(one.body, Closing) and one.body.intent == entry.id)
    end = next(ends, None)
    if end is None or not isinstance(end.body, Closing):
        return ""
    out = " and ".join(f"v{number}" for number in end.body.displaced)
    word = {"APPLIED": "carried out", "OVERTAKEN": "overtaken by a later decision", "FAILED": "not carried out"}[end.body.type]
    return f"; {word} (entry {end.position}){f', in place of {out}' if out else ''}"


def _evidence(entry: Entry) -> dict[str, Any] | None:
    """Where a version came from, as it was recorded or imported; None for an entry that does not say so."""
    body = entry.body
    came = body.lineage if isinstance(body, Registered | Imported) else None
    if came is None or (isinstance(body, Imported) and not to_json(came)):
        return None
    return {"version": body.version, "place": entry.position, "lineage": to_json(came)}


def _registry(seen: RegistrySnapshot, at: str) -> dict[str, Any]:
    """The registry at the look of the export."""
    versions = [
        {"version": one.number, "stage": one.stage, "created": one.created_at, "run_id": one.run_id, "head": one.head}
        for one in seen.versions.values()
    ]
    holders = {SLOTS[slot]: list(held.holders) for slot, held in seen.slot_states.items()}
    return {"read_at": at, "created": seen.created_at, "aliases": dict(seen.aliases), "holders": holders, "versions": versions}


def _pictures(entries: Sequence[Entry], subject: PacketSubject, writer: Writer) -> dict[str, PacketPicture]:
    from lib.registry.packet_chart import render_holdings_chart

    mark = parse_timestamp(subject.at) if subject.at else None
    drawn = render_holdings_chart(entries, subject.model, writer.clock(), mark)
    return {"strip": drawn} if drawn else {}
