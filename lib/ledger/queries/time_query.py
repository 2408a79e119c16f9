"""Parses a time as typed: an instant, or a full day in a time zone. Pure; the clock is passed in.

Local times that do not exist or occur twice, because of daylight saving time, are rejected instead of guessed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lib.errors import BadInput
from lib.text import clean_text

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE)
_EXAMPLES = "Use 2023-03-14 for the full day, or 2023-03-14T09:00Z for an instant."


@dataclass(frozen=True)
class TimeQuery:
    """An instant `at`, or the half-open interval from `at` to `until`, in UTC. `zone` is the time zone of the user.

    It `is_ongoing` if the day has not ended yet: then `until` is the present.
    """

    at: datetime
    until: datetime | None = None
    zone: str = "UTC"
    is_ongoing: bool = False

    @property
    def end(self) -> datetime:
        """The end of the query: the instant itself, or the end of the interval."""
        return self.until or self.at


def parse_time_query(text: str, now: datetime, zone: str = "UTC") -> TimeQuery:
    """Parse a time as typed: ISO 8601, seconds optional, with Z or ±HH:MM, else local to `zone`. A bare date is the full day there.

    Raises BadInput for an invalid time or zone, for a local time that does not exist or occurs twice, and for the future.
    """
    match, time_zone = _TIME.fullmatch(text.strip()), parse_time_zone(zone)
    if match is None:
        raise BadInput(f"{clean_text(text)[:40] or 'Nothing'} cannot be read as a time.", next=_EXAMPLES)
    try:
        query = _parse_instant(match, time_zone) if match[2] else _parse_day(date.fromisoformat(match[1]), time_zone, now)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{clean_text(text)} is not a valid date or time.", next=_EXAMPLES) from error
    if query.at > now:
        raise BadInput(f"{format_local_time(query.at, time_zone.key)} is in the future.", next="The record only covers the past.")
    return query


def parse_time_zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises BadInput for an unknown name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{clean_text(name)[:40] or 'Nothing'} is not a time zone.", next="Use a name such as Europe/Berlin, or UTC."
        ) from error


def format_local_time(at: datetime, zone: str) -> str:
    """A time as readable text: 16 Jan 2023, 09:00 UTC."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M} {zone}"


def is_in_gap_or_fold(local: datetime) -> bool:
    """Does this local time occur twice or never, because of a clock change?"""
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
            f"{time_text} occurred twice that day in {time_zone}, because clocks were set back.",
            next=f"Use {first} for the first or {second} for the second.",
        )
    raise BadInput(
        f"{time_text} did not exist that day in {time_zone}, because clocks were set forward.",
        next="Use an earlier or later time.",
    )
