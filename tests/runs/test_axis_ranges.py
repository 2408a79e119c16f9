"""Ranges: what a brush keeps is exactly what lies under it, and a link brings back the same runs."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.plots.axes import BELOW, axis
from lib.runs.plots.axis_ranges import (
    Range,
    between,
    brushed,
    drawn,
    inside,
    moved,
    passing,
    read,
    said,
    span,
    steps,
    stops,
    written,
)
from tests.runs.test_frames import made, runs_of

NUMBERS = st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-5, 5).map(float)), min_size=1, max_size=12)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["9", "10", "a..b", "..", "x:y", "", "None"])), min_size=1, max_size=10)
PLACE = st.floats(BELOW - 0.05, 1.04)


def numbers(values, name="metrics.m"):
    key = name.partition(".")[2]
    return axis(runs_of(*(made(str(n), metrics={} if v is None else {key: v}) for n, v in enumerate([*values, 0.5]))), name)


def texts(values):
    return axis(runs_of(*(made(str(n), params={} if v is None else {"t": v}) for n, v in enumerate([*values, "z"]))), "params.t")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), PLACE, PLACE)
def test_a_brush_keeps_exactly_the_runs_under_it(one, low, high):
    low, high = min(low, high), max(low, high)
    kept = brushed(one, low, high)
    under = [low <= place <= high for place in one.places]
    if kept is None:
        assert not any(under)
        return
    assert inside(kept, one) == under


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), PLACE, PLACE)
def test_a_link_and_a_brush_drawn_from_it_bring_back_the_same_runs(one, low, high):
    kept = brushed(one, low, high)
    if kept is None:
        return
    (again,) = read([written(kept)], [one])
    assert inside(again, one) == inside(kept, one)
    if any(inside(kept, one)):
        low, high = span(kept, one)
        assert [low <= place <= high for place in one.places] == inside(kept, one)


def test_a_brush_is_written_in_the_roundest_numbers_that_keep_the_same_runs():
    one = axis(runs_of(*(made(str(n), params={"trees": n}) for n in (10, 20, 30, 40, 50))), "params.trees")
    assert written(brushed(one, 0.2, 0.61)) == "params.trees:20..30"
    assert written(brushed(one, -0.02, 0.3)) == "params.trees:10..20"


def test_a_brush_that_begins_below_the_axis_keeps_the_runs_without_a_value():
    one = numbers([1.0, None, math.nan, math.inf])
    kept = brushed(one, BELOW - 0.02, 0.2)
    assert written(kept) == "metrics.m:..0.6"
    assert inside(kept, one) == [False, True, True, True, True]
    only = brushed(one, BELOW - 0.02, BELOW + 0.02)
    assert written(only) == "metrics.m:.."
    assert inside(only, one) == [False, True, True, True, False]
    assert said(only, one) == "m ↑ without a value"


def test_nonsense_in_a_link_is_left_out_and_the_last_range_of_a_column_counts():
    one = numbers([1.0, 2.0])
    odd = ["metrics.m", "metrics.m:", "metrics.m:a..b", "metrics.m:1..nan", "params.x:1..2", "metrics.m:3", "..", ""]
    assert read(odd, [one]) == ()
    assert read(["metrics.m:0..1", "metrics.m:1..2"], [one]) == (Range("metrics.m", 1.0, 2.0),)
    assert read(["metrics.m:1.."], [one]) == (Range("metrics.m", 1.0, None),)


def test_a_run_must_lie_in_every_range():
    runs = runs_of(*(made(str(n), params={"n": n, "k": -n}) for n in range(5)))
    axes = [axis(runs, "params.n"), axis(runs, "params.k")]
    assert passing(read(["params.n:1..3", "params.k:-2..0"], axes), axes, runs.ids) == ["1", "2"]
    assert passing((), axes, runs.ids) == list(runs.ids)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), st.data())
def test_a_slider_keeps_the_runs_between_its_stops_and_shows_them_again(one, data):
    labels = [step.label for step in steps(one)]
    assert len(set(labels)) == len(labels)
    low, high = sorted(data.draw(st.tuples(st.integers(0, len(labels) - 1), st.integers(0, len(labels) - 1))))
    kept = moved(one, labels[low], labels[high])
    if (low, high) == (0, len(labels) - 1):
        assert kept is None
        return
    assert stops(kept, steps(one)) == (labels[low], labels[high])
    expected = {one.texts[row] for row, held in enumerate(inside(kept, one)) if held}
    assert expected == set(labels[low : high + 1])


def test_a_slider_over_thousands_of_values_has_few_stops_and_both_ends():
    made_ = steps(numbers([n / 1000 for n in range(3000)]))
    assert len(made_) <= 60
    assert (made_[0].low, made_[-1].high) == (0.0, 2.999)


def test_a_box_over_lanes_keeps_the_lanes_under_it():
    one = texts(["9", "10", "None"])
    assert one.lanes == ("9", "10", "None", "z")
    assert [drawn(one, one.place(lane)) for lane in one.lanes] == [0, 1, 2, 3]
    assert written(between(one, 0.6, 2.2)) == "params.t:10..None"
    assert written(between(one, 1.2, 1.8)) == "params.t:None..10"


def test_a_brush_between_two_lanes_is_a_range_without_a_run_and_says_so():
    one = texts(["9", "10", None, "None"])
    for low, high in ((0.4, 0.6), (0.0, 0.1), (0.9, 1.0)):
        kept = brushed(one, low, high)
        assert not any(inside(kept, one))
        assert read([written(kept)], [one]) == (kept,)
        assert said(kept, one) == "t at none of its values"
        assert not any(span(kept, one)[0] <= place <= span(kept, one)[1] for place in one.places)
        assert stops(kept, steps(one)) == ("9", "z")


def test_a_box_below_a_logarithmic_axis_does_not_break_it():
    one = axis(runs_of(*(made(str(n), params={"n": n}) for n in (1, 10, 1000))), "params.n")
    assert one.log
    assert written(between(one, -5.0, 20.0)) == "params.n:1..20"
