"""Regression: the line, its interval and that of its slope match the textbook formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.statistics.regression import fit_line

COORDINATE = st.floats(-1, 1).map(lambda value: round(value, 4))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    st.lists(st.tuples(COORDINATE, COORDINATE), min_size=4, max_size=20).filter(lambda points: len({x for x, _ in points}) > 1)
)
def test_the_line_and_its_intervals_are_those_of_least_squares(points):
    from scipy.special import stdtrit

    x, y = (np.array(values) for values in zip(*points, strict=True))
    at = np.linspace(x.min(), x.max(), 5)
    sum_of_squares = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / sum_of_squares
    residuals = y - y.mean() - slope * (x - x.mean())
    reach = float(stdtrit(len(x) - 2, 0.975)) * math.sqrt(float((residuals**2).sum()) / (len(x) - 2))
    fit = fit_line(x, y, at)
    assert fit.slope == pytest.approx(slope, rel=1e-9, abs=1e-9)
    assert fit.slope_half_width == pytest.approx(reach / math.sqrt(sum_of_squares), rel=1e-6, abs=1e-9)
    assert np.allclose(fit.mean, y.mean() + slope * (at - x.mean()), rtol=1e-9, atol=1e-9)
    assert np.allclose(fit.half_width, reach * np.sqrt(1 / len(x) + (at - x.mean()) ** 2 / sum_of_squares), rtol=1e-6, atol=1e-9)


def test_points_on_a_line_have_no_spread():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    fit = fit_line(x, 2 * x + 1, np.array([0.5]))
    assert (fit.mean[0], fit.half_width[0], fit.slope) == pytest.approx((2.0, 0.0, 2.0), abs=1e-12)
