"""Straight-line fit through the points of a scatter, with the 95 % interval of its mean. Pure; the formula is in `statistics.regression`.

It assumes independent points and an even spread about the line, which the runs of one search may violate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lib.statistics.regression import fit_line

TrendDirection = Literal["up", "down", "unclear"]
MIN_POINTS = 4
GRID_SIZE = 60


@dataclass(frozen=True)
class Trend:
    """The line at several x, with the lower and upper end of its interval, all in the values' own units.

    `direction` is the sign of the slope, or unclear if its interval contains zero. `n` is the number of fitted points.
    """

    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    direction: TrendDirection
    n: int


@dataclass(frozen=True)
class NoTrend:
    """Why there is no line, as a sentence."""

    reason: str


def fit_trend(xs: Sequence[float | None], ys: Sequence[float | None], *, log_x: bool, log_y: bool) -> Trend | NoTrend:
    """Fit the line through the points with both values. On a logarithmic axis it is fitted to the logarithms (base 10)."""
    pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    if len(pairs) < MIN_POINTS:
        return NoTrend(f"A trend needs {MIN_POINTS} runs with both values; there are {len(pairs)}.")
    (x, x_unit), (y, y_unit) = (
        _scale_to_unit(_to_axis([pair[i] for pair in pairs], is_log=is_log)) for i, is_log in enumerate((log_x, log_y))
    )
    if float(np.ptp(x)) < 1e-12:
        return NoTrend("A trend needs at least two distinct values on the horizontal axis.")
    at = np.linspace(x.min(), x.max(), GRID_SIZE)
    fit = fit_line(x, y, at)
    mean, low, high = (
        _from_axis(values * y_unit, is_log=log_y) for values in (fit.mean, fit.mean - fit.half_width, fit.mean + fit.half_width)
    )
    is_clear = abs(fit.slope) > max(fit.slope_half_width, 1e-12)
    direction: TrendDirection = "unclear" if not is_clear else "up" if fit.slope > 0 else "down"
    return Trend(_from_axis(at * x_unit, is_log=log_x), mean, low, high, direction, len(pairs))


def _to_axis(values: Sequence[float], *, is_log: bool) -> "np.ndarray":
    numbers = np.asarray(values, dtype=float)
    return np.log10(numbers) if is_log else numbers


def _scale_to_unit(values: "np.ndarray") -> tuple["np.ndarray", float]:
    """Return the values in units of the largest, so squares do not overflow."""
    unit = float(np.abs(values).max()) or 1.0
    return values / unit, unit


def _from_axis(values: "np.ndarray", *, is_log: bool) -> tuple[float, ...]:
    with np.errstate(over="ignore"):
        numbers = 10**values if is_log else values
    return tuple(float(value) for value in np.clip(numbers, -1e308, 1e308))
