"""Plain text: counts, sizes and lists read well, and what nobody sees is taken out."""

import unicodedata

import pytest

from lib.text import clean_text, format_count, format_large_size, format_size, join_words, strip_invisible, version_list


@pytest.mark.parametrize(("number", "text"), [(0, "0 entries"), (1, "1 entry"), (24_000, "24,000 entries")])
def test_a_count_has_its_plural(number, text):
    assert format_count(number, "entry", "entries") == text
    assert format_count(2, "run") == "2 runs"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_999, "100.0 kB"), (100_000, "0.1 MB"), (5_200_000_000, "5,200.0 MB")],
)
def test_a_size_has_a_unit_that_suits_it(size, text):
    assert format_size(size) == text


def test_a_large_size_is_told_in_megabytes_or_gigabytes():
    assert [format_large_size(size) for size in (400_000, 999_900_000, 3_200_000_000)] == ["0.4 MB", "999.9 MB", "3.2 GB"]


def test_words_are_joined_as_in_a_sentence():
    assert [join_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_versions_are_listed_and_none_is_nobody():
    assert [version_list(versions) for versions in ([], ["1"], ["1", "2"])] == ["no version", "v1", "v1 and v2"]


HIDDEN = [
    chr(code)
    for code in range(0x10000)
    if unicodedata.category(chr(code)) == "Cc" or chr(code) in "\u200b\u200e\u202e\u2066\u2069"
]


def test_a_typed_text_keeps_no_character_that_nobody_sees():
    assert [char for char in (*HIDDEN, "\u2028", "\u2029", "\ufeff") if clean_text(f"a{char}b") != "a b"] == []
    assert clean_text(" \u200b\n v1\t ") == "v1"


def test_a_text_on_a_screen_cannot_be_turned_around_or_broken():
    assert [char for char in HIDDEN if ord(char) < 0x80 or ord(char) > 0x9F if strip_invisible(f"a{char}b") != "a b"] == []
    assert strip_invisible(12) == "12"
