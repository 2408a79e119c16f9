"""The trend: the line and its interval are those of the textbook, and it says when there is none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.runs.plots.trend import MIN_POINTS, NoTrend, Trend, fit_trend

PLACE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def straight(xs, ys) -> Trend:
    made = fit_trend(xs, ys, log_x=False, log_y=False)
    assert isinstance(made, Trend)
    return made


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(PLACE, PLACE), min_size=MIN_POINTS, max_size=30))
def test_the_line_and_its_interval_are_those_of_least_squares(points):
    xs, ys = zip(*points, strict=True)
    made = fit_trend(xs, ys, log_x=False, log_y=False)
    if isinstance(made, NoTrend):
        assert np.ptp(xs) < 1e-9
        return
    fit, x = stats.linregress(xs, ys), np.array(made.x)
    s = math.sqrt(sum((y - fit.intercept - fit.slope * x) ** 2 for x, y in points) / (len(xs) - 2))
    spread = sum((value - np.mean(xs)) ** 2 for value in xs)
    half = stats.t.ppf(0.975, len(xs) - 2) * s * np.sqrt(1 / len(xs) + (x - np.mean(xs)) ** 2 / spread)
    size = max(map(abs, ys)) or 1.0
    assert np.allclose(made.mean, fit.intercept + fit.slope * x, atol=1e-6 * size)
    assert np.allclose(made.high, np.array(made.mean) + half, atol=1e-6 * size)
    assert np.allclose(made.low, np.array(made.mean) - half, atol=1e-6 * size)


def test_the_interval_of_its_mean_holds_the_truth_in_about_95_of_100_rounds():
    chance = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        x = chance.uniform(0, 10, 12)
        made = straight(x, 2 + 0.5 * x + chance.normal(0, 1, 12))
        truth = 2 + 0.5 * made.x[10]
        held += made.low[10] <= truth <= made.high[10]
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("ys", "goes"), [([1, 2.1, 2.9, 4, 5], "up"), ([5, 4, 3.1, 2, 1], "down"), ([1, 5, 1, 5, 1], "unclear"), ([2] * 5, "unclear")]
)
def test_it_says_where_the_line_goes_or_that_it_cannot_tell(ys, goes):
    assert straight(range(5), ys).direction == goes


def test_on_logarithmic_axes_a_power_law_is_a_line():
    xs = [1, 10, 100, 1000]
    made = fit_trend(xs, [3 * x**0.5 for x in xs], log_x=True, log_y=True)
    assert isinstance(made, Trend)
    assert np.allclose(made.mean, [3 * x**0.5 for x in made.x])
    assert min(made.low) > 0


@pytest.mark.parametrize(
    ("xs", "ys", "why"),
    [
        ([1, 2, 3], [1, 2, 3], "4 runs with both values, here are 3"),
        ([1, 2, 3, None, 5], [1, 2, None, 4, 5], "here are 3"),
        ([7] * 6, range(6), "two different values"),
        ([], [], "here are 0"),
    ],
)
def test_it_says_what_it_needs(xs, ys, why):
    made = fit_trend(xs, ys, log_x=False, log_y=False)
    assert isinstance(made, NoTrend)
    assert why in made.reason


def test_enormous_values_do_not_break_it():
    made = straight([1e300, 2e300, 3e300, 4e300, 5e300], [1e-300, 3e-300, 2e-300, 5e-300, 4e-300])
    assert all(map(math.isfinite, (*made.x, *made.mean, *made.low, *made.high)))
