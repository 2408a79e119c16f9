"""Curves: where points are placed, how they are smoothed and thinned, and what the picture of them says."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.plots.curve_points import (
    BAND_GRID_SIZE,
    X_AXIS_KINDS,
    CurveOptions,
    build_curve_points,
    downsample_points,
    min_max_band,
    points_to_csv,
    smooth_values,
)
from lib.runs.plots.curves import (
    MAX_HOVER_POINTS,
    MAX_LINE_POINTS,
    MAX_TOTAL_POINTS,
    _drops,
    curve_plot,
    describe_curves,
    points_per_line,
)
from lib.runs.plots.style import chart_style
from lib.runs.table.types import Run, Search
from lib.theme import LIGHT
from tests.support.run_factories import table_from_runs

PLAIN = CurveOptions()
VALUES = st.one_of(st.sampled_from([math.nan, math.inf, -math.inf, 1.797e308, 0.0, -0.0, 1e-320, 5.0]), st.floats())


def points(*runs, metric="loss") -> pd.DataFrame:
    """Histories as they are read: each run (named a, b, c …) is a list of values, or of (step, second, value)."""
    rows = []
    for run_id, values in zip("abcdefgh", runs, strict=False):
        told = [value if isinstance(value, tuple) else (step, step, value) for step, value in enumerate(values)]
        rows += [(run_id, metric, step, pd.Timestamp(second, unit="s", tz="UTC"), value) for step, second, value in told]
    made = pd.DataFrame(rows, columns=["run_id", "metric", "step", "time", "value"])
    times = pd.to_datetime(made.time, utc=True).astype("datetime64[ms, UTC]")
    return made.astype({"run_id": "str", "metric": "str", "step": "int64", "value": "float64"}).assign(time=times)


def runs_of(found, scores=()):
    """The runs of some histories, with a metric `acc` that colours them."""
    ids = list(dict.fromkeys(found.run_id))
    values = dict(zip(ids, scores, strict=False))
    made = [Run(one, f"run {one}", "1", "FINISHED", "active", metrics={"acc": values.get(one, 0.5)}) for one in ids]
    return table_from_runs(Search(("1",)), made, None)


def spec(found, manner=PLAIN, picked=(), around="no band"):
    there = runs_of(found, [0.1, 0.9])
    return curve_plot(
        build_curve_points(found, manner), there, "metrics.loss", chart_style(there, "metrics.acc", picked, LIGHT), around
    ).to_dict()


def drawn(made, kind):
    """The data of each layer with this mark, as rows."""
    layers = [layer for layer in made["layer"] if layer["mark"]["type"] == kind]
    return [made["datasets"][layer["data"]["name"]] for layer in layers]


def test_points_stand_at_their_step_their_time_or_the_seconds_since_the_runs_first_value():
    found = points([(0, 100, 1.0), (5, 110, 2.0)], [(0, 900, 3.0), (2, 903, 4.0)])
    assert build_curve_points(found, CurveOptions("step")).points["at"].tolist() == [0, 5, 0, 2]
    assert build_curve_points(found, CurveOptions("wall")).points["at"].tolist() == [100_000, 110_000, 900_000, 903_000]
    since = build_curve_points(found, CurveOptions("relative"))
    assert since.points["at"].tolist() == [0, 10, 0, 3]
    assert since.axis_title.endswith("(seconds)")
    slow = build_curve_points(points([(0, 0, 1.0), (1, 7200, 2.0)]), CurveOptions("relative"))
    assert (slow.points["at"].tolist(), slow.axis_title[-7:]) == ([0, 2], "(hours)")


def test_a_step_logged_again_later_stands_at_its_step_and_at_its_time():
    found = points([(1, 5, 1.0), (0, 9, 2.0)])
    assert build_curve_points(found, CurveOptions("step")).points.value.tolist() == [2, 1]
    assert build_curve_points(found, CurveOptions("wall")).points.value.tolist() == [1, 2]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0.01, 0.5, 0.9, 0.99]))
@settings(max_examples=50, deadline=None)
def test_smoothing_is_the_debiased_moving_average_of_common_trackers(values, weight):
    last, expected = 0.0, []
    for number, value in enumerate(values, 1):
        last = last * weight + (1 - weight) * value
        expected.append(last / (1 - weight**number))
    np.testing.assert_allclose(smooth_values(points(values), weight), expected, rtol=1e-6, atol=1e-6)


def test_smoothing_passes_over_nan_and_keeps_runs_apart():
    of = build_curve_points(points([1.0, math.nan, 1.0, 1.0], [9.0, 9.0]), CurveOptions(smoothing=0.9))
    np.testing.assert_allclose(of.points.value, [1, math.nan, 1, 1, 9, 9])
    assert of.non_finite_count == 1


def test_a_line_breaks_where_a_value_is_no_number_and_it_is_counted():
    of = build_curve_points(points([1.0, math.nan, 2.0, math.inf, 3.0, 1.797693e308, 4.0]), CurveOptions())
    assert of.non_finite_count == 3
    assert of.plotted_points.value.tolist() == [1, 2, 3, 4]
    assert of.plotted_points.part.nunique() == 4


def test_on_a_log_axis_only_what_is_above_zero_has_a_place():
    of = build_curve_points(points([1.0, 0.0, -1.0, 10.0]), CurveOptions(scale="log"))
    assert (of.non_positive_count, of.plotted_points.value.tolist()) == (2, [1, 10])
    assert build_curve_points(points([0.0]), CurveOptions(scale="linear")).non_positive_count == 0


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_long_line_is_thinned_and_keeps_its_ends_and_its_spike(scale):
    values = [1.0 + math.sin(step / 50) / 10 for step in range(5000)]
    values[2345] = 100.0
    few = downsample_points(build_curve_points(points(values, [1.0, 2.0]), CurveOptions(scale=scale)), MAX_LINE_POINTS)
    first = few[few.run_id == "a"]
    assert len(first) == MAX_LINE_POINTS
    assert {0, 2345, 4999} <= set(first.step)
    assert first.value.tolist() == [values[step] for step in first.step]
    assert len(few[few.run_id == "b"]) == 2


def test_the_band_runs_from_the_lowest_to_the_highest_line_where_two_runs_are():
    around = min_max_band(build_curve_points(points([(0, 0, 0.0), (10, 10, 10.0)], [(5, 5, 1.0), (8, 8, 1.0)]), CurveOptions()))
    assert around.to_numpy().tolist() == [[5, 1, 5], [8, 1, 8]]
    assert len(min_max_band(build_curve_points(points([1.0, 2.0]), CurveOptions()))) == 0
    assert len(min_max_band(build_curve_points(points(range(900), range(900)), CurveOptions()))) == BAND_GRID_SIZE


def test_on_a_log_axis_the_band_follows_lines_that_are_straight_there():
    around = min_max_band(
        build_curve_points(
            points([(0, 0, 1.0), (2, 2, 100.0)], [(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)]), CurveOptions(scale="log")
        )
    )
    np.testing.assert_allclose(around.high, [1, 10, 100])


@given(
    st.lists(st.lists(VALUES, max_size=6), min_size=1, max_size=3),
    st.sampled_from(X_AXIS_KINDS),
    st.sampled_from(["linear", "log"]),
)
@settings(max_examples=20, deadline=None)
def test_whatever_was_logged_every_real_value_has_a_place_and_the_picture_can_be_drawn(values, along, scale):
    found = points(*values)
    for smooth in (0.0, 0.7):
        of = build_curve_points(found, CurveOptions(along, smooth, scale))
        real = [value for of_run in values for value in of_run if math.isfinite(value) and abs(value) < 1.79e308]
        if not smooth and scale == "linear":
            assert sorted(of.plotted_points.value) == sorted(real)
        if len(of.plotted_points):
            text = json.dumps(spec(found, CurveOptions(along, smooth, scale), ("a",), "band"), allow_nan=False)
            assert "Infinity" not in text


def test_picked_runs_are_ink_with_dash_and_letter_and_the_others_keep_their_shade():
    made = spec(points([1.0, 2.0], [2.0, 3.0], [5.0, 9.0]), picked=("b",))
    unpicked, picked = [layer for layer in made["layer"] if layer["mark"]["type"] == "line"]
    assert unpicked["transform"] != picked["transform"]
    assert picked["mark"]["stroke"] == LIGHT["ink"]
    assert "strokeDash" in picked["encoding"]
    assert {row["shade"] for row in drawn(made, "line")[0]} == {0.1, 0.9, 0.5}
    assert [row["letter"] for rows in drawn(made, "text") for row in rows] == ["A", "A"]


def test_letters_that_would_touch_stand_one_below_the_other():
    assert _drops([1.0, 1.0, 0.2], [0.5, 0.5, 0.5]) == [0, 14, 0]
    assert _drops([1.0, 1.0], [0.9, 0.1]) == [0, 0]


def test_smoothed_lines_stand_over_faint_ones_as_logged():
    made = spec(points([1.0, 3.0]), CurveOptions(smoothing=0.5))
    raw, lines = drawn(made, "line")[:2]
    assert [row["up"] for row in raw] == [1, 3]
    assert lines[1]["up"] == pytest.approx(1 + 2 * 0.5 / 0.75)
    assert len(drawn(spec(points([1.0, 3.0])), "line")) == 2


def test_the_pointer_reads_the_run_the_step_and_the_value():
    made = spec(points([0.5, 1234.5]), CurveOptions(smoothing=0.5))
    layer = next(layer for layer in made["layer"] if layer["mark"]["type"] == "point")
    assert [tip["title"] for tip in layer["encoding"]["tooltip"]] == ["Run", "Step", "loss ↓", "Smoothed", "acc ↑"]
    assert [(row["run"], row["where"], row["raw"]) for row in drawn(made, "point")[0]] == [
        ("run a", "0", "0.5000"),
        ("run a", "1", "1,234.5"),
    ]


def test_a_value_that_no_line_touches_is_seen_as_a_point():
    rows = drawn(spec(points([1.0, math.nan, 2.0, 3.0])), "point")[0]
    assert [row["alone"] for row in rows] == [True, False, False]


def test_fifty_long_runs_stay_small_enough_for_a_browser():
    found = pd.concat([points(range(2000)).assign(run_id=f"r{number}") for number in range(50)], ignore_index=True)
    of, there = build_curve_points(found, CurveOptions()), runs_of(found)
    assert (points_per_line(1), points_per_line(20), points_per_line(50)) == (MAX_LINE_POINTS, MAX_LINE_POINTS, 320)
    chart = curve_plot(of, there, "metrics.loss", chart_style(there, "metrics.acc", (), LIGHT))
    sizes = {layer.mark.type: len(layer.data) for layer in chart.layer}
    assert sizes["line"] == MAX_TOTAL_POINTS
    assert sizes["point"] <= MAX_HOVER_POINTS < 2000, "Streamlit would draw on a canvas, whole again at each move"


def test_the_finding_names_the_run_that_ends_best():
    found = points([1.0, 0.5], [1.0, 0.25], [0.1, math.nan])
    of, there = build_curve_points(found, CurveOptions()), runs_of(found)
    assert describe_curves(of, there, "metrics.loss") == "loss ↓ of 3 runs over step; run c ends best with 0.1000"
    assert describe_curves(of, there, "metrics.epoch") == "epoch of 3 runs over step"
    one = points([1.0, 2.0])
    assert describe_curves(build_curve_points(one, CurveOptions()), runs_of(one), "metrics.loss") == "loss ↓ of 1 run over step"


def test_the_download_has_every_point_as_logged_and_no_formula():
    found = points([0.1, math.nan, -0.5], metric="=1+1")
    rows = list(csv.reader(io.StringIO(points_to_csv(found, {"a": "@SUM(A1)"}))))
    assert rows[0] == ["run_id", "run", "metric", "step", "time (UTC)", "value"]
    assert rows[1] == ["a", "'@SUM(A1)", "'=1+1", "0", "1970-01-01T00:00:00.000Z", "0.1"]
    assert [row[5] for row in rows[1:]] == ["0.1", "nan", "-0.5"]


def test_names_from_a_backend_stay_data():
    evil = "'] + alert(1) + ['"
    found = points([1.0, 2.0])
    there = runs_of(found)
    there = replace(there, identity=there.identity.assign(name=evil))
    made = curve_plot(
        build_curve_points(found, CurveOptions()), there, "metrics.loss", chart_style(there, "", (), LIGHT)
    ).to_dict()
    assert evil not in json.dumps({name: part for name, part in made.items() if name != "datasets"})
