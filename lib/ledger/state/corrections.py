"""Corrections: what an entry may be corrected in, which entries are superseded, and how the book reads then. Pure.

An entry is never edited. A correction is an entry of its own, and whoever reads sees both. What the ledger itself saw, who held
what and when, cannot be corrected; a correction that tries to says nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Body, Corrected, Decided, FollowedUp, Imported, Opened, Requested
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, UNKNOWN_ACTOR

_REASONED = Decided | Requested | FollowedUp | Corrected | Imported


def corrections_by_entry_id(entries: Sequence[Entry]) -> dict[str, tuple[Entry, ...]]:
    """Id of an entry → the corrections that supersede what it says, oldest first. Corrections that say nothing are left out."""
    before, found = dict[str, Entry](), dict[str, tuple[Entry, ...]]()
    for entry in entries:
        if isinstance(entry.body, Corrected):
            for old in entry.body.supersedes:
                if old in before and not correction_problem(entries, before[old].body, entry.body.instead):
                    found[old] = (*found.get(old, ()), entry)
        before[entry.id] = entry
    return found


def corrected_entries(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries as they are to be read: corrected parts replaced, imports that were taken back left out."""
    found = corrections_by_entry_id(entries)
    if not found:
        return tuple(entries)
    read = ((entry, [one.body for one in found.get(entry.id, ())]) for entry in entries)
    return tuple(made for entry, bodies in read if (made := _read(entry, bodies)) is not None)


def correction_problem(entries: Iterable[Entry], body: Body, correction: Correction) -> str:
    """Why this entry cannot be corrected so, as a sentence; empty when it can."""
    wrong = [part for part in correction.field_names if part not in correctable_fields(body)]
    if not correction.field_names:
        return "The correction changes nothing."
    if wrong:
        names = " and ".join(_SAID[part] for part in wrong)
        return f"{names[0].upper()}{names[1:]} of an entry of this kind cannot be corrected."
    first = next((parse_timestamp(entry.body.recorded_at) for entry in entries if isinstance(entry.body, Opened)), None)
    if correction.effective_at and first and parse_timestamp(correction.effective_at) >= first:
        return "What was imported speaks only of the time before the record began."
    return ""


def correctable_fields(body: Body) -> tuple[str, ...]:
    """The parts of an entry that may be corrected."""
    parts = {
        "reason": isinstance(body, _REASONED) and body.reason is not None,
        "note": True,
        "by": isinstance(body, Imported) or (body.by.how == "declared" and body.by not in (PODIUM_ACTOR, UNKNOWN_ACTOR)),
        "effective_at": isinstance(body, Imported),
        "void": isinstance(body, Imported),
    }
    return tuple(part for part, may in parts.items() if may)


_SAID: Mapping[str, str] = {
    "reason": "the reason",
    "note": "the note",
    "by": "the name",
    "effective_at": "the time",
    "void": "that it holds",
}


def corrected_body(body: Body, correction: Correction) -> Body | None:
    """An entry as it reads after a correction; None when it is taken back."""
    return None if correction.void else body.model_copy(update=_update(body, correction))


def _read(entry: Entry, corrections: Sequence[Body]) -> Entry | None:
    body: Body | None = entry.body
    for one in corrections:
        body = corrected_body(body, one.instead) if body and isinstance(one, Corrected) else None
    return Entry(entry.position, entry.id, entry.chain, body) if body else None


def _update(body: Body, instead: Correction) -> dict[str, Any]:
    """The fields of a body that a correction replaces. The name in an imported entry is that of who did it then."""
    named = {"by": "actor"} if isinstance(body, Imported) else {}
    said = {named.get(part, part): getattr(instead, part) for part in instead.field_names if part != "void"}
    return {**said, "window": None} if instead.effective_at else said
