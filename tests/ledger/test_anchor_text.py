"""Heads stored elsewhere are parsed unchanged, and clock skew is reported without changing the order."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import BadInput
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor, parse_anchor, parse_anchors
from lib.ledger.chain.book_findings import check_clock_skew
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, Entry
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import UnknownBody

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@given(st.text(min_size=1, max_size=40), HEX, st.integers(0, 999_999))
def test_a_noted_head_is_read_back_whatever_the_model_is_called(name, chain, position):
    book = DecodedBook((), (*[""] * position, chain), ()) if position < 50 else DecodedBook((), ("", chain), ())
    model_anchor = parse_anchor(format_anchor(name, book))
    assert model_anchor.anchor == Anchor(book.head, chain)
    assert model_anchor.model == " ".join(format_anchor(name, book).split(" ", 1)[1:]).strip()
    assert parse_anchors(f"\n{format_anchor(name, book)}\n\n") == (model_anchor,)


@pytest.mark.parametrize("line", ["x", "3:abc", f"-1:{'a' * 64}", f"3 {'a' * 64}", f"3:{'A' * 64}", f"1234567:{'a' * 64}"])
def test_what_is_no_head_is_named_with_its_line(line):
    with pytest.raises(BadInput, match=r"Line 2: .* is not a valid head"):
        parse_anchors(f"1:{'a' * 64} wine\n{line}")


def test_a_bare_anchor_names_no_model():
    assert parse_anchor(f" 7:{'b' * 64} ") == ModelAnchor("", Anchor(7, "b" * 64))


def make_entries(*offsets):
    """Entries whose claimed times are this many seconds after noon."""
    bodies = [UnknownBody(type="NOTE", recorded_at=format_timestamp(NOON + timedelta(seconds=offset))) for offset in offsets]
    return [Entry(position, f"id{position}", "", body) for position, body in enumerate(bodies, 1)]


@given(st.lists(st.integers(-100_000, 100_000), max_size=12))
def test_a_clock_is_told_exactly_when_a_time_lies_more_than_a_second_before_the_last(offsets):
    jump_positions = [position for position, (a, b) in enumerate(pairwise(offsets), 2) if a - b > 1]
    assert [finding.position for finding in check_clock_skew(make_entries(*offsets))] == jump_positions[:1]


def test_a_second_of_difference_is_nobodys_business():
    assert check_clock_skew(make_entries(0, 5, 4, 4.5)) == ()
    assert check_clock_skew([*make_entries(0), Entry(2, "x", "", UnknownBody(type="?"))]) == ()
