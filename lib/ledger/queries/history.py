"""The readable history of a record: one line per entry with who, when, why, and from which stage to which. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib.ledger.chain.entry_signatures import signature_status_at
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import SignatureStatus, TrustedKeys
from lib.ledger.entry.schema_2_types import PolicySet, Settlement
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import (
    Body,
    Closing,
    Corrected,
    Decided,
    FollowedUp,
    Frozen,
    Imported,
    Observed,
    Opened,
    Registered,
    Requested,
    SlotState,
    Volume,
    Withdrawn,
    to_json,
)
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.queries.actor_names import NameStatus, displayed_name, name_status
from lib.ledger.state.corrections import corrected_entries, corrections_by_entry_id
from lib.ledger.state.replay import BookState
from lib.text import version_list

_OPENED_TEXTS = {"first look": "The record begins", "re-created": "The model was re-created", "deleted": "The model was deleted"}
_JSON_ORDER = ("place", "id", "type", "version", "from", "to", "by", "reason", "recorded_at", "effective_at")


DISPLACED = "DISPLACED"
"""The badge of a line about a version displaced by another one; it has no entry of its own."""


@dataclass(frozen=True)
class HistoryRow:
    """One entry in a history. `badge` is its badge; `from_stage` and `to_stage` are empty for entries that are not about a move.

    `actor_name` is the recorded name, `name_status` how reliable it is before any key is checked. `at` is None if the time is not readable.
    `correction_positions` are those of the corrections, `corrected_summary` replaces `summary`.
    """

    position: int
    id: str
    badge: str
    version: str
    at: datetime | None
    actor_name: str
    name_status: NameStatus
    summary: str
    from_stage: str = ""
    to_stage: str = ""
    correction_positions: tuple[int, ...] = ()
    corrected_summary: str = ""

    @property
    def displayed_name(self) -> str:
        """The name for display."""
        return displayed_name(self.actor_name, self.name_status)


def history_rows(state: BookState, version: str = "") -> tuple[HistoryRow, ...]:
    """The lines of a book, newest first; with `version`, only those that concern it.

    If another version displaced it, the line says so instead of showing the other version's move.
    """
    corrections = corrections_by_entry_id(state.book.entries)
    corrected_by_id = {entry.id: entry for entry in corrected_entries(state.book.entries)} if corrections else {}
    rows = [_history_row(state, entry) for entry in reversed(state.book.entries)]
    rows = [
        _with_corrections(state, row, corrections[row.id], corrected_by_id.get(row.id)) if row.id in corrections else row
        for row in rows
    ]
    positions = {entry.position for entry in state.book.entries if not version or version in _concerned_versions(entry.body)}
    displaced_positions = {
        entry.position for entry in state.book.entries if isinstance(entry.body, Closing) and version in entry.body.displaced
    }
    return tuple(
        _displaced_row(row, version) if row.position in displaced_positions and row.version != version else row
        for row in rows
        if row.position in positions
    )


def verify_names(rows: Sequence[HistoryRow], book: DecodedBook, keys: TrustedKeys) -> tuple[HistoryRow, ...]:
    """The same lines with names verified by the signatures of their entries. Meant for the visible lines only."""
    return tuple(
        replace(row, name_status="verified")
        if row.name_status == "claimed" and signature_status_at(book, row.position, keys) == "trusted"
        else row
        for row in rows
    )


def entry_to_json(entry: Entry, corrections: Sequence[Entry] = (), signature: SignatureStatus = "none") -> dict[str, Any]:
    """An entry in the format of `history`: place, id, the body without absent fields, the ids of its corrections, and its signature
    status if it is signed.
    """
    body = to_json(entry.body)
    fields = {**body, "place": entry.position, "id": entry.id}
    if corrections:
        fields["superseded_by"] = [correction.id for correction in corrections]
    if signature != "none":
        fields["signature"] = signature
    return {name: fields[name] for name in (*_JSON_ORDER, *sorted(fields)) if name in fields}


def _history_row(state: BookState, entry: Entry) -> HistoryRow:
    body = entry.body
    moved_body = state.find_intent(body.intent) if isinstance(body, Closing) else body
    from_, to = (getattr(moved_body, name, None) for name in ("from_", "to"))
    return HistoryRow(
        position=entry.position,
        id=entry.id,
        badge=_badge(body),
        version=(moved_body.version if moved_body else body.version) or "",
        at=_time(body),
        actor_name=body.actor.name if isinstance(body, Imported) else body.by.name,
        name_status=name_status(body),
        summary=_summary(state, body),
        from_stage=from_ if isinstance(from_, str) else "",
        to_stage=to if isinstance(to, str) else "",
    )


def _displaced_row(row: HistoryRow, version: str) -> HistoryRow:
    """The line for a version displaced by the move of another one."""
    summary = f"Replaced by v{row.version} in {row.to_stage}" if row.version else "Replaced by another version"
    return replace(row, badge=DISPLACED, version=version, summary=summary, from_stage="", to_stage="")


def _with_corrections(state: BookState, row: HistoryRow, corrections: Sequence[Entry], corrected: Entry | None) -> HistoryRow:
    positions = tuple(correction.position for correction in corrections)
    if corrected is None:
        return replace(row, correction_positions=positions, corrected_summary="Withdrawn: imported by mistake")
    corrected_row = _history_row(state, corrected)
    texts = (
        [corrected_row.summary]
        + ([f"by {corrected_row.displayed_name}"] if corrected_row.actor_name != row.actor_name else [])
        + ([f"at {corrected_row.at:%Y-%m-%d %H:%M}Z"] if corrected_row.at and corrected_row.at != row.at else [])
    )
    return replace(row, correction_positions=positions, corrected_summary=", ".join(texts))


def _badge(body: Body) -> str:
    if isinstance(body, FollowedUp):
        return "FOLLOWED_UP" if body.outcome == "right" else "wrong"
    if not isinstance(body, Decided):
        return body.type
    return "roll_back" if body.verdict == "approve" and body.kind == "roll_back" else body.verdict


def _summary(state: BookState, body: Body) -> str:
    match body:
        case Opened():
            return _OPENED_TEXTS[body.why]
        case Registered():
            return body.note or (
                f"From run {body.lineage.run_name}" if body.lineage.run_name else "Version registered outside Podium"
            )
        case Decided() | Requested() | FollowedUp() | Corrected() | Settlement():
            return body.reason.text
        case Observed():
            return _observed_summary(body)
        case Closing():
            return _closing_summary(state, body)
        case _:
            return _rare_summary(body)


def _rare_summary(body: Body) -> str:
    """The summary of entry types that a sync with the registry never writes."""
    match body:
        case Imported():
            text = body.reason.text if body.reason else body.note or ""
            return f"{_IMPORTED_TEXTS[body.of]}{f': {text}' if text else ''}"
        case Withdrawn():
            return body.reason.text if body.reason else "The request was withdrawn"
        case Frozen():
            return f"Run {body.run_id[:8]} committed as {body.git_commit[:8]}"
        case PolicySet():
            return f"{body.name}, reviews {'required' if body.require_review else 'not required'}: {body.reason.text}"
        case Volume():
            return body.note or "The book continues in another run"
        case _:
            return body.note or (body.reason.text if body.reason else "An entry unknown to this Podium")


_IMPORTED_TEXTS = {
    "REGISTERED": "Registered",
    "REQUESTED": "Requested",
    "WITHDRAWN": "Request withdrawn",
    "DECIDED": "Decided",
    "APPLIED": "Moved",
    "FAILED": "Move failed",
    "FOLLOWED_UP": "Decision reviewed",
}


def _closing_summary(state: BookState, body: Closing) -> str:
    """How a decision ended, with the reason of the person who finished it for someone else or gave it up."""
    intent = state.find_intent(body.intent)
    displaced_text = f"In place of {', '.join(f'v{version}' for version in body.displaced)}" if body.displaced else ""
    outcome_text = {
        "FAILED": body.why or "The version could not be moved",
        "OVERTAKEN": "Overtaken by a later decision",
        "APPLIED": displaced_text or (intent.reason.text if intent and not body.reason else ""),
    }[body.type]
    return f"{outcome_text.rstrip('.')}: {body.reason.text}".removeprefix(": ") if body.reason else outcome_text


def _observed_summary(body: Observed) -> str:
    texts = [
        f"{stage}: {_slot_text(body.was[slot])} → {_slot_text(body.now[slot])}"
        for slot, stage in SLOTS.items()
        if body.was[slot] != body.now[slot]
    ]
    texts += [f"v{version} was deleted" for version in body.gone]
    texts += [body.note] if body.note else []
    return "; ".join(texts) or "Changed and reverted"


def _slot_text(slot_state: SlotState) -> str:
    alias = f"alias on v{slot_state.alias}" if slot_state.alias and slot_state.stage != (slot_state.alias,) else ""
    if alias and not slot_state.stage:
        return alias
    return ", ".join(text for text in (version_list(slot_state.stage), alias) if text)


def _concerned_versions(body: Body) -> set[str]:
    versions = {body.version} if body.version else set()
    if isinstance(body, Closing):
        versions |= set(body.displaced)
    if isinstance(body, Observed):
        changed_slots = [slot for slot in SLOTS if body.was[slot] != body.now[slot]]
        versions |= {v for slot_states in (body.was, body.now) for slot in changed_slots for v in slot_states[slot].holders}
        versions |= set(body.gone)
    return {version for version in versions if version}


def _time(body: Body) -> datetime | None:
    try:
        return parse_timestamp(body.effective_at or body.recorded_at)
    except ValueError:
        return None
