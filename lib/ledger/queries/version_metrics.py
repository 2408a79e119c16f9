"""The metrics of each version of a model as recorded at its registration, with an interval if one is known. Pure.

An interval is known if the run logged its bounds beside the metric (such as `auc_low` and `auc_high`), or a standard deviation beside a
mean (`mean_cv_accuracy` and `std_cv_accuracy`). Nothing is estimated here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.entry.fields import Number
from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Opened, Registered

INTERVAL_SUFFIXES = (("_low", "_high"), ("_lower", "_upper"), ("_ci_low", "_ci_high"), (".low", ".high"), ("_min", "_max"))
LOGGED_BOUNDS, LOGGED_STANDARD_DEVIATION = "as logged", "± one standard deviation, as logged"
_USUAL_METRICS = ("accuracy", "auc", "f1")


@dataclass(frozen=True)
class VersionMetric:
    """A version at its registration with the value of one metric; `low` and `high` are None if no interval is known.

    `interval_source` describes the interval. `entry_id` is the entry that recorded it.
    """

    version: str
    at: datetime
    value: float
    low: float | None
    high: float | None
    interval_source: str
    entry_id: str


def metric_names(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The metrics recorded with versions, the usual ones first; interval bounds do not count as metrics."""
    bodies = [entry.body for entry in entries if isinstance(entry.body, Registered)]
    names = {name for body in bodies for name, value in body.lineage.metrics.items() if _finite_float(value) is not None}
    return main_metrics(names)


def main_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Metric names without bounds and spreads of other metrics, the usual ones first."""
    all_names = set(names)
    interval_names = {name + suffix for name in all_names for suffixes in INTERVAL_SUFFIXES for suffix in suffixes}
    interval_names |= {_spread_name(name) for name in all_names}
    rank = {name: n for n, name in enumerate(_USUAL_METRICS)}
    return tuple(sorted(all_names - interval_names, key=lambda name: (rank.get(name, len(rank)), name)))


def version_metrics(entries: Sequence[Entry], metric: str) -> tuple[VersionMetric, ...]:
    """The versions of the model's present life with this metric, in order of registration."""
    points = list[VersionMetric]()
    for entry in entries:
        body = entry.body
        if isinstance(body, Opened):
            points = []
        if isinstance(body, Registered) and (value := _finite_float(body.lineage.metrics.get(metric))) is not None:
            low, high, source = _interval(metric, value, body.lineage.metrics)
            at = parse_timestamp(body.effective_at or body.identity.created or body.recorded_at)
            points.append(VersionMetric(body.version, at, value, low, high, source, entry.id))
    return tuple(points)


def _interval(metric: str, value: float, metrics: Mapping[str, Number]) -> tuple[float | None, float | None, str]:
    for first, last in INTERVAL_SUFFIXES:
        low, high = (_finite_float(metrics.get(metric + end)) for end in (first, last))
        if low is not None and high is not None and low <= value <= high:
            return low, high, LOGGED_BOUNDS
    spread = _finite_float(metrics.get(_spread_name(metric)))
    return (value - spread, value + spread, LOGGED_STANDARD_DEVIATION) if spread is not None and spread >= 0 else (None, None, "")


def _spread_name(metric: str) -> str:
    return metric.replace("mean", "std", 1) if "mean" in metric else ""


def _finite_float(value: Number | None) -> float | None:
    """The value as a finite float; None for strings such as NaN, and for None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
