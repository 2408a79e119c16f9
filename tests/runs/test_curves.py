"""Curves: placing, smoothing and downsampling of points, and the description of the plot."""

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
    _letter_offsets,
    curve_plot,
    describe_curves,
    points_per_line,
)
from lib.runs.plots.style import chart_style
from lib.runs.table.types import Run, Search
from lib.theme import LIGHT
from tests.support.run_factories import table_from_runs

DEFAULT_OPTIONS = CurveOptions()
VALUES = st.one_of(st.sampled_from([math.nan, math.inf, -math.inf, 1.797e308, 0.0, -0.0, 1e-320, 5.0]), st.floats())


def metric_histories(*runs, metric="loss") -> pd.DataFrame:
    """Histories as read from a store: each run (named a, b, c …) is a list of values, or of (step, second, value)."""
    rows = []
    for run_id, values in zip("abcdefgh", runs, strict=False):
        samples = [value if isinstance(value, tuple) else (step, step, value) for step, value in enumerate(values)]
        rows += [(run_id, metric, step, pd.Timestamp(second, unit="s", tz="UTC"), value) for step, second, value in samples]
    data = pd.DataFrame(rows, columns=["run_id", "metric", "step", "time", "value"])
    times = pd.to_datetime(data.time, utc=True).astype("datetime64[ms, UTC]")
    return data.astype({"run_id": "str", "metric": "str", "step": "int64", "value": "float64"}).assign(time=times)


def run_table(histories, scores=()):
    """The runs of some histories, with a colour metric `acc`."""
    ids = list(dict.fromkeys(histories.run_id))
    values = dict(zip(ids, scores, strict=False))
    runs = [Run(run_id, f"run {run_id}", "1", "FINISHED", "active", metrics={"acc": values.get(run_id, 0.5)}) for run_id in ids]
    return table_from_runs(Search(("1",)), runs, None)


def curve_spec(histories, options=DEFAULT_OPTIONS, selected_run_ids=(), band="no band"):
    table = run_table(histories, [0.1, 0.9])
    return curve_plot(
        build_curve_points(histories, options),
        table,
        "metrics.loss",
        chart_style(table, "metrics.acc", selected_run_ids, LIGHT),
        band,
    ).to_dict()


def layer_rows(spec, mark_type):
    """The data of each layer with this mark, as rows."""
    layers = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark_type]
    return [spec["datasets"][layer["data"]["name"]] for layer in layers]


def test_points_stand_at_their_step_their_time_or_the_seconds_since_the_runs_first_value():
    histories = metric_histories([(0, 100, 1.0), (5, 110, 2.0)], [(0, 900, 3.0), (2, 903, 4.0)])
    assert build_curve_points(histories, CurveOptions("step")).points["at"].tolist() == [0, 5, 0, 2]
    assert build_curve_points(histories, CurveOptions("wall")).points["at"].tolist() == [100_000, 110_000, 900_000, 903_000]
    relative = build_curve_points(histories, CurveOptions("relative"))
    assert relative.points["at"].tolist() == [0, 10, 0, 3]
    assert relative.axis_title.endswith("(seconds)")
    in_hours = build_curve_points(metric_histories([(0, 0, 1.0), (1, 7200, 2.0)]), CurveOptions("relative"))
    assert (in_hours.points["at"].tolist(), in_hours.axis_title[-7:]) == ([0, 2], "(hours)")


def test_a_step_logged_again_later_stands_at_its_step_and_at_its_time():
    histories = metric_histories([(1, 5, 1.0), (0, 9, 2.0)])
    assert build_curve_points(histories, CurveOptions("step")).points.value.tolist() == [2, 1]
    assert build_curve_points(histories, CurveOptions("wall")).points.value.tolist() == [1, 2]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0.01, 0.5, 0.9, 0.99]))
@settings(max_examples=20, deadline=None)
def test_smoothing_is_the_debiased_moving_average_of_common_trackers(values, weight):
    last, expected = 0.0, []
    for number, value in enumerate(values, 1):
        last = last * weight + (1 - weight) * value
        expected.append(last / (1 - weight**number))
    np.testing.assert_allclose(smooth_values(metric_histories(values), weight), expected, rtol=1e-6, atol=1e-6)


def test_smoothing_passes_over_nan_and_keeps_runs_apart():
    curve_points = build_curve_points(metric_histories([1.0, math.nan, 1.0, 1.0], [9.0, 9.0]), CurveOptions(smoothing=0.9))
    np.testing.assert_allclose(curve_points.points.value, [1, math.nan, 1, 1, 9, 9])
    assert curve_points.non_finite_count == 1


def test_a_line_breaks_where_a_value_is_no_number_and_it_is_counted():
    curve_points = build_curve_points(metric_histories([1.0, math.nan, 2.0, math.inf, 3.0, 1.797693e308, 4.0]), CurveOptions())
    assert curve_points.non_finite_count == 3
    assert curve_points.plotted_points.value.tolist() == [1, 2, 3, 4]
    assert curve_points.plotted_points.part.nunique() == 4


def test_on_a_log_axis_only_what_is_above_zero_has_a_place():
    curve_points = build_curve_points(metric_histories([1.0, 0.0, -1.0, 10.0]), CurveOptions(scale="log"))
    assert (curve_points.non_positive_count, curve_points.plotted_points.value.tolist()) == (2, [1, 10])
    assert build_curve_points(metric_histories([0.0]), CurveOptions(scale="linear")).non_positive_count == 0


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_long_line_is_thinned_and_keeps_its_ends_and_its_spike(scale):
    values = [1.0 + math.sin(step / 50) / 10 for step in range(5000)]
    values[2345] = 100.0
    sample = downsample_points(
        build_curve_points(metric_histories(values, [1.0, 2.0]), CurveOptions(scale=scale)), MAX_LINE_POINTS
    )
    first_run = sample[sample.run_id == "a"]
    assert len(first_run) == MAX_LINE_POINTS
    assert {0, 2345, 4999} <= set(first_run.step)
    assert first_run.value.tolist() == [values[step] for step in first_run.step]
    assert len(sample[sample.run_id == "b"]) == 2


def test_the_band_runs_from_the_lowest_to_the_highest_line_where_two_runs_are():
    band = min_max_band(
        build_curve_points(metric_histories([(0, 0, 0.0), (10, 10, 10.0)], [(5, 5, 1.0), (8, 8, 1.0)]), CurveOptions())
    )
    assert band.to_numpy().tolist() == [[5, 1, 5], [8, 1, 8]]
    assert len(min_max_band(build_curve_points(metric_histories([1.0, 2.0]), CurveOptions()))) == 0
    assert len(min_max_band(build_curve_points(metric_histories(range(900), range(900)), CurveOptions()))) == BAND_GRID_SIZE


def test_on_a_log_axis_the_band_follows_lines_that_are_straight_there():
    band = min_max_band(
        build_curve_points(
            metric_histories([(0, 0, 1.0), (2, 2, 100.0)], [(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)]), CurveOptions(scale="log")
        )
    )
    np.testing.assert_allclose(band.high, [1, 10, 100])


@given(
    st.lists(st.lists(VALUES, max_size=6), min_size=1, max_size=3),
    st.sampled_from(X_AXIS_KINDS),
    st.sampled_from(["linear", "log"]),
)
@settings(max_examples=20, deadline=None)
def test_whatever_was_logged_every_real_value_has_a_place_and_the_picture_can_be_drawn(values, x_axis, scale):
    histories = metric_histories(*values)
    for smoothing in (0.0, 0.7):
        curve_points = build_curve_points(histories, CurveOptions(x_axis, smoothing, scale))
        finite_values = [value for run_values in values for value in run_values if math.isfinite(value) and abs(value) < 1.79e308]
        if not smoothing and scale == "linear":
            assert sorted(curve_points.plotted_points.value) == sorted(finite_values)
        if len(curve_points.plotted_points):
            text = json.dumps(curve_spec(histories, CurveOptions(x_axis, smoothing, scale), ("a",), "band"), allow_nan=False)
            assert "Infinity" not in text


def test_picked_runs_are_ink_with_dash_and_letter_and_the_others_keep_their_shade():
    spec = curve_spec(metric_histories([1.0, 2.0], [2.0, 3.0], [5.0, 9.0]), selected_run_ids=("b",))
    other_lines, selected_lines = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert other_lines["transform"] != selected_lines["transform"]
    assert selected_lines["mark"]["stroke"] == LIGHT["ink"]
    assert "strokeDash" in selected_lines["encoding"]
    assert {row["shade"] for row in layer_rows(spec, "line")[0]} == {0.1, 0.9, 0.5}
    assert [row["letter"] for rows in layer_rows(spec, "text") for row in rows] == ["A", "A"]


def test_letters_that_would_touch_stand_one_below_the_other():
    assert _letter_offsets([1.0, 1.0, 0.2], [0.5, 0.5, 0.5]) == [0, 14, 0]
    assert _letter_offsets([1.0, 1.0], [0.9, 0.1]) == [0, 0]


def test_smoothed_lines_stand_over_faint_ones_as_logged():
    spec = curve_spec(metric_histories([1.0, 3.0]), CurveOptions(smoothing=0.5))
    raw, lines = layer_rows(spec, "line")[:2]
    assert [row["up"] for row in raw] == [1, 3]
    assert lines[1]["up"] == pytest.approx(1 + 2 * 0.5 / 0.75)
    assert len(layer_rows(curve_spec(metric_histories([1.0, 3.0])), "line")) == 2


def test_the_pointer_reads_the_run_the_step_and_the_value():
    spec = curve_spec(metric_histories([0.5, 1234.5]), CurveOptions(smoothing=0.5))
    layer = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "point")
    assert [tip["title"] for tip in layer["encoding"]["tooltip"]] == ["Run", "Step", "loss ↓", "Smoothed", "acc ↑"]
    assert [(row["run"], row["where"], row["raw"]) for row in layer_rows(spec, "point")[0]] == [
        ("run a", "0", "0.5000"),
        ("run a", "1", "1,234.5"),
    ]


def test_a_value_that_no_line_touches_is_seen_as_a_point():
    rows = layer_rows(curve_spec(metric_histories([1.0, math.nan, 2.0, 3.0])), "point")[0]
    assert [row["alone"] for row in rows] == [True, False, False]


def test_fifty_long_runs_stay_small_enough_for_a_browser():
    histories = pd.concat([metric_histories(range(2000)).assign(run_id=f"r{number}") for number in range(50)], ignore_index=True)
    curve_points, table = build_curve_points(histories, CurveOptions()), run_table(histories)
    assert (points_per_line(1), points_per_line(20), points_per_line(50)) == (MAX_LINE_POINTS, MAX_LINE_POINTS, 320)
    chart = curve_plot(curve_points, table, "metrics.loss", chart_style(table, "metrics.acc", (), LIGHT))
    sizes = {layer.mark.type: len(layer.data) for layer in chart.layer}
    assert sizes["line"] == MAX_TOTAL_POINTS
    assert sizes["point"] <= MAX_HOVER_POINTS < 2000, "Streamlit would draw on a canvas, whole again at each move"


def test_the_finding_names_the_run_that_ends_best():
    histories = metric_histories([1.0, 0.5], [1.0, 0.25], [0.1, math.nan])
    curve_points, table = build_curve_points(histories, CurveOptions()), run_table(histories)
    assert (
        describe_curves(curve_points, table, "metrics.loss")
        == "loss ↓ of 3 runs over step; run c has the best last value, 0.1000"
    )
    assert describe_curves(curve_points, table, "metrics.epoch") == "epoch of 3 runs over step"
    single_history = metric_histories([1.0, 2.0])
    assert (
        describe_curves(build_curve_points(single_history, CurveOptions()), run_table(single_history), "metrics.loss")
        == "loss ↓ of 1 run over step"
    )


def test_the_download_has_every_point_as_logged_and_no_formula():
    histories = metric_histories([0.1, math.nan, -0.5], metric="=1+1")
    rows = list(csv.reader(io.StringIO(points_to_csv(histories, {"a": "@SUM(A1)"}))))
    assert rows[0] == ["run_id", "run", "metric", "step", "time (UTC)", "value"]
    assert rows[1] == ["a", "'@SUM(A1)", "'=1+1", "0", "1970-01-01T00:00:00.000Z", "0.1"]
    assert [row[5] for row in rows[1:]] == ["0.1", "nan", "-0.5"]


def test_names_from_a_backend_stay_data():
    hostile_name = "'] + alert(1) + ['"
    histories = metric_histories([1.0, 2.0])
    table = run_table(histories)
    table = replace(table, identity=table.identity.assign(name=hostile_name))
    spec = curve_plot(
        build_curve_points(histories, CurveOptions()), table, "metrics.loss", chart_style(table, "", (), LIGHT)
    ).to_dict()
    assert hostile_name not in json.dumps({name: part for name, part in spec.items() if name != "datasets"})
