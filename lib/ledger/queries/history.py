"""The record as people read it: one line per entry with who, when, why and from where to where. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib.ledger.chain.hash_chain import Entry
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
from lib.ledger.entry.vocabulary import SLOTS, version_list
from lib.ledger.state.corrections import corrected_entries, corrections_by_entry_id
from lib.ledger.state.replay import BookState

_OPENED = {"first look": "The record begins", "re-created": "The model was made anew", "deleted": "The model was deleted"}
_PARTS = ("place", "id", "type", "version", "from", "to", "by", "reason", "recorded_at", "effective_at")


@dataclass(frozen=True)
class HistoryRow:
    """One entry in a history. `word` names its badge; `from_` and `to` are stages, empty where nothing was to move.

    `who` is the name as recorded, `verified` tells whether somebody vouches for it. `at` is None when no time can be read.
    `superseded_by` are the places of the corrections, `instead` is what is to be read in place of `why` by the last of them.
    """

    position: int
    id: str
    badge: str
    version: str
    at: datetime | None
    actor_name: str
    is_verified: bool
    summary: str
    from_stage: str = ""
    to_stage: str = ""
    correction_positions: tuple[int, ...] = ()
    corrected_summary: str = ""


def history_rows(state: BookState, version: str = "") -> tuple[HistoryRow, ...]:
    """The lines of a book, newest first; with `version` only those that concern it."""
    found = corrections_by_entry_id(state.book.entries)
    now = {entry.id: entry for entry in corrected_entries(state.book.entries)} if found else {}
    every = [_line(state, entry) for entry in reversed(state.book.entries)]
    every = [_superseded(state, line, found[line.id], now.get(line.id)) if line.id in found else line for line in every]
    about = {entry.position for entry in state.book.entries if not version or version in _versions(entry.body)}
    return tuple(line for line in every if line.position in about)


def entry_to_json(entry: Entry, corrections: Sequence[Entry] = ()) -> dict[str, Any]:
    """An entry as `history` prints it: place, id and the body, absent fields absent; the ids of the corrections of it."""
    body = to_json(entry.body)
    named = {**body, "place": entry.position, "id": entry.id}
    if corrections:
        named["superseded_by"] = [one.id for one in corrections]
    return {name: named[name] for name in (*_PARTS, *sorted(named)) if name in named}


def _line(state: BookState, entry: Entry) -> HistoryRow:
    body = entry.body
    moved = state.find_intent(body.intent) if isinstance(body, Closing) else body
    from_, to = (getattr(moved, name, None) for name in ("from_", "to"))
    return HistoryRow(
        position=entry.position,
        id=entry.id,
        badge=_word(body),
        version=(moved.version if moved else body.version) or "",
        at=_at(body),
        actor_name=body.actor.name if isinstance(body, Imported) else body.by.name,
        is_verified=body.by.how != "declared" and not isinstance(body, Imported),
        summary=_why(state, body),
        from_stage=from_ if isinstance(from_, str) else "",
        to_stage=to if isinstance(to, str) else "",
    )


def _superseded(state: BookState, line: HistoryRow, corrections: Sequence[Entry], now: Entry | None) -> HistoryRow:
    places = tuple(one.position for one in corrections)
    if now is None:
        return replace(line, correction_positions=places, corrected_summary="Taken back: it was imported by mistake")
    read = _line(state, now)
    told = (
        [read.summary]
        + ([f"by {read.actor_name}"] if read.actor_name != line.actor_name else [])
        + ([f"at {read.at:%Y-%m-%d %H:%M}Z"] if read.at and read.at != line.at else [])
    )
    return replace(line, correction_positions=places, corrected_summary=", ".join(told))


def _word(body: Body) -> str:
    if isinstance(body, FollowedUp):
        return "FOLLOWED_UP" if body.outcome == "right" else "wrong"
    if not isinstance(body, Decided):
        return body.type
    return "roll_back" if body.verdict == "approve" and body.kind == "roll_back" else body.verdict


def _why(state: BookState, body: Body) -> str:
    match body:
        case Opened():
            return _OPENED[body.why]
        case Registered():
            return body.note or (f"From run {body.lineage.run_name}" if body.lineage.run_name else "A version came to be")
        case Decided() | Requested() | FollowedUp():
            return body.reason.text
        case Observed():
            return _observed(body)
        case Closing():
            return _closing(state, body)
        case _:
            return _later(body)


def _later(body: Body) -> str:
    """What the entries say that no look writes."""
    match body:
        case Imported():
            told = body.reason.text if body.reason else body.note or ""
            return f"{_IMPORTED[body.of]}{f': {told}' if told else ''}"
        case Withdrawn():
            return body.reason.text if body.reason else "The request was taken back"
        case Frozen():
            return f"Run {body.run_id[:8]} committed as {body.git_commit[:8]}"
        case Corrected():
            return body.reason.text
        case Volume():
            return body.note or "The book goes on in another run"
        case _:
            return body.note or (body.reason.text if body.reason else "An entry that this Podium does not know")


_IMPORTED = {
    "REGISTERED": "Registered then",
    "REQUESTED": "Asked for then",
    "WITHDRAWN": "Taken back then",
    "DECIDED": "Decided then",
    "APPLIED": "Moved then",
    "FAILED": "Did not move then",
    "FOLLOWED_UP": "Looked back on then",
}


def _closing(state: BookState, body: Closing) -> str:
    if body.type == "FAILED":
        return body.why or "The version could not be moved"
    if body.type == "OVERTAKEN":
        return "A later decision came first"
    out = ", ".join(f"v{number}" for number in body.displaced)
    intent = state.find_intent(body.intent)
    return f"In place of {out}" if out else intent.reason.text if intent else ""


def _observed(body: Observed) -> str:
    said = [
        f"{stage}: {_holders(body.was[slot])} → {_holders(body.now[slot])}"
        for slot, stage in SLOTS.items()
        if body.was[slot] != body.now[slot]
    ]
    said += [f"v{number} was deleted" for number in body.gone]
    said += [body.note] if body.note else []
    return "; ".join(said) or "Something was changed and put back"


def _holders(held: SlotState) -> str:
    alias = f"alias on v{held.alias}" if held.alias and held.stage != (held.alias,) else ""
    if alias and not held.stage:
        return alias
    return ", ".join(part for part in (version_list(held.stage), alias) if part)


def _versions(body: Body) -> set[str]:
    named = {body.version} if body.version else set()
    if isinstance(body, Closing):
        named |= set(body.displaced)
    if isinstance(body, Observed):
        was_or_is = {
            v for side in (body.was, body.now) for slot in SLOTS if body.was[slot] != body.now[slot] for v in side[slot].holders
        }
        named |= was_or_is | set(body.gone)
    return {version for version in named if version}


def _at(body: Body) -> datetime | None:
    try:
        return parse_timestamp(body.effective_at or body.recorded_at)
    except ValueError:
        return None
