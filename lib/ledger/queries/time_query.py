"""What a person means by "when": an instant, or a whole day in a time zone. Pure; the clock is passed in.

Local times that never came or came twice, because clocks were changed, are not guessed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lib.errors import BadInput
from lib.text import clean_text

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE)
_EXAMPLES = "Write 2023-03-14 for that whole day, or 2023-03-14T09:00Z for an instant."


@dataclass(frozen=True)
class TimeQuery:
    """An instant `at`, or an interval from `at` up to but without `until`, in UTC. `zone` is where the person reads the clock.

    It `is_ongoing` while the day has not ended: `until` is then the present, because nobody knows what is to come.
    """

    at: datetime
    until: datetime | None = None
    zone: str = "UTC"
    is_ongoing: bool = False

    @property
    def end(self) -> datetime:
        """The end of it: the instant itself, or where the interval ends."""
        return self.until or self.at


def parse_time_query(text: str, now: datetime, zone: str = "UTC") -> TimeQuery:
    """What was typed: ISO 8601, seconds optional, Z or ±HH:MM, else the time of `zone`; a bare date is that whole day there.

    Raises BadInput for what is no time or no zone, for a local time that never came or came twice, and for the future.
    """
    match, time_zone = _TIME.fullmatch(text.strip()), parse_time_zone(zone)
    if match is None:
        raise BadInput(f"{clean_text(text)[:40] or 'Nothing'} cannot be read as a time.", next=_EXAMPLES)
    try:
        query = _parse_instant(match, time_zone) if match[2] else _parse_day(date.fromisoformat(match[1]), time_zone, now)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{clean_text(text)} is no day or time of the calendar.", next=_EXAMPLES) from error
    if query.at > now:
        raise BadInput(
            f"{format_local_time(query.at, time_zone.key)} has not come yet.", next="The record can only tell of the past."
        )
    return query


def parse_time_zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises BadInput for a name that is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{clean_text(name)[:40] or 'Nothing'} is no time zone.", next="Use a name such as Europe/Berlin, or UTC."
        ) from error


def format_local_time(at: datetime, zone: str) -> str:
    """A time for people: 16 Jan 2023, 09:00 UTC."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M} {zone}"


def is_in_gap_or_fold(local: datetime) -> bool:
    """Did this local time come twice, or never, because clocks were changed?"""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _parse_day(day: date, zone: ZoneInfo, now: datetime) -> TimeQuery:
    since, until = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    return TimeQuery(since, min(until, now) if now > since else until, zone.key, is_ongoing=now < until)


def _parse_instant(match: re.Match[str], zone: ZoneInfo) -> TimeQuery:
    at = datetime.fromisoformat(f"{match[1]}T{match[2]}{(match[3] or '').upper()}")
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
        _refuse_gap_and_fold(at)
    return TimeQuery(at.astimezone(UTC), zone=zone.key)


def _refuse_gap_and_fold(local: datetime) -> None:
    if not is_in_gap_or_fold(local):
        return
    first, second = (f"{local.replace(fold=fold).isoformat()}" for fold in (0, 1))
    time_zone, time_text = local.tzinfo, f"{local:%H:%M}"
    if local.replace(fold=0).utcoffset() > local.replace(fold=1).utcoffset():  # type: ignore[operator]
        raise BadInput(
            f"{time_text} came twice that day in {time_zone}, because clocks were put back.",
            next=f"Write {first} for the first or {second} for the second.",
        )
    raise BadInput(
        f"{time_text} never came that day in {time_zone}, because clocks were put forward.",
        next="Ask for a time before or after.",
    )
