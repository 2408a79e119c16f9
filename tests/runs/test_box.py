"""The box plot: Tukey's numbers, every run a point in its own group, labels that never merge."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.grouping import Group, group_runs
from lib.runs.plots.box import MAX_GROUPS, MAX_POINTS, box_plot, five_number_summary, jitter, limit_groups
from lib.runs.plots.style import chart_style, sample_runs
from lib.theme import DARK, LIGHT
from tests.support.chart_specs import HOSTILE_NAME, chart_spec, chart_values
from tests.support.run_factories import make_run, make_run_table


def draw_box_plot(table, column="params.p", metric="metrics.m", selected_run_ids=(), colors=LIGHT):
    groups = group_runs(table, [column], metric).groups
    return box_plot(table, metric, groups, chart_style(table, metric, selected_run_ids, colors))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40))
def test_the_five_numbers_are_tukeys(numbers):
    summary = five_number_summary(numbers)
    quartiles = np.quantile(numbers, [0.25, 0.5, 0.75])
    assert [summary.q1, summary.median, summary.q3] == pytest.approx(list(quartiles), rel=1e-9, abs=1e-6)
    assert summary.low <= summary.q1 <= summary.median <= summary.q3 <= summary.high
    whisker_length = 1.5 * (summary.q3 - summary.q1) * (1 + 1e-9) + 1e-6
    assert summary.q1 - whisker_length <= summary.low
    assert summary.high <= summary.q3 + whisker_length


def test_a_far_number_lies_outside_the_whiskers():
    assert five_number_summary([1, 2, 3, 4, 100]).high == 4


def test_very_large_numbers_have_finite_boxes():
    assert all(map(math.isfinite, vars(five_number_summary([-1.7e308, 1.7e308, 0.0])).values()))


def test_every_run_with_a_number_is_a_point_beside_the_middle_of_its_group():
    table = make_run_table(
        *(make_run(f"r{n}", params={"p": "ab"[n % 2]}, metrics={"m": n}) for n in range(6)),
        make_run("nan", metrics={"m": math.nan}),
    )
    points = {row["run"]: row for row in chart_values(draw_box_plot(table)) if "run" in row}
    assert sorted(points) == [f"r{n}" for n in range(6)]
    assert all(abs(row["place"] - "ab".index(row["group"])) < 0.3 for row in points.values())


def test_a_run_stands_at_the_same_place_beside_the_middle_whatever_else_is_drawn():
    assert jitter("abc") == jitter("abc")
    assert all(-0.5 <= jitter(str(n)) <= 0.5 for n in range(99))


def test_labels_that_share_a_long_prefix_stay_two_and_say_how_many_runs():
    names = ["a" * 60 + end for end in ("-one-and-more-of-it", "-two-and-more-of-it")]
    table = make_run_table(*(make_run(f"{n}{name}", params={"p": name}, metrics={"m": n}) for name in names for n in range(3)))
    text = json.dumps(chart_spec(draw_box_plot(table)))
    labels = text.split("labelExpr")[1].split("datum.value")[0]
    assert labels.count("n = 3") == 2
    quoted_labels = labels.replace("\\", "").split('["')[1:]
    assert len({label.split('"')[0] for label in quoted_labels}) == 2


@pytest.mark.parametrize("ink", [LIGHT, DARK])
def test_hostile_names_are_data_and_quoted_labels_only(ink):
    table = make_run_table(
        *(make_run(f"{HOSTILE_NAME}{n}", params={"p": f"{HOSTILE_NAME}{n}"}, metrics={"m": n}) for n in range(3))
    )
    text = json.dumps(chart_spec(draw_box_plot(table, colors=ink)))
    assert 'labelExpr": "[[\\"' in text
    assert "\\u2028" in text
    assert "\u2028" not in text


def test_picked_runs_have_their_letter():
    table = make_run_table(
        *(make_run(f"r{n}", params={"p": "x"}, metrics={"m": n}) for n in range(3)), make_run("y", params={"p": "y"})
    )
    letters = {
        row["run"]: row["letter"] for row in chart_values(draw_box_plot(table, selected_run_ids=("r2", "r0"))) if "run" in row
    }
    assert letters == {"r0": "B", "r1": None, "r2": "A"}


def test_with_too_many_groups_those_of_picked_runs_and_the_largest_are_kept_in_their_order():
    groups = [Group((str(n),), tuple(f"{n}.{k}" for k in range(n + 1)), (1.0,) * (n + 1)) for n in range(20)]
    names = [group.label for group in limit_groups(groups, ["2.0"])]
    assert names == ["2", *(str(n) for n in range(20 - MAX_GROUPS + 1, 20))]


def test_a_sample_of_points_holds_the_picked_runs_and_follows_no_order():
    table = make_run_table(*(make_run(f"r{n}", metrics={"m": n}) for n in range(MAX_POINTS * 2)))
    ids = sample_runs(table, ("r7",), MAX_POINTS).ids
    assert len(ids) == MAX_POINTS
    assert "r7" in ids
    assert list(ids) == sorted(ids, key=table.ids.index)
    assert 0.4 < sum(int(run_id[1:]) < MAX_POINTS for run_id in ids) / MAX_POINTS < 0.6


def test_one_run_and_one_value_are_still_drawn():
    assert chart_values(draw_box_plot(make_run_table(make_run("only", params={"p": "x"}, metrics={"m": 1}))))
