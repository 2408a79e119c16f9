"""Ranges: what a brush keeps is exactly what lies under it, and a link brings back the same runs."""

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
PLACE = st.floats(MISSING_COORDINATE - 0.05, 1.04)


def numbers(values, name="metrics.m"):
    key = name.partition(".")[2]
    return build_axis(
        make_run_table(*(make_run(str(n), metrics={} if v is None else {key: v}) for n, v in enumerate([*values, 0.5]))), name
    )


def texts(values):
    return build_axis(
        make_run_table(*(make_run(str(n), params={} if v is None else {"t": v}) for n, v in enumerate([*values, "z"]))),
        "params.t",
    )


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), PLACE, PLACE)
def test_a_brush_keeps_exactly_the_runs_under_it(one, low, high):
    low, high = min(low, high), max(low, high)
    kept = range_from_brush(one, low, high)
    under = [low <= place <= high for place in one.coordinates]
    if kept is None:
        assert not any(under)
        return
    assert inside_mask(kept, one) == under


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), PLACE, PLACE)
def test_a_link_and_a_brush_drawn_from_it_bring_back_the_same_runs(one, low, high):
    kept = range_from_brush(one, low, high)
    if kept is None:
        return
    (again,) = parse_ranges([format_range(kept)], [one])
    assert inside_mask(again, one) == inside_mask(kept, one)
    if any(inside_mask(kept, one)):
        low, high = brush_span(kept, one)
        assert [low <= place <= high for place in one.coordinates] == inside_mask(kept, one)


def test_a_brush_is_written_in_the_roundest_numbers_that_keep_the_same_runs():
    one = build_axis(make_run_table(*(make_run(str(n), params={"trees": n}) for n in (10, 20, 30, 40, 50))), "params.trees")
    assert format_range(range_from_brush(one, 0.2, 0.61)) == "params.trees:20..30"
    assert format_range(range_from_brush(one, -0.02, 0.3)) == "params.trees:10..20"


def test_a_brush_that_begins_below_the_axis_keeps_the_runs_without_a_value():
    one = numbers([1.0, None, math.nan, math.inf])
    kept = range_from_brush(one, MISSING_COORDINATE - 0.02, 0.2)
    assert format_range(kept) == "metrics.m:..0.6"
    assert inside_mask(kept, one) == [False, True, True, True, True]
    only = range_from_brush(one, MISSING_COORDINATE - 0.02, MISSING_COORDINATE + 0.02)
    assert format_range(only) == "metrics.m:.."
    assert inside_mask(only, one) == [False, True, True, True, False]
    assert describe_range(only, one) == "m ↑ without a value"


def test_nonsense_in_a_link_is_left_out_and_the_last_range_of_a_column_counts():
    one = numbers([1.0, 2.0])
    odd = ["metrics.m", "metrics.m:", "metrics.m:a..b", "metrics.m:1..nan", "params.x:1..2", "metrics.m:3", "..", ""]
    assert parse_ranges(odd, [one]) == ()
    assert parse_ranges(["metrics.m:0..1", "metrics.m:1..2"], [one]) == (AxisRange("metrics.m", 1.0, 2.0),)
    assert parse_ranges(["metrics.m:1.."], [one]) == (AxisRange("metrics.m", 1.0, None),)


def test_a_run_must_lie_in_every_range():
    runs = make_run_table(*(make_run(str(n), params={"n": n, "k": -n}) for n in range(5)))
    axes = [build_axis(runs, "params.n"), build_axis(runs, "params.k")]
    assert runs_in_ranges(parse_ranges(["params.n:1..3", "params.k:-2..0"], axes), axes, runs.ids) == ["1", "2"]
    assert runs_in_ranges((), axes, runs.ids) == list(runs.ids)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.one_of(NUMBERS.map(numbers), TEXTS.map(texts)), st.data())
def test_a_slider_keeps_the_runs_between_its_stops_and_shows_them_again(one, data):
    labels = [step.label for step in slider_stops(one)]
    assert len(set(labels)) == len(labels)
    low, high = sorted(data.draw(st.tuples(st.integers(0, len(labels) - 1), st.integers(0, len(labels) - 1))))
    kept = range_from_stops(one, labels[low], labels[high])
    if (low, high) == (0, len(labels) - 1):
        assert kept is None
        return
    assert selected_stops(kept, slider_stops(one)) == (labels[low], labels[high])
    expected = {one.texts[row] for row, held in enumerate(inside_mask(kept, one)) if held}
    assert expected == set(labels[low : high + 1])


def test_a_slider_over_thousands_of_values_has_few_stops_and_both_ends():
    made_ = slider_stops(numbers([n / 1000 for n in range(3000)]))
    assert len(made_) <= 60
    assert (made_[0].low, made_[-1].high) == (0.0, 2.999)


def test_a_box_over_lanes_keeps_the_lanes_under_it():
    one = texts(["9", "10", "None"])
    assert one.categories == ("9", "10", "None", "z")
    assert [plot_value_at(one, one.coordinate_of(lane)) for lane in one.categories] == [0, 1, 2, 3]
    assert format_range(range_from_box(one, 0.6, 2.2)) == "params.t:10..None"
    assert format_range(range_from_box(one, 1.2, 1.8)) == "params.t:None..10"


def test_a_brush_between_two_lanes_is_a_range_without_a_run_and_says_so():
    one = texts(["9", "10", None, "None"])
    for low, high in ((0.4, 0.6), (0.0, 0.1), (0.9, 1.0)):
        kept = range_from_brush(one, low, high)
        assert not any(inside_mask(kept, one))
        assert parse_ranges([format_range(kept)], [one]) == (kept,)
        assert describe_range(kept, one) == "t at none of its values"
        assert not any(brush_span(kept, one)[0] <= place <= brush_span(kept, one)[1] for place in one.coordinates)
        assert selected_stops(kept, slider_stops(one)) == ("9", "z")


def test_a_box_below_a_logarithmic_axis_does_not_break_it():
    one = build_axis(make_run_table(*(make_run(str(n), params={"n": n}) for n in (1, 10, 1000))), "params.n")
    assert one.is_log
    assert format_range(range_from_box(one, -5.0, 20.0)) == "params.n:1..20"
