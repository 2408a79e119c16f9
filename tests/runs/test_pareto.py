"""The Pareto front: nobody on it is beaten, and everybody else is."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.pareto import pareto_front

VALUE = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True), st.none())
WAY = st.sampled_from(["more", "less"])


def beats(one, other, ways) -> bool:
    """Is `one` at least as good in both, and better in one?"""
    gains = [(a - b) * (1 if way == "more" else -1) for a, b, way in zip(one, other, ways, strict=True)]
    return min(gains) >= 0 and max(gains) > 0


def real(point) -> bool:
    return all(value is not None and math.isfinite(value) and abs(value) < 8e307 for value in point)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(VALUE, VALUE), max_size=25), st.tuples(WAY, WAY))
def test_no_member_of_the_front_is_beaten_and_everybody_else_is(points, ways):
    kept = pareto_front(points, ways)
    there = [place for place, point in enumerate(points) if real(point)]
    for place in there:
        beaten = any(beats(points[other], points[place], ways) for other in there)
        assert beaten == (place not in kept)
    assert set(kept) <= set(there)
    assert len(set(kept)) == len(kept)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(VALUE, VALUE), max_size=25), st.tuples(WAY, WAY))
def test_the_front_runs_from_left_to_right(points, ways):
    across = [points[place][0] for place in pareto_front(points, ways)]
    assert across == sorted(across)


def test_twins_share_their_place_on_the_front():
    assert sorted(pareto_front([(1, 2), (1, 2), (0, 0)], ("more", "more"))) == [0, 1]


def test_a_metric_that_is_better_neither_way_has_no_front():
    with pytest.raises(ValueError, match="better one way"):
        pareto_front([(1, 1)], ("more", "neither"))
