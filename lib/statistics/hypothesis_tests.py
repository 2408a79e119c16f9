"""Hypothesis tests between samples: Welch's test for two means, and Holm's correction for multiple tests. Pure."""

import gc
from collections.abc import Sequence

from lib.statistics.samples import CONFIDENCE_LEVEL, SampleSummary


def welch_p_value(first: SampleSummary, second: SampleSummary) -> float:
    """Return the two-sided p-value of Welch's test for unequal variances (Welch 1947).

    Returns 1 if the test is not possible: a sample of one number, or no spread in either.
    """
    from scipy.stats import ttest_ind_from_stats

    if first.sd is None or second.sd is None or not (first.sd or second.sd):
        return 1.0
    scale = max(first.sd, second.sd)
    means, deviations = (first.mean / scale, second.mean / scale), (first.sd / scale, second.sd / scale)
    test = ttest_ind_from_stats(means[0], deviations[0], first.n, means[1], deviations[1], second.n, equal_var=False)
    return float(test.pvalue)


def reject_by_holm(p_values: Sequence[float]) -> list[bool]:
    """Return which hypotheses are rejected at 5 % when all are tested together (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    gc.freeze()  # statsmodels collects garbage at every call, which takes a second with many objects in memory
    try:
        rejected, *_ = multipletests(p_values, alpha=1 - CONFIDENCE_LEVEL, method="holm")
    finally:
        gc.unfreeze()
    return [bool(value) for value in rejected]
