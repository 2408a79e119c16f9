"""The answer to an as-of query as text to forward: who, when, why, on what evidence, and from which entries. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from lib.ledger.entry.fields import Number
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, REASON_CATEGORIES, SLOTS, UNKNOWN_ACTOR
from lib.ledger.queries.actor_names import name_in_sentence
from lib.ledger.queries.as_of import BEFORE_RECORD, NO_RECORD, OUT_OF_REACH, AsOfAnswer, Holder, UnknownInterval
from lib.ledger.queries.time_query import TimeQuery, format_local_time, is_in_gap_or_fold

MAX_HOLDERS_LISTED = 4
"""How many holdings of one day are described in full."""
MAX_METRICS_LISTED = 4
"""How many metrics the sentences list; the entry has all of them."""
MAX_MOVES_LISTED = 8
"""How many moves of one day a sentence lists."""
_NAME_CAVEATS = {
    "typed": "; the name was typed and not verified",
    "claimed": "; the name is only a claim, because no key trusted here signed the decision",
}


def answer_sentence(answer: AsOfAnswer) -> str:
    """The answer in one sentence without a full stop; times are in the zone of the query."""
    segments, stage = _segments(answer), SLOTS[answer.slot]
    if len(segments) > 1:
        return _segments_sentence(segments, answer.query)
    content = segments[0].content
    if isinstance(content, UnknownInterval):
        return _unknown_clause(content, answer.query)
    day_text = "" if answer.query.until is None else ", all day so far" if answer.query.is_ongoing else ", all day"
    return f"v{content.version} was in {stage}{day_text}" if content else f"Nothing was in {stage}"


def answer_text(model: str, answer: AsOfAnswer) -> str:
    """The complete answer in full sentences; times are in the zone of the query. Foreign text is not escaped."""
    holders, query = answer.holders, answer.query
    if len(holders) <= MAX_HOLDERS_LISTED:
        sentences = [sentence for holder in holders for sentence in _holder_sentences(holder, query)]
        return " ".join([_opening_sentence(model, answer), *sentences])
    more_count = len(holders) - MAX_HOLDERS_LISTED + 1
    omission = f"In between there were {more_count:,} more holdings. The packet of this answer lists them."
    first_sentences = [sentence for holder in holders[: MAX_HOLDERS_LISTED - 1] for sentence in _holder_sentences(holder, query)]
    return " ".join([_opening_sentence(model, answer), *first_sentences, omission, *_holder_sentences(holders[-1], query)])


def format_time_query(query: TimeQuery) -> str:
    """The queried time as text: 14 March 2023 (UTC), or 14 Mar 2023, 09:00 UTC."""
    if query.until is None:
        return format_local_time(query.at, query.zone)
    at = query.at.astimezone(ZoneInfo(query.zone))
    return f"{at.day} {at:%B %Y}{' so far' if query.is_ongoing else ''} ({query.zone})"


def _opening_sentence(model: str, answer: AsOfAnswer) -> str:
    stage, day, sentence = SLOTS[answer.slot], format_time_query(answer.query), answer_sentence(answer)
    if not answer.holders and not answer.unknown:
        return f"On {day}, no version of {model} was in {stage}."
    if len(answer.holders) == 1 and sentence.startswith(f"v{answer.holders[0].version} was in"):
        all_day = ", all day" if answer.query.until and not answer.query.is_ongoing else ""
        return f"On {day}{all_day}, version {answer.holders[0].version} of {model} was in {stage}."
    if len(answer.unknown) == 1 and not answer.holders:
        return _unknown_sentence(model, answer.unknown[0], answer)
    return f"On {day}, the holders of {stage} of {model} were, in turn: {sentence}."


def _unknown_sentence(model: str, interval: UnknownInterval, answer: AsOfAnswer) -> str:
    zone, stage, day = answer.query.zone, SLOTS[answer.slot], format_time_query(answer.query)
    if interval.explanation == NO_RECORD:
        return f"There is no record of {model}, so it is unknown which version was in {stage} on {day}."
    if interval.explanation == OUT_OF_REACH:
        return (
            f"It is unknown which version of {model} was in {stage} on {day}: no index leads to its record, but this store has an "
            "unexplained one. Run verify to list it."
        )
    if interval.explanation == BEFORE_RECORD:
        at = format_local_time(interval.until or answer.query.at, zone)
        return f"The record of {model} does not cover {stage} before {at}, so it is unknown which version was there on {day}."
    since_text = f"between {format_local_time(interval.since, zone)} and " if interval.since else "until "
    span = (
        f"{since_text}{format_local_time(interval.until, zone)}"
        if interval.until
        else f"since {format_local_time(interval.since or answer.query.at, zone)}"
    )
    return (
        f"It is unknown which version of {model} was in {stage} on {day}: the holder is unknown {span} ({interval.explanation})."
    )


def _holder_sentences(holder: Holder, query: TimeQuery) -> list[str]:
    """The period, the decision, the metrics, and the proof of a holding."""
    name, zone = f"Version {holder.version}", query.zone
    return [
        f"{name} {_holding_period(holder, zone)}.",
        _decision_sentence(holder),
        *([f"{name} is described as “{holder.note.rstrip().rstrip('.')}”."] if holder.note else []),
        *_evidence_sentences(holder),
        _proof_sentences(holder, zone),
    ]


def _holding_period(holder: Holder, zone: str) -> str:
    """The period of a holding; with seconds if it lasted less than a minute."""
    since = format_local_time(holder.since, zone)
    if holder.until is None:
        return f"has been there since {since}"
    until = format_local_time(holder.until, zone)
    if since == until:
        first, last = (at.astimezone(ZoneInfo(zone)) for at in (holder.since, holder.until))
        return f"was there on {first.day} {first:%b %Y} from {first:%H:%M:%S} until {last:%H:%M:%S} {zone}"
    return f"was there from {since.removesuffix(f' {zone}')} until {until}"


def _decision_sentence(holder: Holder) -> str:
    if holder.actor in (UNKNOWN_ACTOR, PODIUM_ACTOR) or holder.reason is None:
        if holder.actor in (UNKNOWN_ACTOR, PODIUM_ACTOR):
            return "Neither the person responsible nor a reason is recorded."
        return f"{_actor_text(holder)} decided this. No reason is recorded."
    category = REASON_CATEGORIES.get(holder.reason.category, "Something else").lower()
    return f"{_actor_text(holder)} decided this and gave the reason: “{holder.reason.text.rstrip()}” (category: {category})."


def _actor_text(holder: Holder) -> str:
    """Who decided; for an imported holding, the name in its file."""
    is_claim = holder.name_status == "claimed" and not holder.import_body
    return f"Someone who claims to be {holder.actor.name}" if is_claim else holder.actor.name


def _evidence_sentences(holder: Holder) -> list[str]:
    metrics = ", ".join(f"{name} {_format_number(value)}" for name, value in list(holder.metrics.items())[:MAX_METRICS_LISTED])
    more_count = len(holder.metrics) - MAX_METRICS_LISTED
    data = ", ".join(f"{name} {_shorten_hash(digest)}" for name, digest in holder.data.items())
    parts = [
        f"metrics {metrics}{f' and {more_count} more' if more_count > 0 else ''}" if metrics else "",
        f"data {data}" if data else "",
        f"code of commit {_shorten_hash(holder.git_commit)}" if holder.git_commit else "",
    ]
    missing_names = [name for name, part in zip(("metrics", "data", "code"), parts, strict=True) if not part]
    recorded_text = "; ".join(part for part in parts if part)
    return [
        *([f"Recorded with it: {recorded_text}."] if recorded_text else []),
        *([f"Not recorded: its {_join_with_and(missing_names)}."] if missing_names else []),
    ]


def _proof_sentences(holder: Holder, zone: str) -> str:
    positions = _join_with_and([str(position) for position in holder.entry_positions])
    ending = "y" if len(holder.entry_positions) == 1 else "ies"
    if not holder.entry_positions:
        return "No entry of the model's record in Podium covers it."
    sentence = f"This is based on entr{ending} {positions} of the model's record in Podium"
    if holder.import_body is None:
        return f"{sentence}{_NAME_CAVEATS.get(holder.name_status, '')}."
    source, importer = holder.import_body.source, holder.import_body.by.name
    importer = name_in_sentence(importer, holder.name_status)
    at = format_local_time(parse_timestamp(holder.import_body.recorded_at), zone)
    return (
        f"{sentence}. They were not written at that time: {importer} imported them on {at} from the file {source.name} "
        f"(sha256 {_shorten_hash(source.sha256)}). Names, times and reasons are those of that file; Podium did not verify them."
    )


def _format_number(value: Number) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _join_with_and(items: Sequence[str]) -> str:
    return " and ".join(text for text in (", ".join(items[:-1]), items[-1]) if text) if items else "none"


def _shorten_hash(digest: str) -> str:
    return digest if len(digest) <= 12 else f"{digest[:12]}…"


@dataclass(frozen=True)
class _Segment:
    """A consecutive part of the queried time: from `since` on, a holder, an unknown interval, or no holder (None)."""

    since: datetime
    content: Holder | UnknownInterval | None


def _segments(answer: AsOfAnswer) -> list[_Segment]:
    query = answer.query
    contents: list[Holder | UnknownInterval] = [*answer.unknown, *answer.holders]
    contents.sort(key=lambda content: content.since.timestamp() if content.since else float("-inf"))
    segments, at = list[_Segment](), query.at
    for content in contents:
        if content.since and content.since > at:
            segments.append(_Segment(at, None))
        at = max(at, content.since or at)
        segments.append(_Segment(at, content))
        at = query.end if content.until is None else max(at, content.until)
    if at < query.end or not segments:
        segments.append(_Segment(at, None))
    return segments


def _segments_sentence(all_segments: Sequence[_Segment], query: TimeQuery) -> str:
    names = [_segment_name(segment.content) for segment in all_segments]
    segments = [segment for n, segment in enumerate(all_segments) if n == 0 or names[n] != names[n - 1]]
    if len(segments) == 1:
        return f"{_segment_name(segments[0].content).capitalize()}, all day"
    local_times = [segment.since.astimezone(ZoneInfo(query.zone)) for segment in segments[1:]]
    time_format = "%H:%M:%S" if any(f"{a:%H:%M}" == f"{b:%H:%M}" for a, b in pairwise(local_times)) else "%H:%M"
    clock_texts = [f"{at:{time_format}} ({at:%z})" if is_in_gap_or_fold(at) else f"{at:{time_format}}" for at in local_times]
    texts = [f"{_segment_name(segment.content)} until {text}" for segment, text in zip(segments, clock_texts, strict=False)]
    if len(texts) > MAX_MOVES_LISTED:
        texts = [*texts[: MAX_MOVES_LISTED // 2], f"{len(texts) - MAX_MOVES_LISTED // 2 - 1:,} more moves", texts[-1]]
    sentence = ", then ".join([*texts, _segment_name(segments[-1].content)])
    return sentence if isinstance(segments[0].content, Holder) else sentence[0].upper() + sentence[1:]


def _segment_name(content: Holder | UnknownInterval | None) -> str:
    if isinstance(content, Holder):
        return f"v{content.version}"
    return "nothing" if content is None else "no record" if content.explanation == BEFORE_RECORD else "unknown"


def _unknown_clause(interval: UnknownInterval, query: TimeQuery) -> str:
    if interval.explanation == NO_RECORD:
        return "There is no record yet"
    if interval.explanation == OUT_OF_REACH:
        return "Unknown: no index leads to its record"
    if interval.since is None:
        return f"The record does not begin until {format_local_time(interval.until or query.at, query.zone)}"
    local_ends = [at.astimezone(ZoneInfo(query.zone)) for at in (interval.since, interval.until) if at]
    is_same_year = {at.year for at in local_ends} == {query.at.astimezone(ZoneInfo(query.zone)).year}
    end_texts = [f"{at.day} {at:%b, %H:%M}" if is_same_year else f"{at.day} {at:%b %Y, %H:%M}" for at in local_ends]
    if interval.until is None:
        return f"Unknown since {end_texts[0]} {query.zone}"
    return f"Unknown between {end_texts[0]} and {end_texts[1]} {query.zone}"
