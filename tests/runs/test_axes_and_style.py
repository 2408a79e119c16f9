"""Axes and plots: every run has a coordinate, no odd value breaks an axis, and picked runs are named."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.plots.axes import MAX_AXES, MISSING_COORDINATE, build_axis, choose_axes, needs_log_scale
from lib.runs.plots.parallel import MAX_LINES, parallel_plot
from lib.runs.plots.scatter import BOX_SELECTION, ScatterOverlay, count_unplotted, scatter_plot
from lib.runs.plots.style import chart_style, sample_runs
from lib.runs.table.number_format import NO_VALUE
from lib.runs.table.run_table import subset, with_experiment_names
from lib.theme import DARK, LIGHT
from tests.support.chart_specs import HOSTILE_NAME, chart_spec, chart_values
from tests.support.run_factories import make_run, make_run_table

ODD_NUMBERS = [math.nan, math.inf, -math.inf, 1.7976931348623157e308, 0.0, -1.0, 1e-320, 5.0]


def build_axes(runs, *names):
    return [build_axis(runs, name) for name in names]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.one_of(st.sampled_from(ODD_NUMBERS), st.floats(allow_nan=True)), min_size=1, max_size=12))
def test_every_value_has_a_finite_place(numbers):
    axis = build_axis(make_run_table(*(make_run(str(n), metrics={"m": value}) for n, value in enumerate(numbers))), "metrics.m")
    assert len(axis.coordinates) == len(numbers)
    assert all(coordinate == MISSING_COORDINATE or 0 <= coordinate <= 1 for coordinate in axis.coordinates)
    assert all(math.isfinite(tick.coordinate) for tick in axis.ticks)


def test_numbers_whose_distance_fits_into_no_float_break_no_axis():
    for values in ([1.7e308, -1.7e308, 0.0, 1.0], [7e307, -7e307, 0.0], [5e-324, 1.0], [1e-300, 7e307]):
        axis = build_axis(
            make_run_table(*(make_run(str(n), metrics={"m": value}) for n, value in enumerate(values))), "metrics.m"
        )
        assert all(coordinate == MISSING_COORDINATE or 0 <= coordinate <= 1 for coordinate in axis.coordinates), values
        assert all(math.isfinite(axis.value_at(coordinate)) for coordinate in (-0.05, 0.5, 1.05)), values
        assert not axis.is_log or axis.value_at(-0.05) > 0, values


def test_a_metric_that_is_infinite_nearly_everywhere_is_no_axis():
    runs = make_run_table(
        *(make_run(str(n), params={"n": n}, metrics={"m": value}) for n, value in enumerate([math.inf, -math.inf, 1.0]))
    )
    assert choose_axes(runs, "metrics.m").names == ("params.n",)


def test_a_metric_and_a_parameter_of_one_name_are_two_axes():
    runs = make_run_table(*(make_run(str(n), params={"steps": n}, metrics={"steps": n}) for n in range(3)))
    assert [axis.title for axis in build_axes(runs, "params.steps", "metrics.steps")] == ["steps", "steps (metric)"]


def test_what_has_no_value_stands_below_the_axis_at_its_own_tick():
    axis = build_axis(
        make_run_table(make_run("a", metrics={"m": 1}), make_run("b"), make_run("c", metrics={"m": 2})), "metrics.m"
    )
    assert axis.coordinates == (0.0, MISSING_COORDINATE, 1.0)
    assert [tick.label for tick in axis.ticks] == [NO_VALUE, "1.0000", "2"]
    assert axis.texts[1] == NO_VALUE


def test_texts_have_lanes_with_numbers_by_size_and_words_above():
    axis = build_axis(make_run_table(*(make_run(text, params={"d": text}) for text in ("None", "10", "9"))), "params.d")
    assert [tick.label for tick in sorted(axis.ticks, key=lambda tick: tick.coordinate)] == ["9", "10", "None"]


def test_an_axis_over_decades_is_logarithmic_and_one_with_a_zero_is_not():
    assert needs_log_scale([5, 10, 200])
    assert not needs_log_scale([0, 10, 1000])
    assert not needs_log_scale([0.07, 1.4])
    assert not needs_log_scale([-1, 1000])


def test_an_axis_is_logarithmic_only_where_that_spreads_the_values_better():
    evenly_spread = [n / 100 for n in range(1, 101)]
    assert not needs_log_scale(evenly_spread)
    assert not needs_log_scale([1e-6, *evenly_spread])
    assert needs_log_scale([10 ** (-n / 8) for n in range(40)])
    assert needs_log_scale([0.0001, 0.001, 0.003, 0.01, 0.1])
    assert not needs_log_scale([1, 1000])


def test_tick_labels_do_not_touch_and_both_ends_stay():
    coordinates = [
        tick.coordinate
        for tick in build_axis(
            make_run_table(*(make_run(str(n), params={"n": n}) for n in (100, 101, 102, 140))), "params.n"
        ).ticks
    ]
    assert (coordinates[0], coordinates[-1]) == (0, 1)
    assert min(b - a for a, b in pairwise(coordinates)) >= 0.05


def test_constants_and_wordy_texts_are_no_axes_and_the_left_out_are_named():
    runs = make_run_table(
        *(
            make_run(str(n), params={"n": n, "same": 1, "note": f"note {n}"}, metrics={"accuracy": n, "flat": 1})
            for n in range(20)
        )
    )
    selection = choose_axes(runs, "metrics.accuracy")
    assert selection.names == ("params.n", "metrics.accuracy")
    assert selection.omitted_names == ("params.note",)


def test_many_parameters_leave_room_for_metrics_and_the_colour_comes_last():
    params = {f"p{n:02}": n for n in range(20)}
    metrics = {f"m{n}": n for n in range(6)}
    runs = make_run_table(
        make_run("a", params=params, metrics=metrics),
        make_run(
            "b",
            params={name: value + 1 for name, value in params.items()},
            metrics={name: value + 1 for name, value in metrics.items()},
        ),
    )
    selection = choose_axes(runs, "metrics.m3")
    assert len(selection.names) == MAX_AXES
    assert selection.names[-1] == "metrics.m3"
    assert sum(name.startswith("metrics.") for name in selection.names) == 4
    assert len(selection.names) + len(selection.omitted_names) == 26


@pytest.mark.parametrize("ink", [LIGHT, DARK])
def test_parallel_names_the_picked_runs_and_keeps_the_metrics_whole_range(ink):
    runs = make_run_table(*(make_run(str(n), params={"n": n}, metrics={"accuracy": n / 10}) for n in range(5)))
    chart = parallel_plot(
        runs, build_axes(runs, "params.n", "metrics.accuracy"), chart_style(runs, "metrics.accuracy", ["4", "1"], ink)
    )
    letters = {row["run_id"]: row["letter"] for row in chart_values(chart) if "run_id" in row}
    assert letters == {"0": None, "1": "B", "2": None, "3": None, "4": "A"}
    assert chart_spec(chart)["layer"][1]["encoding"]["color"]["condition"]["scale"]["domain"] == [0.0, 0.4]
    assert ink["ink"] in chart.to_json()


def test_runs_picked_at_one_place_share_a_label():
    runs = make_run_table(
        make_run("a", params={"n": 1, "k": 1}), make_run("b", params={"n": 1, "k": 2}), make_run("c", params={"n": 2, "k": 1})
    )
    chart = parallel_plot(runs, build_axes(runs, "params.n", "params.k"), chart_style(runs, "", ["a", "b"], LIGHT))
    assert "A B" in [row.get("letter") for row in chart_values(chart)]


def test_hostile_names_stay_data():
    runs = make_run_table(*(make_run(f"{HOSTILE_NAME}{n}", params={HOSTILE_NAME: n}, metrics={"accuracy": n}) for n in range(3)))
    spec = chart_spec(
        parallel_plot(
            runs, build_axes(runs, f"params.{HOSTILE_NAME}", "metrics.accuracy"), chart_style(runs, "metrics.accuracy", (), LIGHT)
        )
    )
    label_expressions = [
        layer["encoding"]["x"]["axis"]["labelExpr"]
        for layer in spec["layer"]
        if "x" in layer["encoding"] and layer["encoding"]["x"].get("axis")
    ]
    for expression in label_expressions:
        labels, end = json.JSONDecoder().raw_decode(expression)
        assert expression[end:] == "[datum.value]"
        assert set(labels) == {"n0", "n1"}
    assert scatter_plot(
        runs,
        tuple(build_axes(runs, f"params.{HOSTILE_NAME}", "metrics.accuracy")),
        chart_style(runs, "metrics.accuracy", (), LIGHT),
    ).to_json()


@settings(deadline=None, max_examples=8)
@given(
    st.lists(st.sampled_from([*ODD_NUMBERS, None]), min_size=2, max_size=8),
    st.lists(st.sampled_from(["x", "y", None]), min_size=8, max_size=8),
)
def test_no_odd_value_breaks_a_picture(numbers, texts):
    runs = make_run_table(
        *(
            make_run(str(n), metrics={} if value is None else {"m": value}, params={} if text is None else {"t": text})
            for n, (value, text) in enumerate(zip(numbers, texts, strict=False))
        ),
        make_run("last", metrics={"m": 1, "k": 2}, params={"t": "z"}),
    )
    for chart in (
        parallel_plot(
            runs, build_axes(runs, "params.t", "metrics.m", "metrics.k"), chart_style(runs, "metrics.m", ["last"], LIGHT)
        ),
        scatter_plot(runs, tuple(build_axes(runs, "metrics.m", "params.t")), chart_style(runs, "metrics.m", ["last"], LIGHT)),
    ):
        assert "Infinity" not in chart.to_json()
        assert "NaN" not in json.dumps([row.get("shade") for row in chart_values(chart)])


def test_a_scatter_leaves_out_runs_without_both_values_and_counts_them():
    runs = make_run_table(
        make_run("a", params={"n": 1}, metrics={"m": 1}), make_run("b", params={"n": 2}), make_run("c", metrics={"m": math.inf})
    )
    assert count_unplotted(tuple(build_axes(runs, "params.n", "metrics.m"))) == 2
    assert [
        row["run_id"]
        for row in chart_values(
            scatter_plot(runs, tuple(build_axes(runs, "params.n", "metrics.m")), chart_style(runs, "", (), LIGHT))
        )
        if "run_id" in row
    ] == ["a"]


def test_the_ramp_is_turned_round_for_a_loss():
    runs = make_run_table(make_run("a", metrics={"loss": 1, "acc": 1}), make_run("b", metrics={"loss": 2, "acc": 2}))
    ramps = {}
    for name in ("metrics.loss", "metrics.acc"):
        color = chart_spec(
            parallel_plot(runs, build_axes(runs, "metrics.loss", "metrics.acc"), chart_style(runs, name, (), LIGHT))
        )["layer"][1]["encoding"]["color"]
        ramps[name] = color["condition"]["scale"]["range"]
    assert ramps["metrics.loss"] == ramps["metrics.acc"][::-1]


def test_a_sample_keeps_the_picked_runs_and_whoever_is_drawn_does_not_hang_on_the_order():
    runs = make_run_table(*(make_run(str(n)) for n in range(MAX_LINES * 2)))
    sample = sample_runs(runs, ["340"], MAX_LINES)
    assert len(sample) == MAX_LINES
    assert "340" in sample.ids
    assert 0.4 < sum(int(run_id) < MAX_LINES for run_id in sample.ids) / MAX_LINES < 0.6
    reversed_sample = sample_runs(subset(runs, runs.ids[::-1]), ["340"], MAX_LINES)
    assert reversed_sample.ids == sample.ids[::-1]
    assert sample_runs(sample, (), MAX_LINES) is sample


def test_texts_on_a_scatter_stand_in_lanes_in_their_natural_order_and_twins_stay_two():
    names = [f"a very long value of a parameter {end}" for end in ("one", "two")]
    runs = make_run_table(*(make_run(text, params={"t": text}, metrics={"m": n}) for n, text in enumerate([*names, "10", "9"])))
    chart = scatter_plot(runs, tuple(build_axes(runs, "params.t", "metrics.m")), chart_style(runs, "", (), LIGHT))
    x_by_run = {row["run"]: row["x"] for row in chart_values(chart) if "run" in row}
    assert [x_by_run[text] for text in ("9", "10", *names)] == [0, 1, 2, 3]
    labels = json.loads(chart_spec(chart)["layer"][0]["encoding"]["x"]["axis"]["labelExpr"].removesuffix("[datum.value]"))
    assert len(set(labels)) == 4


def test_a_box_of_a_link_is_drawn_from_the_start_and_may_be_as_high_as_the_plot():
    runs = make_run_table(*(make_run(str(n), params={"n": n}, metrics={"m": n}) for n in range(11)))
    chart = scatter_plot(
        runs,
        tuple(build_axes(runs, "params.n", "metrics.m")),
        chart_style(runs, "", (), LIGHT),
        ScatterOverlay({"params.n": (0.2, 0.5)}),
    )
    (box,) = [selection for selection in chart_spec(chart)["params"] if selection["name"] == BOX_SELECTION]
    assert box["value"]["x"] == [2, 5]
    assert box["value"]["y"][0] < 0
    assert box["value"]["y"][1] > 10


def test_an_axis_may_hold_some_of_the_runs_and_keeps_its_ends():
    runs = make_run_table(*(make_run(str(n), params={"n": n}) for n in range(11)))
    axis = build_axis(runs, "params.n").take_rows([2, 4])
    assert (axis.values, axis.coordinates, axis.low, axis.high) == ((2.0, 4.0), (0.2, 0.4), 0.0, 10.0)
    assert parallel_plot(make_run_table(make_run("2"), make_run("4")), [axis], chart_style(runs, "", (), LIGHT)).to_json()


@pytest.mark.parametrize(("scale", "log"), [("log", True), ("linear", False), ("automatic", True)])
def test_a_scale_that_is_asked_for_is_used_where_it_is_possible(scale, log):
    runs = make_run_table(*(make_run(str(n), params={"n": n, "z": n - 1}) for n in (1, 10, 1000)))
    assert build_axis(runs, "params.n", scale).is_log == log
    assert not build_axis(runs, "params.z", scale).is_log


@pytest.mark.parametrize("ink", [LIGHT, DARK], ids=["light", "dark"])
def test_of_eight_experiments_six_have_a_colour_and_none_is_taken_for_another(ink):
    runs = make_run_table(*(make_run(str(n), params={"n": n % 3}, metrics={"m": n % 4}) for n in range(8)))
    experiments = tuple((str(n), f"{'the same beginning ' * 3}{n} {HOSTILE_NAME}") for n in range(8))
    runs_with_experiments = replace(runs, identity=runs.identity.assign(experiment=[str(n) for n in range(8)]))
    style = replace(
        chart_style(runs, "metrics.m", (), ink), experiment_names=tuple(name for _, name in experiments), color_by="experiment"
    )
    for chart in (
        scatter_plot(
            with_experiment_names(runs_with_experiments, experiments), tuple(build_axes(runs, "params.n", "metrics.m")), style
        ),
        parallel_plot(
            with_experiment_names(runs_with_experiments, experiments), build_axes(runs, "params.n", "metrics.m"), style
        ),
    ):
        rows_by_run = {row["run_id"]: row for row in chart_values(chart) if "run_id" in row}
        assert [rows_by_run[str(n)]["tint"] for n in range(8)] == [0, 1, 2, 3, 4, 5, None, None]
        assert [rows_by_run[str(n)]["home"] for n in range(8)] == [name for _, name in experiments]
        colors = [
            layer["encoding"]["color"]["condition"]
            for layer in chart_spec(chart)["layer"]
            if "condition" in layer["encoding"].get("color", {})
        ]
        assert colors
        legend = next(color["legend"] for color in colors if color["legend"])
        labels = json.JSONDecoder().raw_decode(legend["labelExpr"])[0]
        assert len(set(labels)) == len(set(colors[0]["scale"]["range"])) == 6
