"""Times as typed by users: instants, full days, zones, and local times that do not exist or occur twice."""

from datetime import UTC, datetime, timedelta

import pytest

from lib.errors import BadInput
from lib.ledger.queries.time_query import parse_time_query

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("2023-03-14T09:00Z", "UTC", datetime(2023, 3, 14, 9, tzinfo=UTC)),
        ("2023-03-14T09:00", "UTC", datetime(2023, 3, 14, 9, tzinfo=UTC)),
        ("2023-03-14 09:00:30", "UTC", datetime(2023, 3, 14, 9, 0, 30, tzinfo=UTC)),
        ("2023-03-14T09:00:00.250z", "UTC", datetime(2023, 3, 14, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2023-03-14T09:00", BERLIN, datetime(2023, 3, 14, 8, tzinfo=UTC)),
        ("2023-07-14T09:00", BERLIN, datetime(2023, 7, 14, 7, tzinfo=UTC)),
        ("2023-03-14T09:00-05:00", BERLIN, datetime(2023, 3, 14, 14, tzinfo=UTC)),
        ("2023-10-29T02:30+01:00", BERLIN, datetime(2023, 10, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_with_its_own_zone_else_with_the_one_given(text, zone, at):
    query = parse_time_query(text, NOW, zone)
    assert (query.at, query.until, query.zone) == (at, None, zone)


@pytest.mark.parametrize(
    ("day", "zone", "hours"), [("2023-03-14", "UTC", 24), ("2023-03-26", BERLIN, 23), ("2023-10-29", BERLIN, 25)]
)
def test_a_bare_date_is_that_whole_day_in_its_zone(day, zone, hours):
    query = parse_time_query(day, NOW, zone)
    assert query.until - query.at == timedelta(hours=hours)
    assert not query.is_ongoing


def test_today_ends_at_the_present():
    query = parse_time_query("2026-11-24", NOW)
    assert (query.at.hour, query.until, query.is_ongoing) == (0, NOW, True)


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("14.03.2023", "UTC", "cannot be read as a time"),
        ("", "UTC", "Nothing cannot be read"),
        ("2023-03-14T09", "UTC", "cannot be read"),
        ("yesterday\x1b[31m", "UTC", "yesterday"),
        ("2023-02-30", "UTC", "is not a valid date or time"),
        ("2023-02-14T25:00", "UTC", "not a valid date or time"),
        ("9999-12-31", "UTC", "not a valid date or time"),
        ("0001-01-01T00:00+14:00", "UTC", "not a valid date or time"),
        ("2030-01-01", "UTC", "is in the future"),
        ("2026-11-24T12:01Z", "UTC", "is in the future"),
        ("2023-03-14", "Mars/Olympus", "is not a time zone"),
        ("2023-03-14", "../etc/passwd", "is not a time zone"),
        ("2023-03-14", "Europe", "is not a time zone"),
        ("2023-03-14", "", "is not a time zone"),
        ("2023-10-29T02:30", BERLIN, "occurred twice"),
        ("2023-03-26T02:30", BERLIN, "did not exist"),
    ],
)
def test_what_is_no_time_or_no_single_time_is_said_in_plain_words(text, zone, message):
    with pytest.raises(BadInput, match=message) as raised:
        parse_time_query(text, NOW, zone)
    assert "\x1b" not in str(raised.value)


def test_a_time_that_came_twice_is_answered_with_the_two_that_can_be_meant():
    with pytest.raises(BadInput) as raised:
        parse_time_query("2023-10-29T02:30", NOW, BERLIN)
    assert "2023-10-29T02:30:00+02:00 for the first or 2023-10-29T02:30:00+01:00 for the second" in raised.value.next
