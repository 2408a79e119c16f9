"""Ranges: a brush keeps exactly the runs under it, and a link restores the same runs."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.plots.axes import MISSING_COORDINATE, build_axis
from lib.runs.plots.axis_ranges import (
    AxisRange,
    brush_span,
    describe_range,
    format_range,
    inside_mask,
    parse_ranges,
    plot_value_at,
    range_from_box,
    range_from_brush,
    range_from_stops,
    runs_in_ranges,
    selected_stops,
    slider_stops,
)
from tests.support.run_factories import make_run, make_run_table

NUMBERS = st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-5, 5).map(float)), min_size=1, max_size=12)
TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["9", "10", "a..b", "..", "x:y", "", "None"])), min_size=1, max_size=10)
COORDINATE = st.floats(MISSING_COORDINATE - 0.05, 1.04)


def numeric_axis(values, name="metrics.m"):
    key = name.partition(".")[2]
    return build_axis(
        make_run_table(*(make_run(str(n), metrics={} if v is None else {key: v}) for n, v in enumerate([*values, 0.5]))), name
    )


def categorical_axis(values):
    return build_axis(
        make_run_table(*(make_run(str(n), params={} if v is None else {"t": v}) for n, v in enumerate([*values, "z"]))),
        "params.t",
    )


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numeric_axis), TEXTS.map(categorical_axis)), COORDINATE, COORDINATE)
def test_a_brush_keeps_exactly_the_runs_under_it(axis, low, high):
    low, high = min(low, high), max(low, high)
    axis_range = range_from_brush(axis, low, high)
    is_under_brush = [low <= coordinate <= high for coordinate in axis.coordinates]
    if axis_range is None:
        assert not any(is_under_brush)
        return
    assert inside_mask(axis_range, axis) == is_under_brush


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numeric_axis), TEXTS.map(categorical_axis)), COORDINATE, COORDINATE)
def test_a_link_and_a_brush_drawn_from_it_bring_back_the_same_runs(axis, low, high):
    axis_range = range_from_brush(axis, low, high)
    if axis_range is None:
        return
    (parsed_range,) = parse_ranges([format_range(axis_range)], [axis])
    assert inside_mask(parsed_range, axis) == inside_mask(axis_range, axis)
    if any(inside_mask(axis_range, axis)):
        low, high = brush_span(axis_range, axis)
        assert [low <= coordinate <= high for coordinate in axis.coordinates] == inside_mask(axis_range, axis)


def test_a_brush_is_written_in_the_roundest_numbers_that_keep_the_same_runs():
    axis = build_axis(make_run_table(*(make_run(str(n), params={"trees": n}) for n in (10, 20, 30, 40, 50))), "params.trees")
    assert format_range(range_from_brush(axis, 0.2, 0.61)) == "params.trees:20..30"
    assert format_range(range_from_brush(axis, -0.02, 0.3)) == "params.trees:10..20"


def test_a_brush_that_begins_below_the_axis_keeps_the_runs_without_a_value():
    axis = numeric_axis([1.0, None, math.nan, math.inf])
    axis_range = range_from_brush(axis, MISSING_COORDINATE - 0.02, 0.2)
    assert format_range(axis_range) == "metrics.m:..0.6"
    assert inside_mask(axis_range, axis) == [False, True, True, True, True]
    missing_range = range_from_brush(axis, MISSING_COORDINATE - 0.02, MISSING_COORDINATE + 0.02)
    assert format_range(missing_range) == "metrics.m:.."
    assert inside_mask(missing_range, axis) == [False, True, True, True, False]
    assert describe_range(missing_range, axis) == "m without a value"


def test_nonsense_in_a_link_is_left_out_and_the_last_range_of_a_column_counts():
    axis = numeric_axis([1.0, 2.0])
    nonsense = ["metrics.m", "metrics.m:", "metrics.m:a..b", "metrics.m:1..nan", "params.x:1..2", "metrics.m:3", "..", ""]
    assert parse_ranges(nonsense, [axis]) == ()
    assert parse_ranges(["metrics.m:0..1", "metrics.m:1..2"], [axis]) == (AxisRange("metrics.m", 1.0, 2.0),)
    assert parse_ranges(["metrics.m:1.."], [axis]) == (AxisRange("metrics.m", 1.0, None),)


def test_a_run_must_lie_in_every_range():
    runs = make_run_table(*(make_run(str(n), params={"n": n, "k": -n}) for n in range(5)))
    axes = [build_axis(runs, "params.n"), build_axis(runs, "params.k")]
    assert runs_in_ranges(parse_ranges(["params.n:1..3", "params.k:-2..0"], axes), axes, runs.ids) == ["1", "2"]
    assert runs_in_ranges((), axes, runs.ids) == list(runs.ids)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.one_of(NUMBERS.map(numeric_axis), TEXTS.map(categorical_axis)), st.data())
def test_a_slider_keeps_the_runs_between_its_stops_and_shows_them_again(axis, data):
    labels = [stop.label for stop in slider_stops(axis)]
    assert len(set(labels)) == len(labels)
    low, high = sorted(data.draw(st.tuples(st.integers(0, len(labels) - 1), st.integers(0, len(labels) - 1))))
    axis_range = range_from_stops(axis, labels[low], labels[high])
    if (low, high) == (0, len(labels) - 1):
        assert axis_range is None
        return
    assert selected_stops(axis_range, slider_stops(axis)) == (labels[low], labels[high])
    expected = {axis.texts[row] for row, is_inside in enumerate(inside_mask(axis_range, axis)) if is_inside}
    assert expected == set(labels[low : high + 1])


def test_a_slider_over_thousands_of_values_has_few_stops_and_both_ends():
    stops = slider_stops(numeric_axis([n / 1000 for n in range(3000)]))
    assert len(stops) <= 60
    assert (stops[0].low, stops[-1].high) == (0.0, 2.999)


def test_a_box_over_lanes_keeps_the_lanes_under_it():
    axis = categorical_axis(["9", "10", "None"])
    assert axis.categories == ("9", "10", "None", "z")
    assert [plot_value_at(axis, axis.coordinate_of(category)) for category in axis.categories] == [0, 1, 2, 3]
    assert format_range(range_from_box(axis, 0.6, 2.2)) == "params.t:10..None"
    assert format_range(range_from_box(axis, 1.2, 1.8)) == "params.t:None..10"


def test_a_brush_between_two_lanes_is_a_range_without_a_run_and_says_so():
    axis = categorical_axis(["9", "10", None, "None"])
    for low, high in ((0.4, 0.6), (0.0, 0.1), (0.9, 1.0)):
        axis_range = range_from_brush(axis, low, high)
        assert not any(inside_mask(axis_range, axis))
        assert parse_ranges([format_range(axis_range)], [axis]) == (axis_range,)
        assert describe_range(axis_range, axis) == "t between two values"
        assert not any(
            brush_span(axis_range, axis)[0] <= coordinate <= brush_span(axis_range, axis)[1] for coordinate in axis.coordinates
        )
        assert selected_stops(axis_range, slider_stops(axis)) == ("9", "z")


def test_a_box_below_a_logarithmic_axis_does_not_break_it():
    axis = build_axis(make_run_table(*(make_run(str(n), params={"n": n}) for n in (1, 10, 1000))), "params.n")
    assert axis.is_log
    assert format_range(range_from_box(axis, -5.0, 20.0)) == "params.n:1..20"
