"""The answer to an as-of question as sentences that can be sent on: who, when, why, on what evidence, and how that is known. Pure."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from lib.ledger.entry.fields import Number
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, REASON_CATEGORIES, SLOTS, UNKNOWN_ACTOR
from lib.ledger.queries.as_of import BEFORE_RECORD, NO_RECORD, AsOfAnswer, Holder, UnknownInterval, answer_sentence
from lib.ledger.queries.time_query import TimeQuery, format_local_time

MAX_HOLDERS_LISTED = 4
"""How many holdings of one day are told in full."""
MAX_METRICS_LISTED = 4
"""How many metrics the sentences name; the entry has them all."""


def answer_text(model: str, answer: AsOfAnswer) -> str:
    """The whole answer in full sentences; times are of the zone that was asked in. Foreign text stands in it as it was written."""
    held, when = answer.holders, answer.query
    if len(held) <= MAX_HOLDERS_LISTED:
        return " ".join([_lead(model, answer), *(part for one in held for part in _holder(one, when))])
    between = (
        f"In between there were {len(held) - MAX_HOLDERS_LISTED + 1:,} more holdings; the packet of this answer has each of them."
    )
    first = [part for one in held[: MAX_HOLDERS_LISTED - 1] for part in _holder(one, when)]
    return " ".join([_lead(model, answer), *first, between, *_holder(held[-1], when)])


def format_time_query(query: TimeQuery) -> str:
    """What was asked about, for people: 14 March 2023 (UTC), or 14 Mar 2023, 09:00 UTC."""
    if query.until is None:
        return format_local_time(query.at, query.zone)
    at = query.at.astimezone(ZoneInfo(query.zone))
    return f"{at.day} {at:%B %Y}{' so far' if query.is_ongoing else ''} ({query.zone})"


def _lead(model: str, answer: AsOfAnswer) -> str:
    stage, day, line = SLOTS[answer.slot], format_time_query(answer.query), answer_sentence(answer)
    if not answer.holders and not answer.unknown:
        return f"On {day}, no version of {model} was in {stage}."
    if len(answer.holders) == 1 and line.startswith(f"v{answer.holders[0].version} was in"):
        throughout = ", all day" if answer.query.until and not answer.query.is_ongoing else ""
        return f"On {day}{throughout}, version {answer.holders[0].version} of {model} was in {stage}."
    if len(answer.unknown) == 1 and not answer.holders:
        return _unknown(model, answer.unknown[0], answer)
    return f"On {day}, {stage} of {model} was held in turn: {line}."


def _unknown(model: str, one: UnknownInterval, answer: AsOfAnswer) -> str:
    zone, stage, day = answer.query.zone, SLOTS[answer.slot], format_time_query(answer.query)
    if one.explanation == NO_RECORD:
        return f"There is no record of {model}, so nobody can say which version was in {stage} on {day}."
    if one.explanation == BEFORE_RECORD:
        begins = format_local_time(one.until or answer.query.at, zone)
        return f"The record of {model} says nothing about {stage} before {begins}, so it cannot say which version was there on {day}."
    since = f"between {format_local_time(one.since, zone)} and " if one.since else "until "
    span = (
        f"{since}{format_local_time(one.until, zone)}"
        if one.until
        else f"since {format_local_time(one.since or answer.query.at, zone)}"
    )
    return f"Nobody can say which version of {model} was in {stage} on {day}: that is unknown {span} ({one.explanation})."


def _holder(held: Holder, when: TimeQuery) -> list[str]:
    """Since when, by whom and why; what it had measured; how that is known."""
    name, zone = f"Version {held.version}", when.zone
    return [
        f"{name} {_span(held, zone)}.",
        _decision(held),
        *([f"{name} is described as “{held.note.rstrip().rstrip('.')}”."] if held.note else []),
        *_evidence(held),
        _proof(held, zone),
    ]


def _span(held: Holder, zone: str) -> str:
    """From when until when; with seconds where it was within a minute."""
    since = format_local_time(held.since, zone)
    if held.until is None:
        return f"has been there since {since}"
    until = format_local_time(held.until, zone)
    if since == until:
        first, last = (at.astimezone(ZoneInfo(zone)) for at in (held.since, held.until))
        return f"was there on {first.day} {first:%b %Y} from {first:%H:%M:%S} until {last:%H:%M:%S} {zone}"
    return f"was there from {since.removesuffix(f' {zone}')} until {until}"


def _decision(held: Holder) -> str:
    if held.actor in (UNKNOWN_ACTOR, PODIUM_ACTOR) or held.reason is None:
        if held.actor in (UNKNOWN_ACTOR, PODIUM_ACTOR):
            return "Neither who put it there nor a reason is recorded."
        return f"{held.actor.name} put it there. No reason is recorded."
    kind = REASON_CATEGORIES.get(held.reason.category, "Something else").lower()
    return f"{held.actor.name} decided this and gave the reason: “{held.reason.text.rstrip()}” (kind of reason: {kind})."


def _evidence(held: Holder) -> list[str]:
    metrics = ", ".join(f"{name} {_number(value)}" for name, value in list(held.metrics.items())[:MAX_METRICS_LISTED])
    more = len(held.metrics) - MAX_METRICS_LISTED
    data = ", ".join(f"{name} {_cut(digest)}" for name, digest in held.data.items())
    parts = [
        f"metrics {metrics}{f' and {more} more' if more > 0 else ''}" if metrics else "",
        f"data {data}" if data else "",
        f"code of commit {_cut(held.git_commit)}" if held.git_commit else "",
    ]
    lacking = [name for name, told in zip(("metrics", "data", "code"), parts, strict=True) if not told]
    known = "; ".join(part for part in parts if part)
    return [
        *([f"Recorded with it: {known}."] if known else []),
        *([f"Not recorded: its {_list(lacking)}."] if lacking else []),
    ]


def _proof(held: Holder, zone: str) -> str:
    places = _list([str(place) for place in held.entry_positions])
    proof = f"This rests on entr{'y' if len(held.entry_positions) == 1 else 'ies'} {places} of the model's record in Podium"
    if held.import_body is None:
        sure = (
            ""
            if held.actor.how != "declared" or held.actor in (UNKNOWN_ACTOR, PODIUM_ACTOR)
            else "; the name was typed in and not verified"
        )
        return f"{proof}{sure}."
    told = held.import_body
    at = format_local_time(parse_timestamp(told.recorded_at), zone)
    return (
        f"{proof}. They were not made at that time: {told.by.name} imported them on {at} from the file {told.source.name} "
        f"(sha256 {_cut(told.source.sha256)}). Names, times and reasons are those of that file; Podium did not verify them."
    )


def _number(value: Number) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else "none"


def _cut(hash_: str) -> str:
    return hash_ if len(hash_) <= 12 else f"{hash_[:12]}…"
