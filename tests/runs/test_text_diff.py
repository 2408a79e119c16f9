"""Text diffs: signs in addition to colours, unchanged stretches folded, a cap on the work."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.text_diff import diff


def test_a_changed_line_is_taken_out_and_put_in():
    result = diff("a\nb\nc\n", "a\nB\nc\n")
    assert result.lines == ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")
    assert (result.added, result.removed) == (1, 1)


def test_equal_texts_have_no_line_even_with_other_line_ends():
    assert diff("a\nb", "a\r\nb\r\n").is_same


def test_a_long_stretch_is_folded_and_the_lines_keep_their_numbers():
    common_lines = [str(number) for number in range(5000)]
    result = diff("\n".join([*common_lines, "old", *common_lines]), "\n".join([*common_lines, "new", *common_lines]))
    assert result.lines[0] == "@@ -4998,7 +4998,7 @@"
    assert len(result.lines) == 9


def test_a_minus_in_a_text_is_not_counted_as_a_line_taken_out():
    result = diff("--- a\nx", "--- a\ny")
    assert (result.added, result.removed) == (1, 1)


def test_texts_that_share_nothing_are_refused_with_the_reason_when_they_are_long():
    start = time.monotonic()
    result = diff("\n".join(f"a{n}" for n in range(4000)), "\n".join(f"b{n}" for n in range(4000)))
    assert "3,000 lines" in result.reason
    assert not result.is_same
    assert time.monotonic() - start < 5


def test_the_worst_texts_below_the_cap_take_seconds_at_most():
    start = time.monotonic()
    diff("\n".join(str(n % 149) for n in range(2900)), "\n".join(str(n * 7 % 149) for n in range(2900)))
    assert time.monotonic() - start < 20


LINES = st.lists(st.sampled_from(["a", "b", "c", "-", "+x", ""]), max_size=14)


@settings(deadline=None, max_examples=60)
@given(LINES, LINES)
def test_with_all_lines_around_both_texts_can_be_had_back(old, new):
    result = diff("\n".join(old), "\n".join(new), 1000)
    body = [line for line in result.lines if not line.startswith("@@")]
    if not result.is_same:
        assert [line[1:] for line in body if line[0] in " -"] == "\n".join(old).splitlines()
        assert [line[1:] for line in body if line[0] in " +"] == "\n".join(new).splitlines()
    else:
        assert "\n".join(old).splitlines() == "\n".join(new).splitlines()
