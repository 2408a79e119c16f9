"""What each version of a model measured, as its registration recorded it, with an interval where one is known. Pure.

An interval is known when the run logged its ends beside the metric (`auc_low` and `auc_high`, or the like), or a standard deviation
beside a mean (`mean_cv_accuracy` and `std_cv_accuracy`). Nothing is estimated here.
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
_FIRST = ("accuracy", "auc", "f1")


@dataclass(frozen=True)
class VersionMetric:
    """A version at its registration with the value of one metric; `low` and `high` are None where no interval is known.

    `how` says what the interval is. `entry` is the id of the entry that says all this.
    """

    version: str
    at: datetime
    value: float
    low: float | None
    high: float | None
    interval_source: str
    entry_id: str


def metric_names(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The metrics that were recorded with versions, the usual ones first; the ends of intervals are no metrics of their own."""
    bodies = [entry.body for entry in entries if isinstance(entry.body, Registered)]
    every = {name for body in bodies for name, value in body.lineage.metrics.items() if _float(value) is not None}
    return main_metrics(every)


def main_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Names of metrics without those that are the ends or the spread of another one, the usual ones first."""
    every = set(names)
    ends = {name + end for name in every for pair in INTERVAL_SUFFIXES for end in pair} | {_spread(name) for name in every}
    return tuple(sorted(every - ends, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)))


def version_metrics(entries: Sequence[Entry], metric: str) -> tuple[VersionMetric, ...]:
    """The versions of the model's present life that have this metric, in the order of their registration."""
    found = list[VersionMetric]()
    for entry in entries:
        body = entry.body
        if isinstance(body, Opened):
            found = []
        if isinstance(body, Registered) and (value := _float(body.lineage.metrics.get(metric))) is not None:
            low, high, how = _interval(metric, value, body.lineage.metrics)
            at = parse_timestamp(body.effective_at or body.identity.created or body.recorded_at)
            found.append(VersionMetric(body.version, at, value, low, high, how, entry.id))
    return tuple(found)


def _interval(metric: str, value: float, measured: Mapping[str, Number]) -> tuple[float | None, float | None, str]:
    for first, last in INTERVAL_SUFFIXES:
        low, high = (_float(measured.get(metric + end)) for end in (first, last))
        if low is not None and high is not None and low <= value <= high:
            return low, high, LOGGED_BOUNDS
    spread = _float(measured.get(_spread(metric)))
    return (value - spread, value + spread, LOGGED_STANDARD_DEVIATION) if spread is not None and spread >= 0 else (None, None, "")


def _spread(metric: str) -> str:
    return metric.replace("mean", "std", 1) if "mean" in metric else ""


def _float(value: Number | None) -> float | None:
    """The value as a finite number; None for words such as NaN, and for nothing."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
