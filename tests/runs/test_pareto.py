"""The Pareto front: no point on it is dominated, and every other point is."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.pareto import pareto_front

VALUE = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True), st.none())
DIRECTION = st.sampled_from(["more", "less"])


def beats(first, second, directions) -> bool:
    """Whether `one` is at least as good in both and better in one."""
    gains = [(a - b) * (1 if direction == "more" else -1) for a, b, direction in zip(first, second, directions, strict=True)]
    return min(gains) >= 0 and max(gains) > 0


def has_finite_values(point) -> bool:
    return all(value is not None and math.isfinite(value) and abs(value) < 8e307 for value in point)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(VALUE, VALUE), max_size=25), st.tuples(DIRECTION, DIRECTION))
def test_no_member_of_the_front_is_beaten_and_everybody_else_is(points, directions):
    front = pareto_front(points, directions)
    finite_indices = [index for index, point in enumerate(points) if has_finite_values(point)]
    for index in finite_indices:
        is_beaten = any(beats(points[other], points[index], directions) for other in finite_indices)
        assert is_beaten == (index not in front)
    assert set(front) <= set(finite_indices)
    assert len(set(front)) == len(front)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(VALUE, VALUE), max_size=25), st.tuples(DIRECTION, DIRECTION))
def test_the_front_runs_from_left_to_right(points, directions):
    x_values = [points[index][0] for index in pareto_front(points, directions)]
    assert x_values == sorted(x_values)


def test_twins_share_their_place_on_the_front():
    assert sorted(pareto_front([(1, 2), (1, 2), (0, 0)], ("more", "more"))) == [0, 1]


def test_a_metric_that_is_better_neither_way_has_no_front():
    with pytest.raises(ValueError, match="with a direction"):
        pareto_front([(1, 1)], ("more", "neither"))
