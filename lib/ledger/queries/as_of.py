"""As of: who held a slot at an instant or during a day, who decided it and why, and which entries prove it. Pure.

"Nobody", "unknown between A and B" and "before the record begins" are answers of their own. Everything is taken from the entries,
by value, so that an answer stands when runs and versions are gone. Of the time before the record only imported entries can tell;
what they tell is marked as such. Corrections are read with what they correct, and named among the proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Number
from lib.ledger.entry.timestamps import format_timestamp, parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Imported, Lineage, Opened, Registered, to_json
from lib.ledger.entry.vocabulary import SLOTS, UNKNOWN_ACTOR, Actor, Reason, Slot
from lib.ledger.queries.time_query import TimeQuery, format_local_time, is_in_gap_or_fold
from lib.ledger.state.corrections import corrected_entries, corrections_by_entry_id
from lib.ledger.state.holdings import Holding, record_start
from lib.ledger.state.imported_holdings import ImportedEvidence, all_holdings, imported_evidence, imported_since

BEFORE_RECORD = "before the record begins"
NO_RECORD = "there is no record"
MAX_MOVES_LISTED = 8
"""How many moves of one day a sentence tells one by one."""


@dataclass(frozen=True)
class Holder:
    """A version that held the slot from `since` until `until` (None: still), who decided that and why, and what it was.

    `by` is the unknown actor and `reason` is None for what stood there when the record began, and for a move outside that nobody
    had adopted yet. Metrics, data and commit are those of its registration. `entries` are the places that prove it. `imported` is
    what was imported about the holding, where that is all that is known of its beginning. `note` describes the version.
    """

    version: str
    since: datetime
    until: datetime | None
    actor: Actor
    reason: Reason | None
    entry_positions: tuple[int, ...]
    metrics: Mapping[str, Number] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    git_commit: str = ""
    import_body: Imported | None = None
    note: str = ""


@dataclass(frozen=True)
class UnknownInterval:
    """A stretch of which nobody can say who held the slot; None stands for an open end."""

    since: datetime | None
    until: datetime | None
    explanation: str


@dataclass(frozen=True)
class AsOfAnswer:
    """Who held a slot at `when`. Both empty: nobody. Holdings and stretches are whole, they may reach beyond what was asked."""

    slot: Slot
    query: TimeQuery
    holders: tuple[Holder, ...]
    unknown: tuple[UnknownInterval, ...]


def as_of(entries: Sequence[Entry], slot: Slot, query: TimeQuery, cached_holdings: Sequence[Holding] | None = None) -> AsOfAnswer:
    """The answer of a book for an instant or a stretch of time. An entry at place 0 counts, but is not named as proof.

    `known` is what `every_holding` says of these entries, where somebody asked it before.
    """
    read = corrected_entries(entries)
    held = [
        h
        for h in _every(all_holdings(entries) if cached_holdings is None else cached_holdings, slot)
        if _meets(query, h.since, h.until)
    ]
    lives, corrections = _lives(read), corrections_by_entry_id(entries)
    found = (
        _imported(imported_evidence(entries, h), h) if h.is_imported else _holder(lives[h.position], h, query)
        for h in held
        if h.version
    )
    holders = tuple(_with_proof(holder, entries, corrections) for holder in found)
    unknown = tuple(UnknownInterval(h.since, h.until, h.explanation) for h in held if h.version is None)
    return AsOfAnswer(slot, query, holders, (*_before(entries, slot, query), *unknown))


def _every(holdings: Sequence[Holding], slot: Slot) -> list[Holding]:
    """The holdings of a slot, imported ones too. What was imported up to the beginning of the record goes on in what stood there."""
    every = [h for h in holdings if h.slot == slot]
    before, seen = [h for h in every if h.is_imported], [h for h in every if not h.is_imported]
    if before and seen and before[-1].version and (before[-1].version, before[-1].until) == (seen[0].version, seen[0].since):
        before[-1] = replace(before[-1], until=seen[0].until, end_position=seen[0].end_position)
        seen = seen[1:]
    return [*before, *seen]


def _imported(told: ImportedEvidence | None, held: Holding) -> Holder:
    """A holding of which only imported entries tell. The name is the one the file gives."""
    if told is None:
        return Holder(held.version or "", held.since, held.until, UNKNOWN_ACTOR, None, (held.position,))
    return Holder(
        version=held.version or "",
        since=held.since,
        until=held.until,
        actor=told.actor,
        reason=told.reason,
        entry_positions=tuple(sorted({*told.entry_positions, held.end_position} - {0})),
        metrics=told.lineage.metrics,
        data=told.lineage.data,
        git_commit=told.lineage.git_commit,
        import_body=told.import_body,
        note=told.note,
    )


def _with_proof(holder: Holder, entries: Sequence[Entry], corrections: Mapping[str, tuple[Entry, ...]]) -> Holder:
    """The same with the places of the corrections of its proof."""
    ids = {entry.id for entry in entries if entry.position in holder.entry_positions}
    more = {one.position for entry_id in ids for one in corrections.get(entry_id, ())}
    return replace(holder, entry_positions=tuple(sorted({*holder.entry_positions, *more}))) if more else holder


def answer_sentence(answer: AsOfAnswer) -> str:
    """The answer in one sentence for people, without a full stop; times are of the zone that was asked in."""
    parts, stage = _parts(answer), SLOTS[answer.slot]
    if len(parts) > 1:
        return _in_turn(parts, answer.query)
    only = parts[0].what
    if isinstance(only, UnknownInterval):
        return _unknown(only, answer.query)
    day = "" if answer.query.until is None else ", all day so far" if answer.query.is_ongoing else ", all day"
    return f"v{only.version} was in {stage}{day}" if only else f"Nothing was in {stage}"


def answer_to_json(answer: AsOfAnswer) -> dict[str, Any]:
    """Stage, holders and unknown stretches as `asof` prints them; null stands for an open end and for what is not known."""
    return {
        "stage": SLOTS[answer.slot],
        "holders": [_holder_json(holder) for holder in answer.holders],
        "unknown": [{"since": _text(one.since), "until": _text(one.until), "why": one.explanation} for one in answer.unknown],
    }


def _before(entries: Sequence[Entry], slot: Slot, when: TimeQuery) -> tuple[UnknownInterval, ...]:
    first = record_start(entries)
    if first is None:
        return (UnknownInterval(None, None, NO_RECORD),)
    first = min(first, imported_since(entries, slot) or first)
    return (UnknownInterval(None, first, BEFORE_RECORD),) if when.at < first else ()


def _meets(when: TimeQuery, since: datetime, until: datetime | None) -> bool:
    """Does a stretch that ends before `until` meet what was asked? One without length is met by a day, never by an instant."""
    if when.until is None:
        return since <= when.at and (until is None or when.at < until)
    return since < when.until and (until is None or until > when.at or since == until == when.at)


@dataclass
class _Life:
    """What the entries of one life of the model say about its versions: numbers restart when a model is made anew."""

    made: dict[str, Entry] = field(default_factory=dict)
    born: dict[str, Entry] = field(default_factory=dict)
    applied: list[Entry] = field(default_factory=list)


def _lives(entries: Sequence[Entry]) -> dict[int, _Life]:
    """Place → the life of the model that its entry belongs to."""
    life, lives = _Life(), dict[int, _Life]()
    for entry in entries:
        match entry.body:
            case Opened():
                life = _Life()
            case Registered() as body:
                life.born[body.version] = entry
            case Decided():
                life.made[entry.id] = entry
            case Closing(type="APPLIED"):
                life.applied.append(entry)
        lives[entry.position] = life
    return lives


def _holder(life: _Life, held: Holding, when: TimeQuery) -> Holder:
    decision, closing = _decision(life, held, when)
    born = life.born.get(held.version or "")
    came_from = born.body.lineage if born and isinstance(born.body, Registered) else Lineage()
    why = decision.body if decision and isinstance(decision.body, Decided) else None
    proof = {held.position, held.end_position, *(entry.position for entry in (decision, closing, born) if entry)}
    return Holder(
        version=held.version or "",
        since=held.since,
        until=held.until,
        actor=why.by if why else UNKNOWN_ACTOR,
        reason=why.reason if why else None,
        entry_positions=tuple(sorted(proof - {0})),
        metrics=came_from.metrics,
        data=came_from.data,
        git_commit=came_from.git_commit,
        note=(born.body.note if born else None) or "",
    )


def _decision(life: _Life, held: Holding, when: TimeQuery) -> tuple[Entry | None, Entry | None]:
    """The decision behind a holding, or the one that adopted it by the time that was asked about, and how that one ended."""
    if held.decision_id:
        return life.made.get(held.decision_id), None
    within = (e for e in life.applied if e.position > held.position and (not held.end_position or e.position < held.end_position))
    for entry in within:
        intent = life.made.get(entry.body.intent) if isinstance(entry.body, Closing) else None
        about = intent.body if intent and isinstance(intent.body, Decided) else None
        there = about and (about.version, about.to) == (held.version, SLOTS[held.slot])
        if there and parse_timestamp(entry.body.effective_at or entry.body.recorded_at) <= when.end:
            return intent, entry
    return None, None


@dataclass(frozen=True)
class _Part:
    """One after the other within what was asked: from `since` on a holder, an unknown stretch, or nobody (None)."""

    since: datetime
    what: Holder | UnknownInterval | None


def _parts(answer: AsOfAnswer) -> list[_Part]:
    when = answer.query
    every: list[Holder | UnknownInterval] = [*answer.unknown, *answer.holders]
    every.sort(key=lambda one: one.since.timestamp() if one.since else float("-inf"))
    parts, at = list[_Part](), when.at
    for one in every:
        if one.since and one.since > at:
            parts.append(_Part(at, None))
        at = max(at, one.since or at)
        parts.append(_Part(at, one))
        at = when.end if one.until is None else max(at, one.until)
    if at < when.end or not parts:
        parts.append(_Part(at, None))
    return parts


def _in_turn(every: Sequence[_Part], when: TimeQuery) -> str:
    parts = [part for n, part in enumerate(every) if n == 0 or _name(part.what) != _name(every[n - 1].what)]
    if len(parts) == 1:
        return f"{_name(parts[0].what).capitalize()}, all day"
    local = [part.since.astimezone(ZoneInfo(when.zone)) for part in parts[1:]]
    form = "%H:%M:%S" if any(f"{a:%H:%M}" == f"{b:%H:%M}" for a, b in pairwise(local)) else "%H:%M"
    clocks = [f"{at:{form}} ({at:%z})" if is_in_gap_or_fold(at) else f"{at:{form}}" for at in local]
    told = [f"{_name(part.what)} until {clock}" for part, clock in zip(parts, clocks, strict=False)]
    if len(told) > MAX_MOVES_LISTED:
        told = [*told[: MAX_MOVES_LISTED // 2], f"{len(told) - MAX_MOVES_LISTED // 2 - 1:,} more moves", told[-1]]
    line = ", then ".join([*told, _name(parts[-1].what)])
    return line[0].upper() + line[1:] if isinstance(parts[0].what, UnknownInterval) or parts[0].what is None else line


def _name(what: Holder | UnknownInterval | None) -> str:
    if isinstance(what, Holder):
        return f"v{what.version}"
    return "nothing" if what is None else "no record" if what.explanation == BEFORE_RECORD else "unknown"


def _unknown(one: UnknownInterval, when: TimeQuery) -> str:
    if one.explanation == NO_RECORD:
        return "There is no record yet"
    if one.since is None:
        return f"The record begins only on {format_local_time(one.until or when.at, when.zone)}"
    ends = [at.astimezone(ZoneInfo(when.zone)) for at in (one.since, one.until) if at]
    same = {at.year for at in ends} == {when.at.astimezone(ZoneInfo(when.zone)).year}
    told = [f"{at.day} {at:%b, %H:%M}" if same else f"{at.day} {at:%b %Y, %H:%M}" for at in ends]
    return f"Unknown between {told[0]} and {told[1]} {when.zone}" if one.until else f"Unknown since {told[0]} {when.zone}"


def _holder_json(holder: Holder) -> dict[str, Any]:
    return {
        "version": holder.version,
        "since": format_timestamp(holder.since),
        "until": _text(holder.until),
        "by": to_json(holder.actor),
        "reason": to_json(holder.reason) if holder.reason else None,
        "metrics": dict(holder.metrics),
        "data": dict(holder.data),
        "git_commit": holder.git_commit or None,
        "entries": list(holder.entry_positions),
        **({"imported": _source_json(holder.import_body)} if holder.import_body else {}),
    }


def _source_json(told: Imported) -> dict[str, Any]:
    """Where an imported holding is known from, and who imported it when."""
    return {"source": to_json(told.source), "by": to_json(told.by), "recorded_at": told.recorded_at}


def _text(at: datetime | None) -> str | None:
    return format_timestamp(at) if at else None
