"""Heads noted elsewhere come back as they were noted, and clocks that differ are told without touching the order."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.ledger.chain.anchor_text import Noted, line, read_line, read_lines
from lib.ledger.chain.clock_check import backwards
from lib.ledger.chain.hash_chain import Anchor, Entry, Reading
from lib.ledger.entry.types import Other
from lib.ledger.entry.vocabulary import as_text

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@given(st.text(min_size=1, max_size=40), HEX, st.integers(0, 999_999))
def test_a_noted_head_is_read_back_whatever_the_model_is_called(name, chain, place):
    reading = Reading((), (*[""] * place, chain), ()) if place < 50 else Reading((), ("", chain), ())
    noted = read_line(line(name, reading))
    assert noted.anchor == Anchor(reading.head, chain)
    assert noted.model == " ".join(line(name, reading).split(" ", 1)[1:]).strip()
    assert read_lines(f"\n{line(name, reading)}\n\n") == (noted,)


@pytest.mark.parametrize("wrong", ["x", "3:abc", f"-1:{'a' * 64}", f"3 {'a' * 64}", f"3:{'A' * 64}", f"1234567:{'a' * 64}"])
def test_what_is_no_head_is_named_with_its_line(wrong):
    with pytest.raises(BadInput, match=r"Line 2: .* is no noted head"):
        read_lines(f"1:{'a' * 64} wine\n{wrong}")


def test_a_bare_anchor_names_no_model():
    assert read_line(f" 7:{'b' * 64} ") == Noted("", Anchor(7, "b" * 64))


def at(*offsets):
    """Entries whose claimed times are so many seconds after noon."""
    bodies = [Other(type="NOTE", recorded_at=as_text(NOON + timedelta(seconds=s))) for s in offsets]
    return [Entry(place, f"id{place}", "", body) for place, body in enumerate(bodies, 1)]


@given(st.lists(st.integers(-100_000, 100_000), max_size=12))
def test_a_clock_is_told_exactly_when_a_time_lies_more_than_a_second_before_the_last(offsets):
    jumps = [place for place, (a, b) in enumerate(pairwise(offsets), 2) if a - b > 1]
    assert [finding.place for finding in backwards(at(*offsets))] == jumps[:1]


def test_a_second_of_difference_is_nobodys_business():
    assert backwards(at(0, 5, 4, 4.5)) == ()
    assert backwards([*at(0), Entry(2, "x", "", Other(type="?"))]) == ()
