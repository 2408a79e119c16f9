"""Remembered heads: anything but a continuation raises an alarm, unless a new settlement explains it."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.ledger.chain.hash_chain import DecodedBook, Entry, hash_text
from lib.ledger.state.known_heads import (
    KnownHead,
    KnownStore,
    LivingModel,
    PresentBooks,
    judge_known_head,
    judge_known_heads,
    merge_known_store,
)
from lib.ledger.state.replay import replay
from tests.support.ledger_factories import CREATED_AT, RECORDED_AT, RECREATED_AT, make_opened

WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)
OLD, NEW = "e-old", "e-new"


def make_book(words, seed="book"):
    """A book with a chain over these texts."""
    return DecodedBook((), tuple(accumulate(words, lambda chain, word: hash_text(chain + word), initial=seed)), ())


def head_of(book, book_id="b", model="m", settlement_ids=()):
    return KnownHead(model, book_id, book.head, book.chain, RECORDED_AT, frozenset(settlement_ids))


def state_of(*names_and_times, words="ab"):
    """A book opened for these lives, with a chain over some texts."""
    bodies = [make_opened(created=created).model_copy(update={"model": name}) for name, created in names_and_times]
    entries = tuple(Entry(n, f"e{n}", f"c{n}", body) for n, body in enumerate(bodies, 1))
    return replay(replace(make_book(words), entries=entries))


def what_of(known_heads, present):
    return [(alarm.known.book_id, alarm.what) for alarm in judge_known_heads(known_heads, present)]


@given(WORDS, st.lists(st.sampled_from("abc")))
def test_a_book_that_only_grew_is_no_alarm(words, further_words):
    assert judge_known_head(head_of(make_book(words)), make_book([*words, *further_words]), {}) is None


@given(WORDS, st.lists(st.sampled_from("abc"), max_size=8))
def test_any_book_that_does_not_begin_with_the_known_one_is_an_alarm(words, other_words):
    alarm = judge_known_head(head_of(make_book(words)), make_book(other_words), {})
    if other_words[: len(words)] == words:
        assert alarm is None
    else:
        assert alarm
        assert alarm.what == ("book is shorter" if len(other_words) < len(words) else "chain differs")
        assert alarm.present_head.place == len(other_words)


@given(WORDS, st.sets(st.sampled_from([OLD, NEW, "e-3"])), st.sets(st.sampled_from([OLD, NEW, "e-3"])))
def test_only_a_settlement_that_was_not_known_with_the_head_explains_a_change(words, known_ids, present_ids):
    known, book = head_of(make_book(words), settlement_ids=known_ids), make_book([], "another")
    is_explained = bool(present_ids - known_ids)
    replacements = {"b": frozenset(present_ids), "x": frozenset({"e-of-another-book"})}
    assert (judge_known_head(known, book, replacements) is None) == is_explained
    present = PresentBooks({}, {"m": LivingModel("t", "another")}, replacements=replacements)
    assert (what_of({"b": known}, present) == []) == is_explained


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_the_memory_only_grows_in_whatever_order_readings_arrive(lengths):
    words, known = "abcabc", KnownStore()
    for length in lengths:
        book = make_book(words[:length])
        known, replaced = merge_known_store(known, [(head_of(book), book)], {})
        assert replaced == ()
    assert known.heads["b"].position == max(lengths)


@given(WORDS, WORDS)
def test_a_head_that_does_not_go_on_from_the_remembered_one_changes_nothing(words, other_words):
    book, other = make_book(words), make_book(other_words, "another")
    known, _ = merge_known_store(KnownStore(), [(head_of(book), book)], {"b": frozenset({OLD})})
    assert known.heads["b"].settlement_ids == {OLD}
    assert merge_known_store(known, [(head_of(other), other)], {"b": frozenset({OLD})}) == (known, ())
    merged, (replaced,) = merge_known_store(known, [(head_of(other), other)], {"b": frozenset({OLD, NEW})})
    assert (replaced.known, replaced.settlement_ids) == (known.heads["b"], {NEW})
    assert (merged.heads["b"].chain, merged.heads["b"].settlement_ids) == (other.chain, {OLD, NEW})
    assert judge_known_head(merged.heads["b"], book, {"b": frozenset({OLD, NEW})})


def test_a_settlement_ends_the_memory_of_a_book_that_is_gone():
    book = make_book("ab")
    merged, (replaced,) = merge_known_store(KnownStore("i", {"b": head_of(book)}), [], {"b": frozenset({NEW})})
    assert merged == KnownStore("i", {})
    assert replaced.known.book_id == "b"


def test_reading_the_same_again_is_no_news():
    book = make_book("ab")
    known = KnownStore("i", {"b": head_of(book)})
    later = replace(head_of(book), at="2027-01-01T00:00:00.000Z")
    assert merge_known_store(known, [(later, book)], {}) == (known, ())


WINE = state_of(("wine", CREATED_AT))


def known_wine(**fields):
    return {"b": replace(head_of(WINE.book, model="wine"), **fields)}


def test_a_book_that_is_not_there_is_gone_and_one_that_may_not_be_read_is_not():
    assert what_of(known_wine(), PresentBooks({})) == [("b", "book gone")]
    assert what_of(known_wine(), PresentBooks({}, refused_ids=frozenset({"b"}))) == []


@pytest.mark.parametrize("present_id", ["x", ""])
def test_a_model_whose_record_is_another_book_now_is_an_alarm_though_the_first_one_goes_on(present_id):
    present = PresentBooks({"b": WINE, "x": WINE}, {"wine": LivingModel(CREATED_AT, present_id)})
    (alarm,) = judge_known_heads(known_wine(), present)
    assert (alarm.what, alarm.present_head.book if alarm.present_head else "") == ("another book", present_id)


def test_a_name_that_went_on_to_another_model_is_no_alarm():
    renamed = {"wine": LivingModel(RECREATED_AT, "x"), "beer": LivingModel(CREATED_AT, "b")}
    assert what_of(known_wine(), PresentBooks({"b": WINE, "x": WINE}, renamed)) == []
    told_by_the_book = state_of(("wine", CREATED_AT), ("beer", "2026-03-01T00:00:00.000Z"))
    present = PresentBooks({"b": told_by_the_book}, {"wine": LivingModel(RECREATED_AT, "x")})
    assert what_of(known_wine(), present) == []
    renamed_onto = {**known_wine(), "x": head_of(WINE.book, "x", "ale")}
    present = PresentBooks({"b": WINE, "x": WINE}, {"wine": LivingModel(RECREATED_AT, "x")})
    assert what_of(renamed_onto, present) == []
    assert what_of(known_wine(), present) == [("b", "another book")]


def test_the_very_model_of_a_book_is_never_taken_for_another_one():
    """Anyone can plant an OPENED for their own model: then that model has the book, and this one gets a new one."""
    shared = state_of(("wine", CREATED_AT), ("theirs", RECREATED_AT))
    present = PresentBooks(
        {"b": shared, "x": WINE}, {"wine": LivingModel(CREATED_AT, "x"), "theirs": LivingModel(RECREATED_AT, "b")}
    )
    assert what_of(known_wine(), present) == [("b", "another book")]


def test_a_book_of_no_model_is_held_against_itself_alone():
    present = PresentBooks({"b": WINE}, {"wine": LivingModel(CREATED_AT, "x")})
    assert what_of(known_wine(model=""), present) == []
    assert what_of(known_wine(model="", position=3), present) == [("b", "book is shorter")]


def test_hostile_names_are_cleaned():
    (alarm,) = judge_known_heads(known_wine(model="a\nb\x1b]0;x\x07"), PresentBooks({}))
    assert alarm.means.isprintable()
