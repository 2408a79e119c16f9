"""The chain: what is written can be read, and what was done to a book is named with its place."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from lib.ledger.chain.hash_chain import (
    Anchor,
    blocking_finding,
    chain_seed,
    collect_findings,
    decode_volume,
    encode_entry,
    next_chain,
    param_key,
)
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import UnknownBody, canonical_json, to_json, to_json_number

BOOK = "0123456789abcdef0123456789abcdef"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


def written(texts, run_id=BOOK, room=5600):
    """The parameters of a book with these bodies."""
    params, chain = {}, chain_seed(run_id)
    for place, text in enumerate(texts, 1):
        value, more = encode_entry(str(ULID()), text, chain, room)
        params |= {param_key(place): value, **more}
        chain = value.split(" ", 3)[2]
    return params


def notes(n):
    return [f'{{"type":"NOTE","note":"{i}"}}' for i in range(n)]


def whats(params, anchors=()):
    return [(finding.position, finding.what) for finding in collect_findings(decode_volume(params, BOOK), anchors)]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8), st.integers(1, 500))
def test_every_body_that_is_written_is_read_back_whole_whatever_fits_into_a_parameter(texts, room):
    params = written(texts, room=room)
    reading = decode_volume(params, BOOK)
    assert reading.head == len(texts)
    assert not reading.findings
    assert [entry.position for entry in reading.entries] == list(range(1, len(texts) + 1))
    assert all(len(value) <= room + 157 for value in params.values())


@settings(deadline=None)
@given(st.integers(2, 8), st.data())
def test_an_edited_body_is_named_at_its_place(n, data):
    place = data.draw(st.integers(1, n))
    params = written(notes(n))
    params[param_key(place)] = params[param_key(place)].replace("NOTE", "NOT3")
    assert whats(params) == [(place, "edited")]


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_a_cut_tail_is_silent_alone_and_behind_its_anchor_with_one(n, data):
    kept = data.draw(st.integers(0, n - 1))
    params = written(notes(n))
    anchor = Anchor(n, decode_volume(params, BOOK).chain)
    cut = {name: value for name, value in params.items() if int(name) <= kept}
    assert whats(cut) == []
    assert whats(cut, [anchor]) == [(n, "head behind its anchor")]
    assert blocking_finding(collect_findings(decode_volume(cut, BOOK), [anchor]))


def test_two_swapped_entries_break_the_chain_and_stop_the_writing():
    params = written(notes(9))
    params[param_key(4)], params[param_key(6)] = params[param_key(6)], params[param_key(4)]
    reading = decode_volume(params, BOOK)
    assert (7, "chain broken") in whats(params)
    assert blocking_finding(reading.findings)


def test_a_book_copied_from_another_is_broken():
    params = written(notes(5), run_id="another")
    assert blocking_finding(decode_volume(params, BOOK).findings)
    assert not decode_volume(params, BOOK).entries


@given(st.integers(4, 9), st.data())
def test_a_deleted_entry_is_a_gap_as_soon_as_two_stand_behind_it(n, data):
    place = data.draw(st.integers(1, n - 1))
    params = written(notes(n))
    del params[param_key(place)]
    assert whats(params) == [(place, "gap") if place < n - 1 else (n, "beyond the end")]


@given(st.integers(2, 9), st.data())
def test_whichever_two_entries_change_places_the_first_of_them_is_named(n, data):
    one, other = sorted(data.draw(st.lists(st.integers(1, n), min_size=2, max_size=2, unique=True)))
    params = written(notes(n))
    params[param_key(one)], params[param_key(other)] = params[param_key(other)], params[param_key(one)]
    assert whats(params)[0] == (one, "reordered")
    assert f"place {other}" in decode_volume(params, BOOK).findings[0].means


def test_an_entry_that_lost_a_part_of_its_text_is_told_from_an_edited_one():
    params = written(['{"type":"NOTE","note":"' + "x" * 50 + '"}'], room=20)
    part = next(name for name in params if name.endswith(".01"))
    assert whats({name: value for name, value in params.items() if name != part}) == [(1, "missing")]
    assert whats(params | {part: params[part].replace("x", "y")}) == [(1, "edited")]


def test_a_rewritten_book_differs_from_its_anchor():
    anchor = Anchor(5, decode_volume(written(notes(5)), BOOK).chain)
    assert whats(written(['{"type":"LIE"}', *notes(5)]), [anchor]) == [(5, "differs from its anchor")]


def test_a_stray_at_the_next_place_is_absorbed_as_void_and_writing_goes_on():
    params = written(notes(3))
    for stray in ("hello", params[param_key(2)]):
        book = params | {param_key(4): stray}
        reading = decode_volume(book, BOOK)
        assert [f.what for f in reading.findings] == ["void"]
        value, _ = encode_entry(str(ULID()), notes(1)[0], reading.chain)
        after = decode_volume(book | {param_key(5): value}, BOOK)
        assert after.head == 5
        assert len(after.entries) == 4
        assert not blocking_finding(after.findings)


def test_two_replayed_entries_at_the_end_do_not_stop_the_writing():
    params = written(notes(4))
    reading = decode_volume(params | {param_key(5): params[param_key(3)], param_key(6): params[param_key(4)]}, BOOK)
    assert not blocking_finding(reading.findings)


def test_a_stray_beyond_the_head_is_named_and_never_blocks():
    params = written(notes(3)) | {param_key(9): written(notes(1))[param_key(1)]}
    assert whats(params) == [(9, "beyond the end")]
    assert not blocking_finding(decode_volume(params, BOOK).findings)


def test_an_entry_of_a_newer_schema_is_read_and_stops_the_writing():
    reading = decode_volume(written(['{"schema":2,"type":"OPENED","model":"m"}']), BOOK)
    assert isinstance(reading.entries[0].body, UnknownBody)
    assert blocking_finding(reading.findings)


@settings(deadline=None)
@given(TEXTS)
def test_no_body_however_odd_makes_reading_fail(text):
    assert parse_body(text).type


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.floats() | TEXTS, max_size=5))
def test_no_json_object_makes_reading_fail(raw):
    assert parse_body(json.dumps({"type": "OPENED", **raw})).type


def test_an_unknown_entry_can_be_written_again_as_json():
    other = parse_body('{"schema":1,"type":"REQUESTED","model":"m","risk":"high"}')
    assert to_json(other)["type"] == "REQUESTED"
    assert '"model":"m"' in canonical_json(other)


def test_numbers_that_json_cannot_hold_become_words():
    assert [to_json_number(v) for v in (float("nan"), float("inf"), float("-inf"), 0.5)] == ["NaN", "Infinity", "-Infinity", 0.5]


def test_the_chain_depends_on_the_book_and_on_every_body_before():
    assert chain_seed("a") != chain_seed("b")
    assert next_chain(chain_seed("a"), "x") != next_chain(chain_seed("b"), "x") != next_chain(chain_seed("a"), "y")
