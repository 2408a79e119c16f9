"""Simple linear regression with the interval of its mean. Pure.

Ordinary least squares, y = a + b x, on n points. With residual variance s² = Σ(y − a − b x)² / (n − 2) and Sxx = Σ(x − x̄)², the
mean at x lies within a + b x ± t(0.975, n − 2) · s · √(1/n + (x − x̄)² / Sxx), the slope within b ± t · s / √Sxx. Source: Draper and
Smith, Applied Regression Analysis, 3rd edition, 1998, chapters 1.4 and 3.1. Assumes independent points and an even spread about the
line.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UPPER_QUANTILE = 0.975


@dataclass(frozen=True)
class LineFit:
    """A fitted line at several x: the mean with the half width of its 95 % interval, and the slope with the half width of its own."""

    mean: "NDArray[np.float64]"
    half_width: "NDArray[np.float64]"
    slope: float
    slope_half_width: float


def fit_line(x: "NDArray[np.float64]", y: "NDArray[np.float64]", at: "NDArray[np.float64]") -> LineFit:
    """Fit a line through at least three points that do not share one x, and evaluate it at the values `at`.

    SciPy's `linregress` fits it. The spread is computed from the residuals, not from its standard error, which loses the last eight
    digits if the points are on the line.
    """
    from scipy.special import stdtrit
    from scipy.stats import linregress

    n, center = len(x), float(x.mean())
    line = linregress(x, y)
    residuals = y - y.mean() - line.slope * (x - center)
    sum_of_squares = float(((x - center) ** 2).sum())
    reach = float(stdtrit(n - 2, _UPPER_QUANTILE)) * math.sqrt(float((residuals**2).sum()) / (n - 2))
    mean = y.mean() + line.slope * (at - center)
    half_width = reach * np.sqrt(1 / n + (at - center) ** 2 / sum_of_squares)
    return LineFit(mean, half_width, float(line.slope), reach / math.sqrt(sum_of_squares))
