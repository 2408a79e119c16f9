"""Hypothesis tests: Welch's test and Holm's correction match their source formulas."""

import gc
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lib.statistics.hypothesis_tests import reject_by_holm, welch_p_value
from lib.statistics.samples import SampleSummary, summarize

NUMBER = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
SUMMARY = st.lists(NUMBER, min_size=2, max_size=12).map(summarize)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(SUMMARY, SUMMARY)
def test_welchs_p_value_is_that_of_his_formula(first, second):
    if not (first.sd or second.sd):
        assert welch_p_value(first, second) == 1.0
        return
    parts = [first.sd**2 / first.n, second.sd**2 / second.n]
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    expected = 2 * special.stdtr(degrees, -abs(first.mean - second.mean) / math.sqrt(sum(parts)))
    assert welch_p_value(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_one_number_is_no_sample_to_test():
    assert welch_p_value(SampleSummary(1, 0.9), summarize([0.1, 0.2])) == 1.0
    assert welch_p_value(summarize([0.1, 0.2]), SampleSummary(1, 0.9)) == 1.0


def test_very_large_numbers_can_be_tested():
    apart = welch_p_value(summarize([1e300, 1.1e300, 0.9e300]), summarize([-1e300, -1.1e300, -0.9e300]))
    assert 0 < apart < 0.01


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.lists(st.integers(0, 90).map(lambda n: n * 0.0007 + 0.0001), max_size=8))
def test_holm_rejects_the_smallest_p_values_until_the_first_that_is_too_large(p_values):
    """No p-value of the sample is on a threshold, where rounding would decide."""
    expected, is_open = [False] * len(p_values), True
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        threshold = 0.05 / (len(p_values) - rank)
        assert not math.isclose(p_values[index], threshold, rel_tol=1e-9)
        is_open = is_open and p_values[index] <= threshold
        expected[index] = is_open
    assert reject_by_holm(p_values) == expected


def test_holm_stops_where_the_false_discovery_rate_would_go_on():
    assert reject_by_holm([0.001, 0.02, 0.03, 0.04]) == [True, False, False, False]


def test_a_correction_looks_for_no_garbage_in_what_is_there_already():
    """statsmodels collects garbage at every call; in a process with much in memory that took longer than the complete page."""
    collections_before = gc.get_stats()[2]["collected"]
    cycle = [None]
    cycle[0] = cycle
    del cycle
    reject_by_holm([0.001, 0.2])
    assert gc.get_freeze_count() == 0
    assert gc.get_stats()[2]["collected"] == collections_before


def test_nothing_tested_is_nothing_rejected():
    assert reject_by_holm([]) == []
