"""A packet as one self-contained HTML page to read and print: no scripts, no requests, embedded pictures, the data at the end.

The template receives values only and escapes each of them; invisible characters and direction marks in foreign text become visible.
"""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from lib.errors import PodiumError
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Decided, SlotState, to_json
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, SLOTS, Actor
from lib.ledger.packet.document import Packet, PacketEntry, hashed_document
from lib.ledger.packet.html_hashes import embed_document
from lib.ledger.packet.signatures import exporters_keys, packet_book
from lib.ledger.queries.actor_names import NAME_STATUS_TEXTS, actor_status, name_in_sentence
from lib.ledger.queries.history import HistoryRow, history_rows, verify_names
from lib.ledger.queries.time_query import format_local_time
from lib.ledger.state.replay import replay
from lib.text import (
    BYTE_ORDER_MARK,
    C1_CONTROLS,
    CONTROLS_IN_LINES,
    DIRECTION_OVERRIDES,
    LINE_SEPARATORS,
    ZERO_WIDTH,
    version_list,
)

_TEMPLATE_NAME = "packet_page.html"
_ENTRY_LABELS = {
    "OPENED": "Record begins",
    "IMPORTED": "Imported",
    "REGISTERED": "Registered",
    "REQUESTED": "Requested",
    "WITHDRAWN": "Withdrawn",
    "approve": "Approved",
    "roll_back": "Rollback approved",
    "reject": "Rejected",
    "changes": "Changes requested",
    "APPLIED": "Moved",
    "OVERTAKEN": "Overtaken",
    "FAILED": "Move failed",
    "OBSERVED": "Changed outside Podium",
    "FROZEN": "Frozen",
    "CORRECTED": "Corrected",
    "FOLLOWED_UP": "Decision reviewed",
    "VOLUME": "Next volume",
    "SETTLED": "Settled",
    "POLICY": "Policy",
}
_INVISIBLE = re.compile(
    f"[{CONTROLS_IN_LINES}{C1_CONTROLS}\\u061c{ZERO_WIDTH}{LINE_SEPARATORS}{DIRECTION_OVERRIDES}\\u2060-\\u2065{BYTE_ORDER_MARK}]"
)
_FIELDS_SHOWN_ELSEWHERE = (
    "schema",
    "type",
    "model",
    "by",
    "backend",
    "version",
    "reason",
    "from",
    "to",
    "note",
    "kind",
    "verdict",
    "expected",
    "lineage",
    "sig",
)
_FIELD_LABELS = {
    "now": "Observed after",
    "was": "Observed before",
    "recorded_at": "Recorded",
    "effective_at": "Effective",
    "intent": "Carries out",
}


def render_packet(packet: Packet) -> str:
    """The packet as an HTML file."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _escape_invisible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    document = hashed_document(packet)
    return embed_document(env.get_template(_TEMPLATE_NAME).render(_template_values(packet, document)), document)


def render_failure_page(error: PodiumError) -> str:
    """A page in place of a packet that could not be built. It is not a packet, and `packet verify` rejects it."""
    return f"<!DOCTYPE html><meta charset='utf-8'><title>No packet</title><h1>No packet was created</h1><p>{escape(_escape_invisible(str(error)))}</p>"


def _escape_invisible(text: str) -> str:
    """Text with invisible characters and direction marks replaced by their codes."""
    return _INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _template_values(packet: Packet, document: dict[str, Any]) -> dict[str, Any]:
    shown_entries = [entry for entry in packet.entries if entry.place in packet.shown]
    book_entries = [Entry(entry.place, entry.id, entry.chain, parse_body(entry.text)) for entry in packet.entries]
    history = history_rows(replay(DecodedBook(tuple(book_entries), ("",), ())))
    rows = {row.position: row for row in verify_names(history, packet_book(packet), exporters_keys(packet))}
    entry_at = {entry.position: entry for entry in book_entries}
    subject, answer = packet.subject, packet.answer or {}
    return {
        "packet": packet,
        "hashes": document["hashes"],
        "sha256": document["sha256"],
        "made_at": format_local_time(parse_timestamp(packet.made.at), subject.zone),
        "why": _entry_values(rows[subject.place], entry_at[subject.place], shown_entries[0]) if subject.place else None,
        "entries": [_entry_values(rows[entry.place], entry_at[entry.place], entry) for entry in shown_entries],
        "holders": [holder | _format_span(holder, subject.zone) | _holder_names(holder) for holder in answer.get("holders", [])],
        "unknown": [_format_span(span, subject.zone) | {"why": span["why"]} for span in answer.get("unknown", [])],
        "metrics": sorted({name for evidence in packet.evidence for name in evidence["lineage"].get("metrics", {})}),
        "read_at": format_local_time(parse_timestamp(packet.registry["read_at"]), "UTC"),
    }


def _entry_values(row: HistoryRow, entry: Entry, packet_entry: PacketEntry) -> dict[str, Any]:
    body = to_json(entry.body)
    reason = entry.body.reason
    return {
        "place": row.position,
        "id": row.id,
        "word": _ENTRY_LABELS.get(row.badge, "Other"),
        "at": format_local_time(row.at, "UTC") if row.at else "time not readable",
        "who": row.displayed_name,
        "how": NAME_STATUS_TEXTS[row.name_status],
        "version": f"v{row.version}" if row.version else "",
        "move": f"{row.from_stage} → {row.to_stage}" if row.to_stage else "",
        "why": row.summary,
        "instead": row.corrected_summary,
        "superseded_by": ", ".join(map(str, row.correction_positions)),
        "category": REASON_CATEGORIES.get(reason.category, reason.category) if reason else "",
        "expected": (entry.body.expected or "") if isinstance(entry.body, Decided) else "",
        "more": _other_fields(body),
        "sha256": packet_entry.sha256,
        "chain": packet_entry.chain,
    }


def _other_fields(body: dict[str, Any]) -> dict[str, Any]:
    """The remaining non-empty fields of a body under readable labels, without those shown for every entry."""
    fields = {
        name: _format_slot_states(value)
        if name in ("now", "was") and isinstance(value, dict) and value.keys() <= SLOTS.keys()
        else value
        for name, value in body.items()
    }
    return {
        _FIELD_LABELS.get(name, name.replace("_", " ")): value
        for name, value in fields.items()
        if name not in _FIELDS_SHOWN_ELSEWHERE and value
    }


def _format_slot_states(slot_states: dict[str, Any]) -> str:
    """Who was in each stage, as observed by an entry."""
    parts = []
    for slot, stage in SLOTS.items():
        slot_state = SlotState.model_validate(slot_states.get(slot, {}))
        parts.append(f"{stage}: {version_list(slot_state.holders)}")
    return ", ".join(parts)


def _holder_names(holder: dict[str, Any]) -> dict[str, str]:
    """Who decided, and how reliable that is, as readable text."""
    actor = Actor.model_validate(holder["by"])
    status = actor_status(actor, holder.get("signature", "none"))
    return {"who": name_in_sentence(actor.name, status), "how": NAME_STATUS_TEXTS[status]}


def _format_span(span: dict[str, Any], zone: str) -> dict[str, str]:
    return {
        "since": _format_second(span["since"], zone) if span["since"] else "the beginning",
        "until": _format_second(span["until"], zone) if span["until"] else "now",
    }


def _format_second(text: str, zone: str) -> str:
    local = parse_timestamp(text).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S} {zone}"
