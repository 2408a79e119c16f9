"""A packet as one page that anybody can read and print: no script, no request, pictures inside, the data at its end.

Only values go into the template, and it escapes every one; what a text of a stranger would turn or hide becomes visible.
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
from lib.ledger.entry.types import Decided, Imported, SlotState, to_json
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, SLOTS
from lib.ledger.packet.document import Packet, PacketEntry, hashed_document
from lib.ledger.packet.html_hashes import embed_document
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.queries.time_query import format_local_time
from lib.ledger.state.replay import replay

TEMPLATE_NAME = "packet_page.html"
ENTRY_LABELS = {
    "OPENED": "Record begins",
    "IMPORTED": "Imported",
    "REGISTERED": "Registered",
    "REQUESTED": "Requested",
    "WITHDRAWN": "Withdrawn",
    "approve": "Approved",
    "roll_back": "Approved, a roll-back",
    "reject": "Rejected",
    "changes": "Changes asked",
    "APPLIED": "Moved",
    "OVERTAKEN": "Overtaken",
    "FAILED": "Did not move",
    "OBSERVED": "Seen outside",
    "FROZEN": "Frozen",
    "CORRECTED": "Corrected",
    "FOLLOWED_UP": "Looked back on",
    "VOLUME": "Next volume",
}
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SAID = (
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
)
_NAMES = {
    "now": "Seen afterwards",
    "was": "Seen before",
    "recorded_at": "Recorded",
    "effective_at": "In effect",
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
        finalize=lambda value: escape_invisible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    document = hashed_document(packet)
    return embed_document(env.get_template(TEMPLATE_NAME).render(_view(packet, document)), document)


def render_failure_page(error: PodiumError) -> str:
    """A page in place of a packet that could not be made; it is no packet, and `packet verify` says so."""
    return f"<!DOCTYPE html><meta charset='utf-8'><title>No packet</title><h1>No packet was made</h1><p>{escape(escape_invisible(str(error)))}</p>"


def escape_invisible(text: str) -> str:
    """Text whose invisible marks and turns of direction are shown as their code, so that nothing reads otherwise than it is."""
    return _INVISIBLE.sub(lambda mark: f"[U+{ord(mark[0]):04X}]", text)


def _view(packet: Packet, document: dict[str, Any]) -> dict[str, Any]:
    shown = [one for one in packet.entries if one.place in packet.shown]
    entries = [Entry(one.place, one.id, one.chain, parse_body(one.text)) for one in packet.entries]
    told = {line.position: line for line in history_rows(replay(DecodedBook(tuple(entries), ("",), ())))}
    bodies = {entry.position: entry for entry in entries}
    return {
        "packet": packet,
        "hashes": document["hashes"],
        "sha256": document["sha256"],
        "made_at": _moment(packet.made.at, packet.subject.zone),
        "why": _entry(told[packet.subject.place], bodies[packet.subject.place], shown[0]) if packet.subject.place else None,
        "entries": [_entry(told[one.place], bodies[one.place], one) for one in shown],
        "holders": _holders(packet),
        "unknown": [_stretch(one, packet.subject.zone) | {"why": one["why"]} for one in (packet.answer or {}).get("unknown", [])],
        "metrics": sorted({name for one in packet.evidence for name in one["lineage"].get("metrics", {})}),
        "read_at": _moment(packet.registry["read_at"], "UTC"),
    }


def _entry(line: HistoryRow, entry: Entry, text: PacketEntry) -> dict[str, Any]:
    body = to_json(entry.body)
    reason = entry.body.reason
    return {
        "place": line.position,
        "id": line.id,
        "word": ENTRY_LABELS.get(line.badge, "Other"),
        "at": format_local_time(line.at, "UTC") if line.at else "no readable time",
        "who": line.actor_name,
        "how": "as imported"
        if isinstance(entry.body, Imported)
        else "verified"
        if line.is_verified
        else "typed, not verified"
        if line.actor_name not in ("Podium", "unknown")
        else "",
        "version": f"v{line.version}" if line.version else "",
        "move": f"{line.from_stage} → {line.to_stage}" if line.to_stage else "",
        "why": line.summary,
        "instead": line.corrected_summary,
        "superseded_by": ", ".join(map(str, line.correction_positions)),
        "category": REASON_CATEGORIES.get(reason.category, reason.category) if reason else "",
        "expected": (entry.body.expected or "") if isinstance(entry.body, Decided) else "",
        "more": _more(body),
        "sha256": text.sha256,
        "chain": text.chain,
    }


def _more(body: dict[str, Any]) -> dict[str, Any]:
    """What else the body says, under names for people; what every entry shows anyway and what is empty is left out."""
    held = {name: _held(value) if name in ("now", "was") and isinstance(value, dict) else value for name, value in body.items()}
    return {_NAMES.get(name, name.replace("_", " ")): value for name, value in held.items() if name not in _SAID and value}


def _held(now: dict[str, Any]) -> str:
    """Who stood in each stage, as a look saw it."""
    parts = []
    for slot, stage in SLOTS.items():
        held = SlotState.model_validate(now.get(slot, {}))
        parts.append(f"{stage}: {' and '.join(f'v{number}' for number in held.holders) or 'nobody'}")
    return ", ".join(parts)


def _holders(packet: Packet) -> list[dict[str, Any]]:
    found = (packet.answer or {}).get("holders", [])
    return [one | _stretch(one, packet.subject.zone) for one in found]


def _stretch(one: dict[str, Any], zone: str) -> dict[str, str]:
    return {
        "since": _second(one["since"], zone) if one["since"] else "the beginning",
        "until": _second(one["until"], zone) if one["until"] else "now",
    }


def _second(text: str, zone: str) -> str:
    local = parse_timestamp(text).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S} {zone}"


def _moment(text: str, zone: str) -> str:
    return format_local_time(parse_timestamp(text), zone)
