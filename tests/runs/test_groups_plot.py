"""Error bars: the axis includes every run, a wide interval is clipped and reported, every run is in its group's row."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.grouping import group_runs, rank_groups
from lib.runs.plots.groups import axis_limits, group_plot, has_clipped_interval
from lib.runs.plots.style import chart_style
from lib.theme import LIGHT
from tests.support.chart_specs import chart_values
from tests.support.run_factories import make_run, make_run_table


def ranked_groups(table):
    return rank_groups(group_runs(table, ["params.p"], "metrics.m").groups, "more")


def make_table(*numbers: tuple[str, float]):
    return make_run_table(
        *(make_run(f"{name}{n}", params={"p": name}, metrics={"m": value}) for n, (name, value) in enumerate(numbers))
    )


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=12))
def test_the_axis_is_finite_and_holds_every_run(numbers):
    rows = ranked_groups(make_table(*numbers))
    if rows:
        low, high = axis_limits(rows)
        run_numbers = [number for row in rows for number in row.group.numbers]
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low <= min(run_numbers) <= max(run_numbers) <= high
        assert low < high


def test_the_ends_of_the_largest_numbers_are_finite():
    assert all(map(math.isfinite, axis_limits(ranked_groups(make_table(("a", 7e307), ("b", -7e307))))))


def test_the_wide_interval_of_two_runs_is_cut_and_a_narrow_one_is_not():
    wide = [("a", 0.8), ("a", 0.9), ("b", 0.85)]
    narrow = [("a", 0.80), ("a", 0.81), ("a", 0.80), ("b", 0.5), ("b", 0.9)]
    assert has_clipped_interval(ranked_groups(make_table(*wide)))
    assert not has_clipped_interval(
        [row for row in ranked_groups(make_table(*narrow)) if row.group.label == "a"] + ranked_groups(make_table(("c", 0.2)))
    )


def test_every_run_is_a_point_in_the_row_of_its_group_and_one_run_has_no_bar():
    table = make_table(("a", 1), ("a", 2), ("a", 3), ("b", 9))
    chart_rows = chart_values(
        group_plot(table, "metrics.m", ranked_groups(table), chart_style(table, "metrics.m", ("b3",), LIGHT))
    )
    points = {row["run"]: (round(row["place"]), row["letter"]) for row in chart_rows if "run" in row}
    assert points == {"a0": (1, None), "a1": (1, None), "a2": (1, None), "b3": (0, "A")}
    bars = {row["group"]: (row["n"], row["low"] is None, row["standing"]) for row in chart_rows if "group" in row}
    assert bars == {"b": (1, True, "cannot tell"), "a": (3, False, "best")}
