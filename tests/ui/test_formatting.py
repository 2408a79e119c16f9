"""Text for the screen: safely escaped, with readable numbers and times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.text import strip_invisible
from lib.ui.components.formatting import (
    NBSP,
    escape,
    format_age,
    format_count,
    format_duration,
    format_metric,
    format_recent_age,
    format_time,
    short_hash,
    version_label,
)

NOON = datetime(2023, 3, 14, 12, tzinfo=UTC)


@given(st.text())
def test_escaped_text_holds_no_mark_that_markdown_or_streamlit_reads(text):
    safe = escape(text)
    assert not set(safe) & set("\\`*_{}[]()<>+-.!|~$^=\"'/")
    assert "www" not in safe
    assert ":material" not in safe
    assert "http:" + "//" not in safe


@given(st.text())
def test_plain_text_has_no_control_character(text):
    assert all(character.isprintable() or not character < " " for character in strip_invisible(text))


@given(st.text(alphabet="abc 123"))
def test_ordinary_words_stay_as_they_are(text):
    assert escape(text) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=12), "12 s"),
        (timedelta(seconds=-1), "0 s"),
        (timedelta(minutes=4), "4 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=491), "491 days"),
    ],
)
def test_a_length_of_time_has_one_unit(length, text):
    assert format_duration(length) == text.replace(" ", NBSP)


def test_what_is_new_happened_a_moment_ago():
    assert format_recent_age(NOON, NOON + timedelta(seconds=80)) == "a moment ago"
    assert (
        format_recent_age(NOON, NOON + timedelta(minutes=4)) == format_age(NOON, NOON + timedelta(minutes=4)) == f"4{NBSP}min ago"
    )


def test_times_are_in_utc_whatever_zone_they_came_in():
    local_noon = NOON.astimezone(tz=None)
    assert format_time(local_noon).replace(NBSP, " ") == "14 Mar 2023, 12:00 UTC"
    assert format_time(None) == ""


def test_numbers_have_a_real_minus_and_counts_have_thousands():
    assert format_metric(-0.5) == "−0.5000"
    assert format_metric(None) == ""
    assert format_count(1, "run") == f"1{NBSP}run"
    assert format_count(24000, "run") == f"24,000{NBSP}runs"
    assert format_count(2, "entry", "entries") == f"2{NBSP}entries"


def test_a_version_that_is_no_number_is_escaped():
    assert version_label("3") == "v3"
    assert "<" not in version_label("<b>")


def test_a_long_hash_is_shortened_to_what_people_compare():
    assert short_hash("8b3e" + "0" * 58 + "f1") == "8b3e…f1"
    assert short_hash("abc") == "abc"
