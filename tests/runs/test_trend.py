"""The trend: the line and its interval match the textbook, and a missing trend has a reason."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.runs.plots.trend import MIN_POINTS, NoTrend, Trend, fit_trend

COORDINATE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def linear_trend(xs, ys) -> Trend:
    trend = fit_trend(xs, ys, log_x=False, log_y=False)
    assert isinstance(trend, Trend)
    return trend


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=MIN_POINTS, max_size=30))
def test_the_line_and_its_interval_are_those_of_least_squares(points):
    xs, ys = zip(*points, strict=True)
    trend = fit_trend(xs, ys, log_x=False, log_y=False)
    if isinstance(trend, NoTrend):
        assert np.ptp(xs) < 1e-9
        return
    fit, x = stats.linregress(xs, ys), np.array(trend.x)
    residual_sd = math.sqrt(sum((y - fit.intercept - fit.slope * x) ** 2 for x, y in points) / (len(xs) - 2))
    sum_of_squares = sum((value - np.mean(xs)) ** 2 for value in xs)
    half_width = stats.t.ppf(0.975, len(xs) - 2) * residual_sd * np.sqrt(1 / len(xs) + (x - np.mean(xs)) ** 2 / sum_of_squares)
    scale = max(map(abs, ys)) or 1.0
    assert np.allclose(trend.mean, fit.intercept + fit.slope * x, atol=1e-6 * scale)
    assert np.allclose(trend.high, np.array(trend.mean) + half_width, atol=1e-6 * scale)
    assert np.allclose(trend.low, np.array(trend.mean) - half_width, atol=1e-6 * scale)


def test_the_interval_of_its_mean_holds_the_truth_in_about_95_of_100_rounds():
    generator = np.random.default_rng(4)
    hit_count = 0
    for _ in range(400):
        x = generator.uniform(0, 10, 12)
        trend = linear_trend(x, 2 + 0.5 * x + generator.normal(0, 1, 12))
        truth = 2 + 0.5 * trend.x[10]
        hit_count += trend.low[10] <= truth <= trend.high[10]
    assert 0.92 <= hit_count / 400 <= 0.98


@pytest.mark.parametrize(
    ("ys", "direction"),
    [([1, 2.1, 2.9, 4, 5], "up"), ([5, 4, 3.1, 2, 1], "down"), ([1, 5, 1, 5, 1], "unclear"), ([2] * 5, "unclear")],
)
def test_it_says_where_the_line_goes_or_that_it_cannot_tell(ys, direction):
    assert linear_trend(range(5), ys).direction == direction


def test_on_logarithmic_axes_a_power_law_is_a_line():
    xs = [1, 10, 100, 1000]
    trend = fit_trend(xs, [3 * x**0.5 for x in xs], log_x=True, log_y=True)
    assert isinstance(trend, Trend)
    assert np.allclose(trend.mean, [3 * x**0.5 for x in trend.x])
    assert min(trend.low) > 0


@pytest.mark.parametrize(
    ("xs", "ys", "reason"),
    [
        ([1, 2, 3], [1, 2, 3], "4 runs with both values; there are 3"),
        ([1, 2, 3, None, 5], [1, 2, None, 4, 5], "there are 3"),
        ([7] * 6, range(6), "two distinct values"),
        ([], [], "here are 0"),
    ],
)
def test_a_missing_trend_has_a_reason(xs, ys, reason):
    trend = fit_trend(xs, ys, log_x=False, log_y=False)
    assert isinstance(trend, NoTrend)
    assert reason in trend.reason


def test_enormous_values_do_not_break_it():
    trend = linear_trend([1e300, 2e300, 3e300, 4e300, 5e300], [1e-300, 3e-300, 2e-300, 5e-300, 4e-300])
    assert all(map(math.isfinite, (*trend.x, *trend.mean, *trend.low, *trend.high)))
