"""The chain: written entries can be read back, and tampering is reported with its place."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from ulid import ULID

from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.book_findings import blocking_finding, collect_findings
from lib.ledger.chain.hash_chain import Anchor, chain_seed, encode_entry, next_chain, param_key
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import UnknownBody, canonical_json, to_json, to_json_number

BOOK = "0123456789abcdef0123456789abcdef"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


def make_params(texts, run_id=BOOK, chunk_length=5600):
    """The parameters of a book with these bodies."""
    params, chain = {}, chain_seed(run_id)
    for position, text in enumerate(texts, 1):
        value, chunks = encode_entry(str(ULID()), text, chain, chunk_length)
        params |= {param_key(position): value, **chunks}
        chain = value.split(" ", 3)[2]
    return params


def make_notes(n):
    return [f'{{"type":"NOTE","note":"{number}"}}' for number in range(n)]


def found_problems(params, anchors=()):
    return [(finding.position, finding.what) for finding in collect_findings(decode_volume(params, BOOK), anchors)]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8), st.integers(1, 500))
def test_every_body_that_is_written_is_read_back_whole_whatever_fits_into_a_parameter(texts, chunk_length):
    params = make_params(texts, chunk_length=chunk_length)
    book = decode_volume(params, BOOK)
    assert book.head == len(texts)
    assert not book.findings
    assert [entry.position for entry in book.entries] == list(range(1, len(texts) + 1))
    assert all(len(value) <= chunk_length + 157 for value in params.values())


@settings(deadline=None)
@given(st.integers(2, 8), st.data())
def test_an_edited_body_is_named_at_its_place(n, data):
    position = data.draw(st.integers(1, n))
    params = make_params(make_notes(n))
    params[param_key(position)] = params[param_key(position)].replace("NOTE", "NOT3")
    assert found_problems(params) == [(position, "edited")]


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_a_cut_tail_is_silent_alone_and_behind_its_anchor_with_one(n, data):
    length = data.draw(st.integers(0, n - 1))
    params = make_params(make_notes(n))
    anchor = Anchor(n, decode_volume(params, BOOK).chain)
    cut_params = {name: value for name, value in params.items() if int(name) <= length}
    assert found_problems(cut_params) == []
    assert found_problems(cut_params, [anchor]) == [(n, "head behind its anchor")]
    assert blocking_finding(collect_findings(decode_volume(cut_params, BOOK), [anchor]))


def test_two_swapped_entries_break_the_chain_and_stop_the_writing():
    params = make_params(make_notes(9))
    params[param_key(4)], params[param_key(6)] = params[param_key(6)], params[param_key(4)]
    book = decode_volume(params, BOOK)
    assert (7, "chain broken") in found_problems(params)
    assert blocking_finding(book.findings)


def test_a_book_copied_from_another_is_broken():
    params = make_params(make_notes(5), run_id="another")
    assert blocking_finding(decode_volume(params, BOOK).findings)
    assert not decode_volume(params, BOOK).entries


@given(st.integers(4, 9), st.data())
def test_a_deleted_entry_is_a_gap_as_soon_as_two_stand_behind_it(n, data):
    position = data.draw(st.integers(1, n - 1))
    params = make_params(make_notes(n))
    del params[param_key(position)]
    assert found_problems(params) == [(position, "gap") if position < n - 1 else (n, "beyond the end")]


@given(st.integers(2, 9), st.data())
def test_whichever_two_entries_change_places_the_first_of_them_is_named(n, data):
    first, second = sorted(data.draw(st.lists(st.integers(1, n), min_size=2, max_size=2, unique=True)))
    params = make_params(make_notes(n))
    params[param_key(first)], params[param_key(second)] = params[param_key(second)], params[param_key(first)]
    assert found_problems(params)[0] == (first, "reordered")
    assert f"place {second}" in decode_volume(params, BOOK).findings[0].means


def test_an_entry_that_lost_a_part_of_its_text_is_told_from_an_edited_one():
    params = make_params(['{"type":"NOTE","note":"' + "x" * 50 + '"}'], chunk_length=20)
    chunk_key = next(name for name in params if name.endswith(".01"))
    assert found_problems({name: value for name, value in params.items() if name != chunk_key}) == [(1, "missing")]
    assert found_problems(params | {chunk_key: params[chunk_key].replace("x", "y")}) == [(1, "edited")]


def test_a_rewritten_book_differs_from_its_anchor():
    anchor = Anchor(5, decode_volume(make_params(make_notes(5)), BOOK).chain)
    assert found_problems(make_params(['{"type":"LIE"}', *make_notes(5)]), [anchor]) == [(5, "differs from its anchor")]


def test_a_stray_at_the_next_place_is_absorbed_as_void_and_writing_goes_on():
    params = make_params(make_notes(3))
    for stray in ("hello", params[param_key(2)]):
        params_with_stray = params | {param_key(4): stray}
        book = decode_volume(params_with_stray, BOOK)
        assert [f.what for f in book.findings] == ["void"]
        value, _ = encode_entry(str(ULID()), make_notes(1)[0], book.chain)
        later_book = decode_volume(params_with_stray | {param_key(5): value}, BOOK)
        assert later_book.head == 5
        assert len(later_book.entries) == 4
        assert not blocking_finding(later_book.findings)


def test_two_replayed_entries_at_the_end_do_not_stop_the_writing():
    params = make_params(make_notes(4))
    book = decode_volume(params | {param_key(5): params[param_key(3)], param_key(6): params[param_key(4)]}, BOOK)
    assert not blocking_finding(book.findings)


def test_a_stray_beyond_the_head_is_named_and_never_blocks():
    params = make_params(make_notes(3)) | {param_key(9): make_params(make_notes(1))[param_key(1)]}
    assert found_problems(params) == [(9, "beyond the end")]
    assert not blocking_finding(decode_volume(params, BOOK).findings)


def test_an_entry_of_a_newer_schema_is_read_and_stops_nothing_because_nobody_signed_it():
    book = decode_volume(make_params(['{"schema":3,"type":"OPENED","model":"m"}']), BOOK)
    assert isinstance(book.entries[0].body, UnknownBody)
    assert [finding.what for finding in book.findings] == ["newer schema"]
    assert not blocking_finding(book.findings)


@settings(deadline=None)
@given(TEXTS)
def test_no_body_however_odd_makes_reading_fail(text):
    assert parse_body(text).type


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.floats() | TEXTS, max_size=5))
def test_no_json_object_makes_reading_fail(raw):
    assert parse_body(json.dumps({"type": "OPENED", **raw})).type


def test_an_unknown_entry_can_be_written_again_as_json():
    body = parse_body('{"schema":1,"type":"REQUESTED","model":"m","risk":"high"}')
    assert to_json(body)["type"] == "REQUESTED"
    assert '"model":"m"' in canonical_json(body)


def test_numbers_that_json_cannot_hold_become_words():
    assert [to_json_number(value) for value in (float("nan"), float("inf"), float("-inf"), 0.5)] == [
        "NaN",
        "Infinity",
        "-Infinity",
        0.5,
    ]


def test_the_chain_depends_on_the_book_and_on_every_body_before():
    assert chain_seed("a") != chain_seed("b")
    assert next_chain(chain_seed("a"), "x") != next_chain(chain_seed("b"), "x") != next_chain(chain_seed("a"), "y")
