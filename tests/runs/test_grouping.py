"""Groups: no two values are merged, no run is lost, the statistics match the textbook, and unclear results are marked."""

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
from tests.support.run_factories import make_run, make_run_table, text_column

ODD_NUMBER = st.sampled_from([math.nan, math.inf, -math.inf, 1.7976931348623157e308, 0.0, 5.0])


def make_group(name: str, *numbers: float) -> Group:
    return Group((name,), tuple(f"{name}{n}" for n in range(len(numbers))), numbers)


def standings(*groups: Group, direction: str = "more") -> dict[str, str]:
    return {row.group.label: row.standing for row in rank_groups(groups, direction)}


def test_levels_stand_in_natural_order_with_the_missing_last():
    levels = exact_levels(text_column("10", "9", None, "all", "9"))
    assert levels.labels == ("9", "10", "all", "no value")
    assert levels.codes == (1, 0, 3, 2, 0)


def test_a_value_that_reads_like_no_value_is_another_level():
    levels = exact_levels(text_column("no value", None))
    assert levels.labels == ("no value", "no value (2)")
    assert levels.codes == (0, 1)


def test_two_numbers_that_read_alike_stay_two_levels_with_two_labels():
    levels = exact_levels(pd.Series([0.12345678, 0.12345679]))
    assert len(set(levels.labels)) == len(set(levels.codes)) == 2


def test_two_texts_that_differ_in_case_or_space_stay_two():
    assert len(set(exact_levels(text_column("Adam", "adam", "adam ", "")).codes)) == 4


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=20))
def test_equal_level_means_equal_value(values):
    levels = exact_levels(text_column(*values))
    pairs = [(first, second) for first in range(len(values)) for second in range(len(values))]
    assert all((levels.codes[first] == levels.codes[second]) == (values[first] == values[second]) for first, second in pairs)
    assert len(set(levels.labels)) == len(levels.labels)


def test_a_number_with_few_values_is_not_cut_into_ranges():
    assert not range_levels(pd.Series(range(MAX_DISTINCT_NUMBERS))).are_ranges
    assert not range_levels(text_column(*map(str, "abcdefghijklmnop"))).are_ranges


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=60, unique=True))
def test_ranges_do_not_overlap_and_hold_about_as_many_runs_each(numbers):
    levels = range_levels(pd.Series([*numbers, math.nan]))
    assert levels.are_ranges
    assert levels.labels[-1] == "no value"
    numbers_by_range = [
        [number for number, code in zip(numbers, levels.codes, strict=False) if code == level] for level in range(RANGE_COUNT)
    ]
    assert all(max(low) < min(high) for low, high in pairwise(numbers_by_range))
    assert max(map(len, numbers_by_range)) - min(map(len, numbers_by_range)) <= 1


def test_many_equal_numbers_stay_in_one_range():
    levels = range_levels(pd.Series([0.0] * 50 + list(range(1, 20))))
    assert len({code for code, number in zip(levels.codes, [0.0] * 50, strict=False)}) == 1


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.one_of(ODD_NUMBER, st.floats())), min_size=1, max_size=15))
def test_every_run_with_a_number_is_in_one_group_and_the_others_are_counted(rows):
    table = make_run_table(
        *(make_run(str(n), params={"p": text}, metrics={"m": number}) for n, (text, number) in enumerate(rows))
    )
    grouping = group_runs(table, ["params.p"], "metrics.m")
    ids = [run_id for group in grouping.groups for run_id in group.run_ids]
    assert sorted(ids) == sorted(str(n) for n, (_, number) in enumerate(rows) if is_finite_number(number))
    assert grouping.unmeasured_count == len(rows) - len(ids)
    assert all(map(is_finite_number, (number for group in grouping.groups for number in group.numbers)))


def test_groups_are_made_of_tags_and_parameters_together():
    runs = [make_run(f"{team}{n}", params={"n": n}, metrics={"m": 1}, tags={"team": team}) for team in ("a", "b") for n in (1, 2)]
    grouping = group_runs(make_run_table(*runs), ["tags.team", "params.n"], "metrics.m")
    assert [group.label for group in grouping.groups] == ["a · 1", "a · 2", "b · 1", "b · 2"]


def test_a_parameter_with_one_value_that_some_runs_lack_makes_groups_and_names_of_runs_do_not():
    table = make_run_table(
        make_run("a", params={"cv": 5}, tags={"mlflow.runName": "a"}), make_run("b", tags={"mlflow.runName": "b"})
    )
    assert groupable_columns(table) == ["params.cv"]


@pytest.mark.parametrize("name", ["seed", "random_state", "randomSeed", "fold", "cv-fold", "REPEAT", "np.seed", "rep"])
def test_a_seed_is_a_repeat(name):
    assert is_repeat_column(name)


@pytest.mark.parametrize("name", ["folder", "state", "random_forest", "seedling", "report", "representation", "unfolded"])
def test_what_only_looks_like_a_seed_is_none(name):
    assert not is_repeat_column(name)


def test_by_default_runs_are_grouped_by_all_that_differs_but_the_seed():
    table = make_run_table(
        make_run("a", params={"depth": 1, "seed": 1, "rows": 9}), make_run("b", params={"depth": 2, "seed": 2, "rows": 9})
    )
    assert varying_settings(table) == ["params.depth"]


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 3)), min_size=2, max_size=30))
def test_the_summary_is_the_textbooks(numbers):
    summary = summarize(numbers)
    sd = float(np.std(numbers, ddof=1)) if len(set(numbers)) > 1 else 0.0
    half_width = float(stats.t.ppf(0.975, len(numbers) - 1)) * sd / math.sqrt(len(numbers))
    expected = [float(np.mean(numbers)), sd, float(np.mean(numbers)) - half_width, float(np.mean(numbers)) + half_width]
    assert [summary.mean, summary.sd, summary.low, summary.high] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_one_run_has_a_mean_and_no_interval():
    summary = summarize([0.9])
    assert (summary.n, summary.mean, summary.sd, summary.low, summary.high) == (1, 0.9, None, None, None)


def test_very_large_numbers_have_a_finite_mean():
    assert summarize([1.7e308, 1.7e308]).mean == 1.7e308


def test_a_group_far_below_the_leader_is_worse_and_one_that_overlaps_cannot_be_told():
    best, near, far = make_group("a", 0.90, 0.92, 0.94), make_group("b", 0.89, 0.91, 0.93), make_group("c", 0.50, 0.52, 0.54)
    assert standings(far, near, best) == {"a": "best", "b": "cannot tell", "c": "worse"}


def test_where_less_is_better_the_lowest_mean_leads():
    low, high = make_group("low", 0.10, 0.12, 0.11), make_group("high", 0.9, 0.91, 0.92)
    assert [row.group.label for row in rank_groups([high, low], "less")] == ["low", "high"]
    assert standings(high, low, direction="less") == {"low": "best", "high": "worse"}


def test_a_single_run_never_leads_and_nothing_is_said_about_it():
    assert standings(make_group("lucky", 0.99), make_group("b", 0.90, 0.91)) == {"lucky": "cannot tell", "b": "best"}


def test_repeats_that_agree_to_the_last_digit_prove_nothing():
    assert standings(make_group("a", 0.9, 0.9), make_group("b", 0.8, 0.8)) == {"a": "best", "b": "cannot tell"}


def test_without_repeats_the_result_is_cannot_tell():
    assert set(standings(make_group("a", 0.9), make_group("b", 0.1)).values()) == {"cannot tell"}


def test_without_a_direction_no_group_leads():
    assert set(standings(make_group("a", 1, 2), make_group("b", 5, 6), direction="neither").values()) == {""}


def test_the_verdict_is_welchs_test_with_holms_correction():
    generator = np.random.default_rng(7)
    groups = [make_group(f"g{n}", *generator.normal(-n / 3, 1, 8)) for n in range(6)]
    rows = rank_groups(groups, "more")
    leader = next(row for row in rows if row.standing == "best")
    others = sorted(
        (float(stats.ttest_ind(leader.group.numbers, row.group.numbers, equal_var=False).pvalue), row.standing)
        for row in rows
        if row is not leader
    )
    assert len(others) == 5
    is_rejected = True
    for rank, (p_value, standing) in enumerate(others):
        is_rejected = is_rejected and p_value <= 0.05 / (len(others) - rank)
        assert standing == ("worse" if is_rejected else "cannot tell")


def test_the_column_that_tells_most_comes_first_and_many_small_groups_do_not_fool_it():
    runs = [
        make_run(f"{depth}-{n}", params={"depth": depth, "name": f"n{n}{depth}"}, metrics={"m": depth + n / 10})
        for depth in (1, 2)
        for n in range(6)
    ]
    assert rank_columns(make_run_table(*runs), ["params.name", "params.depth"], "metrics.m") == ["params.depth", "params.name"]


def test_a_blank_text_gets_a_label():
    assert exact_levels(pd.Series(["", " ", "x", None], dtype="str")).labels == ("empty text", "blank text", "x", NO_VALUE)
