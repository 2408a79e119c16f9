"""Builds the packet of a decision or an as-of answer from the present book, the registry, and the findings of verify.

Read-only. Sources of versions are left out, because an address may contain a key; the backend's address never does.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from lib.backends.backend import Backend
from lib.backends.mlflow_client import relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import NO_KEYS, TrustedKeys
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
from lib.ledger.packet.signatures import packet_keys, packet_signatures
from lib.ledger.queries.actor_names import name_in_sentence
from lib.ledger.queries.as_of import answer_to_json, verify_holders
from lib.ledger.queries.as_of_text import answer_sentence
from lib.ledger.queries.history import history_rows, verify_names
from lib.ledger.queries.time_query import TimeQuery, format_local_time
from lib.ledger.state.imported_holdings import all_holdings
from lib.ledger.state.replay import replay
from lib.ledger.state.volumes import VolumeParams, read_volumes
from lib.ledger.storage.book import Writer, read_named_params
from lib.ledger.storage.book_index import find_book_id
from lib.ledger.storage.inventory_reader import require_explained_inventory
from lib.registry.audit_queries import AsOfQuery, query_as_of
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.snapshot import RegistrySnapshot
from lib.registry.verify import verify
from lib.text import format_day


@dataclass(frozen=True)
class _Source:
    """The input for a packet: the registry, the parameters of the book's runs, the decoded book, the findings, and the known keys."""

    snapshot: RegistrySnapshot
    params_by_run: ParamsByRun
    book: DecodedBook
    findings: tuple[dict[str, Any], ...]
    keys: TrustedKeys


def build_decision_packet(writer: Writer, model: str, id_or_position: str, keys: TrustedKeys = NO_KEYS) -> Packet:
    """The packet of an entry, given by id or position, with the entries that led to it and resulted from it. `keys` are the known keys.

    Raises NotFound for an unknown entry.
    """
    source = _read_source(writer.backend, model, keys)
    entries = source.book.entries
    entry = find_entry(entries, id_or_position)
    subject = PacketSubject(kind=DECISION_KIND, model=model, entry=entry.id, place=entry.position)
    positions = related_positions(entries, entry)
    return _build_packet(
        writer, source, subject, said=_entry_sentence(source, entry), shown=positions, included_positions=positions
    )


def build_as_of_packet(writer: Writer, model: str, query: AsOfQuery, keys: TrustedKeys = NO_KEYS) -> Packet:
    """The packet of an as-of answer. It contains the complete book, so that the answer can be derived again."""
    result = query_as_of(writer.backend, model, query)
    source = _read_source(writer.backend, model, keys)
    entries = (*source.book.entries, *([result.unrecorded_entry] if result.unrecorded_entry else []))
    return _build_packet(
        writer,
        source,
        _as_of_subject(model, query),
        said=f"{model}, {_format_time_query(query.when)}: {answer_sentence(result.answer)}",
        answer=answer_to_json(verify_holders(result.answer, source.book, keys)),
        unrecorded=canonical_json(result.unrecorded_entry.body) if result.unrecorded_entry else None,
        shown=proof_positions(entries, result.answer),
        included_positions=tuple(entry.position for entry in source.book.entries),
    )


def _read_source(backend: Backend, model: str, keys: TrustedKeys) -> _Source:
    snapshot = read_snapshot(backend, model)
    book_id = find_book_id(backend, incarnation_of(snapshot))
    if book_id is None:
        require_explained_inventory(backend)
    if book_id is None and snapshot.created_at is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the model name.")
    if book_id is None:
        raise NotFound(
            f"{model} has no record yet.", means="", next="A record begins when someone with write access first opens the model."
        )
    findings = tuple(
        {"place": finding.position, "what": finding.what, "means": finding.means} for finding in verify(backend, model).findings
    )
    params_by_run, book = _read_uncached_book(backend, book_id)
    return _Source(snapshot, params_by_run, book, findings, keys)


def _read_uncached_book(backend: Backend, book_id: str) -> tuple[ParamsByRun, DecodedBook]:
    """A book with all its volumes, fetched and parsed without cache, and the parameters it was read from."""
    params_by_run = dict[str, Mapping[str, str]]()

    def fetch(run_id: str) -> VolumeParams | None:
        volume = read_named_params(backend, run_id)
        if volume:
            params_by_run[run_id] = volume.params
        return volume

    with translate_errors("The book of this model"), relaxed_gc():
        volumes = read_volumes(fetch, book_id)
    if volumes is None:
        raise NotFound(f"The book of this model, run {book_id}, no longer exists.", means="", next="Restore it from a backup.")
    return params_by_run, volumes.book


def _build_packet(
    writer: Writer, source: _Source, subject: PacketSubject, *, included_positions: Sequence[int], **fields: Any
) -> Packet:
    book = source.book
    shown_entries = [entry for entry in book.entries if entry.position in fields["shown"]]
    return Packet(
        subject=subject,
        made=PacketOrigin(at=format_timestamp(writer.clock()), by=writer.actor),
        backend={"kind": writer.backend.kind, "uri": writer.backend.uri},
        book=PacketBook(
            model=subject.model,
            volumes=packet_volumes(source.params_by_run, book),
            head=book.head,
            chain=book.chain,
        ),
        entries=packet_entries(source.params_by_run, book, included_positions),
        keys=packet_keys(book, frozenset(included_positions), source.keys),
        signatures=packet_signatures(book, frozenset(included_positions), source.keys),
        evidence=tuple(evidence for entry in shown_entries if (evidence := _evidence(entry))),
        registry=_registry_json(source.snapshot, format_timestamp(writer.clock())),
        verify=source.findings,
        pictures=_render_pictures(book.entries, subject, writer),
        **fields,
    )


def _as_of_subject(model: str, query: AsOfQuery) -> PacketSubject:
    when = query.when
    return PacketSubject(
        kind=AS_OF_KIND,
        model=model,
        stage=SLOTS[query.slot],
        at=format_timestamp(when.at),
        until=format_timestamp(when.until) if when.until else None,
        zone=when.zone,
        so_far=when.is_ongoing,
    )


def _format_time_query(when: TimeQuery) -> str:
    """The queried instant or day, in its time zone."""
    local = when.at.astimezone(ZoneInfo(when.zone))
    return f"{local.day} {local:%b %Y} ({when.zone})" if when.until else format_local_time(when.at, when.zone)


def _entry_sentence(source: _Source, entry: Entry) -> str:
    """An entry in one sentence: the decision, by whom, when, and its outcome."""
    book, body = source.book, entry.body
    (row,) = verify_names([row for row in history_rows(replay(book)) if row.position == entry.position], book, source.keys)
    person = name_in_sentence(row.actor_name, row.name_status)
    at = f" on {format_local_time(row.at, 'UTC')}" if row.at else ""
    version = f" v{row.version}" if row.version else ""
    if not isinstance(body, Decided):
        return f"Entry {entry.position} of {body.model or 'this model'},{version} {body.type}{at} by {person}: {row.summary.rstrip('.')}"
    verdict = {"approve": "approved", "reject": "rejected", "changes": "sent back for changes"}[body.verdict]
    return f"{body.model}{version}: {verdict} for {body.to} by {person}{at}{_outcome_clause(book, entry)}"


def _outcome_clause(book: DecodedBook, entry: Entry) -> str:
    """The outcome of an approving decision; empty if it is still open, and for other entries."""
    closings = (other for other in book.entries if isinstance(other.body, Closing) and other.body.intent == entry.id)
    closing = next(closings, None)
    if closing is None or not isinstance(closing.body, Closing):
        return ""
    displaced = " and ".join(f"v{number}" for number in closing.body.displaced)
    outcomes = {"APPLIED": "carried out", "OVERTAKEN": "overtaken by a later decision", "FAILED": "not carried out"}
    outcome = outcomes[closing.body.type]
    return f"; {outcome} (entry {closing.position}){f', in place of {displaced}' if displaced else ''}"


def _evidence(entry: Entry) -> dict[str, Any] | None:
    """The origin of a version, as recorded or imported; None if the entry does not have it."""
    body = entry.body
    lineage = body.lineage if isinstance(body, Registered | Imported) else None
    if lineage is None or (isinstance(body, Imported) and not to_json(lineage)):
        return None
    return {"version": body.version, "place": entry.position, "lineage": to_json(lineage)}


def _registry_json(snapshot: RegistrySnapshot, at: str) -> dict[str, Any]:
    """The registry as read for the export."""
    versions = [
        {
            "version": version.number,
            "stage": version.stage,
            "created": version.created_at,
            "run_id": version.run_id,
            "head": version.head,
        }
        for version in snapshot.versions.values()
    ]
    return {
        "read_at": at,
        "created": snapshot.created_at,
        "aliases": dict(snapshot.aliases),
        "holders": {SLOTS[slot]: list(slot_state.holders) for slot, slot_state in snapshot.slot_states.items()},
        "versions": versions,
    }


def _render_pictures(entries: Sequence[Entry], subject: PacketSubject, writer: Writer) -> dict[str, PacketPicture]:
    marked_at = parse_timestamp(subject.at) if subject.at else None
    chart = _render_holdings_chart(entries, subject.model, writer.clock(), marked_at)
    return {"strip": chart} if chart else {}


def _render_holdings_chart(
    entries: Sequence[Entry], model: str, now: datetime, marked_at: datetime | None
) -> PacketPicture | None:
    """Who held which stage over time, including imported holdings, as a PNG for print; None if there are no holdings.

    `marked_at` is the queried instant.
    """
    from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
    from lib.runs.export.chart_image import render_png
    from lib.theme import FONT_FOLDER, LIGHT

    holdings = all_holdings(entries)
    if not holdings:
        return None
    table = bar_table([(SLOTS[holding.slot], holding) for holding in holdings], now)
    visible_mark = marked_at if marked_at and marked_at >= table.since.min() else None
    data = render_png(holdings_chart(table, LIGHT, list(SLOTS.values()), marked_at=visible_mark), LIGHT, FONT_FOLDER)
    description = "; ".join(
        f"{SLOTS[holding.slot]}: {'v' + holding.version if holding.version else 'unknown'} from {format_day(holding.since)} "
        f"to {format_day(holding.until) if holding.until else 'now'}"
        for holding in holdings[-12:]
    )
    return PacketPicture(
        type="image/png",
        alt=f"Who held which stage of {model}{', the last 12 holdings' if len(holdings) > 12 else ''}: {description}",
        sha256=hashlib.sha256(data).hexdigest(),
        data=base64.b64encode(data).decode(),
    )
