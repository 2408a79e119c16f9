"""Reads what runs logged of a metric over time: every point, or a few for a spark line. Writes nothing.

The two roads are those of `reading`: SQL on a local SQLite file, else the MLflow client in several threads. Values are exact, nothing
is sampled away but in `sparks`. What to draw of them is the business of `plots.curves`.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pandas as pd

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, quick_reading, translated
from lib.runs.reading.sqlite_rows import listed, rows
from lib.runs.table.number_format import is_real

COLUMNS = ("run_id", "metric", "step", "time", "value")
THREADS = 8
SPARK = 30
"""Points of a spark line at most."""
ASKED_RUNS = 50
"""Runs whose spark lines are read through the client: each costs a request."""
ASKED_METRICS = 40
"""Metrics that are looked into through the client, to find those with a history."""

_Point = tuple[str, str, int, int, float]
# Without the index named, SQLite takes the primary key, whose first column is the metric, and walks through it for all runs there are.
_POINTS = """
    SELECT run_uuid, key, step, timestamp, CASE WHEN is_nan THEN NULL ELSE value END
    FROM metrics INDEXED BY index_metrics_run_uuid_key_step
    WHERE run_uuid IN (SELECT value FROM json_each(?)) AND key IN (SELECT value FROM json_each(?))"""
_SPARKS = f"""
    WITH points AS (
      SELECT run_uuid, step, timestamp, value, COUNT(*) OVER run AS n,
        ROW_NUMBER() OVER (run ORDER BY step, timestamp, value) - 1 AS place
      FROM metrics INDEXED BY index_metrics_run_uuid_key_step
      WHERE run_uuid IN (SELECT value FROM json_each(?)) AND key = ? AND NOT is_nan
      WINDOW run AS (PARTITION BY run_uuid))
    SELECT run_uuid, value FROM points
    WHERE n <= {SPARK} OR place = 0 OR place * {SPARK - 1} / (n - 1) <> (place - 1) * {SPARK - 1} / (n - 1)
    ORDER BY run_uuid, place"""  # noqa: S608 - the only thing put in is a number of ours
_LENGTHS = """
    SELECT key, MAX(n) FROM (
      SELECT key, COUNT(*) AS n FROM metrics WHERE run_uuid IN (SELECT value FROM json_each(?)) GROUP BY run_uuid, key)
    GROUP BY key"""


def histories(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Every point that these runs logged of these metrics: run_id, metric, step (int), time (UTC), value (float; NaN stays).

    In the order of `ids` and `metrics`, then by step, time and value. Runs that logged nothing, and ids that are not there, have no row.
    """
    ids, metrics = list(dict.fromkeys(ids)), list(dict.fromkeys(metrics))
    found = rows(backend, _POINTS, listed(ids), listed(metrics))
    return _framed(_through_the_client(backend, ids, metrics) if found is None else found, ids, metrics)


def sparks(backend: Backend, ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """Run id → at most thirty values of its history, the first and the last among them; NaN left out.

    Runs without a value are missing. Through the client only the first fifty runs are read.
    """
    found = rows(backend, _SPARKS, listed(ids), metric)
    if found is None:
        read = histories(backend, ids[:ASKED_RUNS], [metric]).dropna(subset=["value"])
        found = [(run_id, value) for run_id, values in read.groupby("run_id").value for value in _thinned(list(values))]
    made: dict[str, list[float]] = {}
    for run_id, value in found:
        if is_real(value):
            made.setdefault(run_id, []).append(value)
    return made


def lengths(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> dict[str, int]:
    """Metric → how many points the run with most of them logged.

    Through the client only the first of the runs is looked into, and only the first forty of the metrics: each costs a request.
    """
    found = rows(backend, _LENGTHS, listed(ids))
    if found is None:
        found = list(histories(backend, ids[:1], metrics[:ASKED_METRICS]).metric.value_counts().items())
    known = set(metrics)
    return {key: number for key, number in found if key in known}


def _through_the_client(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> Iterable[_Point]:
    """One history per run and metric; the client follows the pages of each."""

    def read(pair: tuple[str, str]) -> list[_Point]:
        points = client(backend).get_metric_history(*pair)
        return [(*pair, point.step, point.timestamp, point.value) for point in points]

    with translated("A metric's history"), quick_reading(), ThreadPoolExecutor(THREADS) as threads:
        return [point for points in threads.map(read, product(ids, metrics)) for point in points]


def _framed(found: Iterable[_Point], ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Both roads end here, so that order and types cannot differ."""
    made = pd.DataFrame(found, columns=list(COLUMNS))
    places = {name: {one: place for place, one in enumerate(of)} for name, of in (("run_id", ids), ("metric", metrics))}
    typed: dict[str, Any] = {"run_id": "str", "metric": "str", "step": "int64", "time": "int64", "value": "float64"}
    keys = {name: made[name].map(place) for name, place in places.items()}
    made = made.astype(typed).assign(_run=keys["run_id"], _metric=keys["metric"])
    made = made.sort_values(["_run", "_metric", "step", "time", "value"], ignore_index=True)
    return made.assign(time=made.time.astype("datetime64[ms]").dt.tz_localize("UTC"))[list(COLUMNS)]


def _thinned(values: list[float]) -> list[float]:
    """The same places that the question picks by SQL."""
    last = len(values) - 1
    if last < SPARK:
        return values
    return [value for at, value in enumerate(values) if not at or at * (SPARK - 1) // last != (at - 1) * (SPARK - 1) // last]
