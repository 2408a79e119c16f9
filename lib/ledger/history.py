"""The record as people read it: one line per entry with who, when, why and from where to where. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib.ledger.bodies import Body, Closing, Decided, Held, Observed, Opened, Registered, Volume, plain
from lib.ledger.chain import Entry
from lib.ledger.fold import State
from lib.ledger.words import SLOTS, as_time

_OPENED = {"first look": "The record begins", "re-created": "The model was made anew", "deleted": "The model was deleted"}
_GOES_ON = "The book goes on in another run"
_PARTS = ("place", "id", "type", "version", "from", "to", "by", "reason", "recorded_at", "effective_at")


@dataclass(frozen=True)
class Line:
    """One entry in a history. `word` names its badge; `from_` and `to` are stages, empty where nothing was to move.

    `who` is the name as recorded, `verified` tells whether somebody vouches for it. `at` is None when no time can be read.
    """

    place: int
    id: str
    word: str
    version: str
    at: datetime | None
    who: str
    verified: bool
    why: str
    from_: str = ""
    to: str = ""


def lines(state: State, version: str = "") -> tuple[Line, ...]:
    """The lines of a book, newest first; with `version` only those that concern it."""
    every = [_line(state, entry) for entry in reversed(state.reading.entries)]
    about = {entry.place for entry in state.reading.entries if not version or version in _versions(entry.body)}
    return tuple(line for line in every if line.place in about)


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as `history` prints it: place, id and the body, absent fields absent."""
    body = plain(entry.body)
    named = {**body, "place": entry.place, "id": entry.id}
    return {name: named[name] for name in (*_PARTS, *sorted(named)) if name in named}


def _line(state: State, entry: Entry) -> Line:
    body = entry.body
    moved = state.intent(body.intent) if isinstance(body, Closing) else body if isinstance(body, Decided) else None
    return Line(
        place=entry.place,
        id=entry.id,
        word=_word(body),
        version=(moved.version if moved else body.version) or "",
        at=_at(body),
        who=body.by.name,
        verified=body.by.how != "declared",
        why=_why(state, body),
        from_=moved.from_ if moved else "",
        to=moved.to if moved else "",
    )


def _word(body: Body) -> str:
    if not isinstance(body, Decided):
        return body.type
    return "roll_back" if body.verdict == "approve" and body.kind == "roll_back" else body.verdict


def _why(state: State, body: Body) -> str:
    match body:
        case Opened():
            return _OPENED[body.why]
        case Registered():
            return body.note or (f"From run {body.lineage.run_name}" if body.lineage.run_name else "A version came to be")
        case Decided():
            return body.reason.text
        case Observed():
            return _observed(body)
        case Closing():
            return _closing(state, body)
        case _:
            return body.note or (_GOES_ON if isinstance(body, Volume) else "An entry that this Podium does not know")


def _closing(state: State, body: Closing) -> str:
    if body.type == "FAILED":
        return body.why or "The version could not be moved"
    if body.type == "OVERTAKEN":
        return "A later decision came first"
    out = ", ".join(f"v{number}" for number in body.displaced)
    intent = state.intent(body.intent)
    return f"In place of {out}" if out else intent.reason.text if intent else ""


def _observed(body: Observed) -> str:
    said = [
        f"{stage}: {_holders(body.was[slot])} → {_holders(body.now[slot])}" for slot, stage in SLOTS.items() if _moved(body, slot)
    ]
    said += [f"v{number} was deleted" for number in body.gone]
    return "; ".join(said) or "Something was changed and put back"


def _moved(body: Observed, slot: Any) -> bool:
    return bool(body.was[slot] != body.now[slot])


def _holders(held: Held) -> str:
    alias = f"alias on v{held.alias}" if held.alias and held.stage != (held.alias,) else ""
    stage = " and ".join(f"v{number}" for number in held.stage)
    return ", ".join(part for part in (stage, alias) if part) or "nobody"


def _versions(body: Body) -> set[str]:
    named = {body.version} if body.version else set()
    if isinstance(body, Closing):
        named |= set(body.displaced)
    if isinstance(body, Observed):
        was_or_is = {v for side in (body.was, body.now) for slot in SLOTS if _moved(body, slot) for v in side[slot].holders}
        named |= was_or_is | set(body.gone)
    return {version for version in named if version}


def _at(body: Body) -> datetime | None:
    try:
        return as_time(body.effective_at or body.recorded_at)
    except ValueError:
        return None
