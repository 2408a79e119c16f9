"""The straight line through the points of a scatter, with the 95 % interval of its mean. Pure.

Ordinary least squares, y = a + b x, on n points. With residual variance s² = Σ(y − a − b x)² / (n − 2) and Sxx = Σ(x − x̄)², the
mean at x lies within a + b x ± t(0.975, n − 2) · s · √(1/n + (x − x̄)² / Sxx), the slope within b ± t · s / √Sxx. Source: Draper and
Smith, Applied Regression Analysis, 3rd edition, 1998, chapters 1.4 and 3.1. It takes the points as independent and the scatter about
the line as even, which runs of one search need not be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

TrendDirection = Literal["up", "down", "unclear"]
MIN_POINTS = 4
GRID_SIZE = 60
_LEVEL = 0.975


@dataclass(frozen=True)
class Trend:
    """The line at some x, with the lower and upper end of its interval, all in the values' own units.

    `goes` is the sign of the slope, or unclear when its interval holds zero. `n` is how many points it was fitted to.
    """

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    direction: TrendDirection
    n: int


@dataclass(frozen=True)
class NoTrend:
    """Why there is no line, in a sentence."""

    reason: str


def fit_trend(xs: Sequence[float | None], ys: Sequence[float | None], *, log_x: bool, log_y: bool) -> Trend | NoTrend:
    """The line through the points that have both values. On a logarithmic axis it is fitted to the logarithms (base 10)."""
    pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    if len(pairs) < MIN_POINTS:
        return NoTrend(f"A trend needs {MIN_POINTS} runs with both values, here are {len(pairs)}.")
    bent = [_bent([x for x, _ in pairs], log=log_x), _bent([y for _, y in pairs], log=log_y)]
    (x, x_unit), (y, y_unit) = map(_scaled, bent)
    if float(np.ptp(x)) < 1e-12:
        return NoTrend("A trend needs at least two different values across.")
    at = np.linspace(x.min(), x.max(), GRID_SIZE)
    mean, half, goes = _fit(x, y, at)
    middle, low, high = (_straight(part * y_unit, log=log_y) for part in (mean, mean - half, mean + half))
    return Trend(_straight(at * x_unit, log=log_x), middle, low, high, goes, len(pairs))


def _fit(x: "np.ndarray", y: "np.ndarray", at: "np.ndarray") -> tuple["np.ndarray", "np.ndarray", TrendDirection]:
    """The mean at some x, half the width of its interval there, and where the line goes."""
    from scipy.special import stdtrit

    n, centre = len(x), x.mean()
    sxx = float(((x - centre) ** 2).sum())
    slope = float(((x - centre) * (y - y.mean())).sum()) / sxx
    rest = y - y.mean() - slope * (x - centre)
    reach = float(stdtrit(n - 2, _LEVEL)) * math.sqrt(float((rest**2).sum()) / (n - 2))
    mean = y.mean() + slope * (at - centre)
    half = reach * np.sqrt(1 / n + (at - centre) ** 2 / sxx)
    clear = abs(slope) > max(reach / math.sqrt(sxx), 1e-12)
    goes: TrendDirection = "unclear" if not clear else "up" if slope > 0 else "down"
    return mean, half, goes


def _bent(values: Sequence[float], *, log: bool) -> "np.ndarray":
    made = np.asarray(values, dtype=float)
    return np.log10(made) if log else made


def _scaled(values: "np.ndarray") -> tuple["np.ndarray", float]:
    """The values in units of the largest, so that no square overflows."""
    unit = float(np.abs(values).max()) or 1.0
    return values / unit, unit


def _straight(values: "np.ndarray", *, log: bool) -> tuple[float, ...]:
    with np.errstate(over="ignore"):
        made = 10**values if log else values
    return tuple(float(value) for value in np.clip(made, -1e308, 1e308))
