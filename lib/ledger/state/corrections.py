"""Corrections: which fields of an entry can be corrected, which entries are superseded, and the corrected entries. Pure.

An entry is never edited. A correction is a separate entry, and readers see both. Observations of the ledger itself, who held what and
when, cannot be corrected; a correction that tries to is ignored.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Body, Corrected, Decided, FollowedUp, Imported, Opened, Requested
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR

_TYPES_WITH_REASON = Decided | Requested | FollowedUp | Corrected | Imported


def corrections_by_entry_id(entries: Sequence[Entry]) -> dict[str, tuple[Entry, ...]]:
    """Id of an entry → the corrections that supersede it, oldest first. Invalid corrections are left out."""
    earlier_entries, corrections = dict[str, Entry](), dict[str, tuple[Entry, ...]]()
    for entry in entries:
        if isinstance(entry.body, Corrected):
            for entry_id in entry.body.supersedes:
                superseded = earlier_entries.get(entry_id)
                if superseded and not correction_problem(entries, superseded.body, entry.body.instead):
                    corrections[entry_id] = (*corrections.get(entry_id, ()), entry)
        earlier_entries[entry.id] = entry
    return corrections


def corrected_entries(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries with corrections applied: corrected parts replaced, withdrawn imports left out."""
    corrections = corrections_by_entry_id(entries)
    if not corrections:
        return tuple(entries)
    corrected = (_apply_corrections(entry, corrections.get(entry.id, ())) for entry in entries)
    return tuple(entry for entry in corrected if entry is not None)


def correction_problem(entries: Iterable[Entry], body: Body, correction: Correction) -> str:
    """Why this correction of an entry is not valid, as a sentence; empty if it is valid."""
    invalid_fields = [field for field in correction.field_names if field not in correctable_fields(body)]
    if not correction.field_names:
        return "The correction changes nothing."
    if invalid_fields:
        names = " and ".join(_FIELD_LABELS[field] for field in invalid_fields)
        return f"{names[0].upper()}{names[1:]} of an entry of this kind cannot be corrected."
    record_begin = next((parse_timestamp(entry.body.recorded_at) for entry in entries if isinstance(entry.body, Opened)), None)
    if correction.effective_at and record_begin and parse_timestamp(correction.effective_at) >= record_begin:
        return "Imported entries can only cover the time before the record began."
    return ""


def correctable_fields(body: Body) -> tuple[str, ...]:
    """The fields of an entry that can be corrected."""
    conditions = {
        "reason": isinstance(body, _TYPES_WITH_REASON) and body.reason is not None,
        "note": True,
        "by": isinstance(body, Imported) or (body.by.how == "declared" and body.by not in (PODIUM_ACTOR, UNKNOWN_ACTOR)),
        "effective_at": isinstance(body, Imported),
        "void": isinstance(body, Imported),
    }
    return tuple(field for field, is_correctable in conditions.items() if is_correctable)


_FIELD_LABELS: Mapping[str, str] = {
    "reason": "the reason",
    "note": "the note",
    "by": "the name",
    "effective_at": "the time",
    "void": "the validity",
}


def corrected_body(body: Body, correction: Correction) -> Body | None:
    """An entry after a correction; None if it was withdrawn."""
    return None if correction.void else body.model_copy(update=_updated_fields(body, correction))


def _apply_corrections(entry: Entry, corrections: Sequence[Entry]) -> Entry | None:
    body: Body | None = entry.body
    for correction in corrections:
        body = corrected_body(body, correction.body.instead) if body and isinstance(correction.body, Corrected) else None
    return Entry(entry.position, entry.id, entry.chain, body) if body else None


def _updated_fields(body: Body, correction: Correction) -> dict[str, Any]:
    """The fields of a body replaced by a correction. In an imported entry, the name is that of the original author."""
    renamed_fields = {"by": "actor"} if isinstance(body, Imported) else {}
    fields = {renamed_fields.get(field, field): getattr(correction, field) for field in correction.field_names if field != "void"}
    return {**fields, "window": None} if correction.effective_at else fields
