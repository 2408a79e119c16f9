"""Groups: no two values are merged, no run is lost, the numbers are the textbook's, and what nobody can tell is said so."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.runs.analysis.grouping import (
    MAX_DISTINCT_NUMBERS,
    RANGE_COUNT,
    Group,
    exact_levels,
    group_runs,
    groupable_columns,
    is_repeat_column,
    range_levels,
    rank_columns,
    rank_groups,
    varying_settings,
)
from lib.runs.table.number_format import NO_VALUE, is_finite_number
from lib.statistics.samples import summarize
from tests.runs.test_frames import column, made, runs_of

ODD = st.sampled_from([math.nan, math.inf, -math.inf, 1.7976931348623157e308, 0.0, 5.0])


def group(name: str, *numbers: float) -> Group:
    return Group((name,), tuple(f"{name}{n}" for n in range(len(numbers))), numbers)


def standings(*groups: Group, metric: str = "metrics.accuracy") -> dict[str, str]:
    return {one.group.label: one.standing for one in rank_groups(groups, metric)}


def test_levels_stand_in_natural_order_with_the_missing_last():
    levels = exact_levels(column("10", "9", None, "all", "9"))
    assert levels.labels == ("9", "10", "all", "no value")
    assert levels.codes == (1, 0, 3, 2, 0)


def test_a_value_that_reads_like_no_value_is_another_level():
    levels = exact_levels(column("no value", None))
    assert levels.labels == ("no value", "no value (2)")
    assert levels.codes == (0, 1)


def test_two_numbers_that_read_alike_stay_two_levels_with_two_labels():
    levels = exact_levels(pd.Series([0.12345678, 0.12345679]))
    assert len(set(levels.labels)) == len(set(levels.codes)) == 2


def test_two_texts_that_differ_in_case_or_space_stay_two():
    assert len(set(exact_levels(column("Adam", "adam", "adam ", "")).codes)) == 4


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=20))
def test_equal_level_means_equal_value(values):
    levels = exact_levels(column(*values))
    pairs = [(one, other) for one in range(len(values)) for other in range(len(values))]
    assert all((levels.codes[one] == levels.codes[other]) == (values[one] == values[other]) for one, other in pairs)
    assert len(set(levels.labels)) == len(levels.labels)


def test_a_number_with_few_values_is_not_cut_into_ranges():
    assert not range_levels(pd.Series(range(MAX_DISTINCT_NUMBERS))).are_ranges
    assert not range_levels(column(*map(str, "abcdefghijklmnop"))).are_ranges


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=60, unique=True))
def test_ranges_do_not_overlap_and_hold_about_as_many_runs_each(numbers):
    levels = range_levels(pd.Series([*numbers, math.nan]))
    assert levels.are_ranges
    assert levels.labels[-1] == "no value"
    inside = [[one for one, code in zip(numbers, levels.codes, strict=False) if code == level] for level in range(RANGE_COUNT)]
    assert all(max(low) < min(high) for low, high in pairwise(inside))
    assert max(map(len, inside)) - min(map(len, inside)) <= 1


def test_many_equal_numbers_stay_in_one_range():
    levels = range_levels(pd.Series([0.0] * 50 + list(range(1, 20))))
    assert len({code for code, number in zip(levels.codes, [0.0] * 50, strict=False)}) == 1


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.one_of(ODD, st.floats())), min_size=1, max_size=15))
def test_every_run_with_a_number_is_in_one_group_and_the_others_are_counted(rows):
    table = runs_of(*(made(str(n), params={"p": text}, metrics={"m": number}) for n, (text, number) in enumerate(rows)))
    found = group_runs(table, ["params.p"], "metrics.m")
    ids = [run_id for one in found.groups for run_id in one.run_ids]
    assert sorted(ids) == sorted(str(n) for n, (_, number) in enumerate(rows) if is_finite_number(number))
    assert found.unmeasured_count == len(rows) - len(ids)
    assert all(map(is_finite_number, (number for one in found.groups for number in one.numbers)))


def test_groups_are_made_of_tags_and_parameters_together():
    runs = [made(f"{team}{n}", params={"n": n}, metrics={"m": 1}, tags={"team": team}) for team in ("a", "b") for n in (1, 2)]
    found = group_runs(runs_of(*runs), ["tags.team", "params.n"], "metrics.m")
    assert [one.label for one in found.groups] == ["a · 1", "a · 2", "b · 1", "b · 2"]


def test_a_parameter_with_one_value_that_some_runs_lack_makes_groups_and_names_of_runs_do_not():
    table = runs_of(made("a", params={"cv": 5}, tags={"mlflow.runName": "a"}), made("b", tags={"mlflow.runName": "b"}))
    assert groupable_columns(table) == ["params.cv"]


@pytest.mark.parametrize("name", ["seed", "random_state", "randomSeed", "fold", "cv-fold", "REPEAT", "np.seed", "rep"])
def test_a_seed_is_a_repeat(name):
    assert is_repeat_column(name)


@pytest.mark.parametrize("name", ["folder", "state", "random_forest", "seedling", "report", "representation", "unfolded"])
def test_what_only_looks_like_a_seed_is_none(name):
    assert not is_repeat_column(name)


def test_by_default_runs_are_grouped_by_all_that_differs_but_the_seed():
    table = runs_of(made("a", params={"depth": 1, "seed": 1, "rows": 9}), made("b", params={"depth": 2, "seed": 2, "rows": 9}))
    assert varying_settings(table) == ["params.depth"]


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 3)), min_size=2, max_size=30))
def test_the_summary_is_the_textbooks(numbers):
    one = summarize(numbers)
    sd = float(np.std(numbers, ddof=1)) if len(set(numbers)) > 1 else 0.0
    half = float(stats.t.ppf(0.975, len(numbers) - 1)) * sd / math.sqrt(len(numbers))
    wanted = [float(np.mean(numbers)), sd, float(np.mean(numbers)) - half, float(np.mean(numbers)) + half]
    assert [one.mean, one.sd, one.low, one.high] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_one_run_has_a_mean_and_no_interval():
    one = summarize([0.9])
    assert (one.n, one.mean, one.sd, one.low, one.high) == (1, 0.9, None, None, None)


def test_very_large_numbers_have_a_finite_mean():
    assert summarize([1.7e308, 1.7e308]).mean == 1.7e308


def test_a_group_far_below_the_leader_is_worse_and_one_that_overlaps_cannot_be_told():
    best, near, far = group("a", 0.90, 0.92, 0.94), group("b", 0.89, 0.91, 0.93), group("c", 0.50, 0.52, 0.54)
    assert standings(far, near, best) == {"a": "best", "b": "cannot tell", "c": "worse"}


def test_where_less_is_better_the_lowest_mean_leads():
    low, high = group("low", 0.10, 0.12, 0.11), group("high", 0.9, 0.91, 0.92)
    assert [one.group.label for one in rank_groups([high, low], "metrics.log loss")] == ["low", "high"]
    assert standings(high, low, metric="metrics.log loss") == {"low": "best", "high": "worse"}


def test_a_single_run_never_leads_and_nothing_is_said_about_it():
    assert standings(group("lucky", 0.99), group("b", 0.90, 0.91)) == {"lucky": "cannot tell", "b": "best"}


def test_repeats_that_agree_to_the_last_digit_prove_nothing():
    assert standings(group("a", 0.9, 0.9), group("b", 0.8, 0.8)) == {"a": "best", "b": "cannot tell"}


def test_without_repeats_nobody_can_tell():
    assert set(standings(group("a", 0.9), group("b", 0.1)).values()) == {"cannot tell"}


def test_where_no_way_is_better_nobody_leads():
    assert set(standings(group("a", 1, 2), group("b", 5, 6), metric="metrics.epochs").values()) == {""}


def test_the_verdict_is_welchs_test_with_holms_correction():
    chance = np.random.default_rng(7)
    groups = [group(f"g{n}", *chance.normal(-n / 3, 1, 8)) for n in range(6)]
    rows = rank_groups(groups, "metrics.accuracy")
    lead = next(row for row in rows if row.standing == "best")
    others = sorted(
        (float(stats.ttest_ind(lead.group.numbers, row.group.numbers, equal_var=False).pvalue), row.standing)
        for row in rows
        if row is not lead
    )
    standing = True
    for rank, (chance_of_it, verdict) in enumerate(others):
        standing = standing and chance_of_it <= 0.05 / (len(others) - rank)
        assert verdict == ("worse" if standing else "cannot tell")


def test_the_column_that_tells_most_comes_first_and_many_small_groups_do_not_fool_it():
    runs = [
        made(f"{depth}-{n}", params={"depth": depth, "name": f"n{n}{depth}"}, metrics={"m": depth + n / 10})
        for depth in (1, 2)
        for n in range(6)
    ]
    assert rank_columns(runs_of(*runs), ["params.name", "params.depth"], "metrics.m") == ["params.depth", "params.name"]


def test_a_text_that_shows_nothing_is_said():
    assert exact_levels(pd.Series(["", " ", "x", None], dtype="str")).labels == ("empty text", "blank text", "x", NO_VALUE)
