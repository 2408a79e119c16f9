"""Summaries of samples with an interval, and ε² as the effect size between groups. Pure.

Numbers may be as large as a float allows, so they are divided by the largest before squaring and scaled back at the end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class SampleSummary:
    """Count, mean, sample standard deviation, and the interval of the mean; None if there is none."""

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def summarize(numbers: Sequence[float]) -> SampleSummary:
    """Return mean, sample standard deviation s, and the 95 % interval mean ± t·s/√n with Student's t at n - 1 degrees of freedom.

    NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.2. One number has no spread and no interval.
    """
    from scipy.special import stdtrit  # the quantile of scipy.stats.t without importing scipy.stats, which takes a second

    n, scale = len(numbers), _scale(numbers)
    scaled = [number / scale for number in numbers]
    mean = math.fsum(scaled) / n
    if n < 2:
        return SampleSummary(n, numbers[0])
    sd = 0.0 if min(scaled) == max(scaled) else math.sqrt(math.fsum((x - mean) ** 2 for x in scaled) / (n - 1))
    half_width = float(stdtrit(n - 1, (1 + CONFIDENCE_LEVEL) / 2)) * sd / math.sqrt(n)
    return SampleSummary(n, *(value * scale for value in (mean, sd, mean - half_width, mean + half_width)))


def epsilon_squared(groups: Sequence[Sequence[float]]) -> float:
    """Return the share of the variance between the groups, from 0 to 1 (ε², Kelley 1935). Many small groups do not inflate it.

    0 if there are not more numbers than groups, or all numbers are equal.
    """
    numbers = [number for group in groups for number in group]
    if len(numbers) <= len(groups):
        return 0.0
    scale = _scale(numbers)
    group_means = [math.fsum(number / scale for number in group) / len(group) for group in groups]
    mean = math.fsum(number / scale for number in numbers) / len(numbers)
    within = math.fsum(
        (x / scale - group_mean) ** 2 for group, group_mean in zip(groups, group_means, strict=True) for x in group
    )
    total = math.fsum((number / scale - mean) ** 2 for number in numbers)
    return max(0.0, 1 - (within / (len(numbers) - len(groups))) / (total / (len(numbers) - 1))) if total else 0.0


def _scale(numbers: Sequence[float]) -> float:
    return max(map(abs, numbers), default=0.0) or 1.0
