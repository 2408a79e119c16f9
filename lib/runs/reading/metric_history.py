"""Reads what runs logged of a metric over time: every point, or a few for a spark line. Writes nothing.

The two ways are those of `run_reader`: SQL on a local SQLite file, else the MLflow client in several threads. Values are exact, nothing
is sampled away but in `read_sparklines`. What to draw of them is the business of `lib.runs.plots.curves`.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pandas as pd

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.runs.reading.sqlite_reader import json_array, query_rows
from lib.runs.table.number_format import is_finite_number

HISTORY_COLUMNS = ("run_id", "metric", "step", "time", "value")
THREAD_COUNT = 8
SPARKLINE_POINTS = 30
"""Points of a spark line at most."""
MAX_CLIENT_RUNS = 50
"""Runs whose spark lines are read through the client: each costs a request."""
MAX_CLIENT_METRICS = 40
"""Metrics that are looked into through the client, to find those with a history."""

_Point = tuple[str, str, int, int, float]
# Without the index named, SQLite takes the primary key, whose first column is the metric, and walks through it for all runs there are.
_POINTS = """
    SELECT run_uuid, key, step, timestamp, CASE WHEN is_nan THEN NULL ELSE value END
    FROM metrics INDEXED BY index_metrics_run_uuid_key_step
    WHERE run_uuid IN (SELECT value FROM json_each(?)) AND key IN (SELECT value FROM json_each(?))"""
_SPARKLINES = f"""
    WITH points AS (
      SELECT run_uuid, step, timestamp, value, COUNT(*) OVER run AS n,
        ROW_NUMBER() OVER (run ORDER BY step, timestamp, value) - 1 AS place
      FROM metrics INDEXED BY index_metrics_run_uuid_key_step
      WHERE run_uuid IN (SELECT value FROM json_each(?)) AND key = ? AND NOT is_nan
      WINDOW run AS (PARTITION BY run_uuid))
    SELECT run_uuid, value FROM points
    WHERE n <= {SPARKLINE_POINTS} OR place = 0 OR place * {SPARKLINE_POINTS - 1} / (n - 1) <> (place - 1) * {SPARKLINE_POINTS - 1} / (n - 1)
    ORDER BY run_uuid, place"""  # noqa: S608 - the only thing put in is a number of ours
_LENGTHS = """
    SELECT key, MAX(n) FROM (
      SELECT key, COUNT(*) AS n FROM metrics WHERE run_uuid IN (SELECT value FROM json_each(?)) GROUP BY run_uuid, key)
    GROUP BY key"""


def read_histories(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Every point that these runs logged of these metrics: run_id, metric, step (int), time (UTC), value (float; NaN stays).

    In the order of `ids` and `metrics`, then by step, time and value. Runs that logged nothing, and ids that are not there, have no row.
    """
    ids, metrics = list(dict.fromkeys(ids)), list(dict.fromkeys(metrics))
    points = query_rows(backend, _POINTS, json_array(ids), json_array(metrics))
    return _history_frame(_read_through_client(backend, ids, metrics) if points is None else points, ids, metrics)


def read_sparklines(backend: Backend, ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """Run id → at most thirty values of its history, the first and the last among them; NaN left out.

    Runs without a value are missing. Through the client only the first fifty runs are read.
    """
    rows = query_rows(backend, _SPARKLINES, json_array(ids), metric)
    if rows is None:
        histories = read_histories(backend, ids[:MAX_CLIENT_RUNS], [metric]).dropna(subset=["value"])
        rows = [(run_id, value) for run_id, values in histories.groupby("run_id").value for value in _thin_out(list(values))]
    sparklines: dict[str, list[float]] = {}
    for run_id, value in rows:
        if is_finite_number(value):
            sparklines.setdefault(run_id, []).append(value)
    return sparklines


def read_history_lengths(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> dict[str, int]:
    """Metric → how many points the run with most of them logged.

    Through the client only the first of the runs is looked into, and only the first forty of the metrics: each costs a request.
    """
    rows = query_rows(backend, _LENGTHS, json_array(ids))
    if rows is None:
        rows = list(read_histories(backend, ids[:1], metrics[:MAX_CLIENT_METRICS]).metric.value_counts().items())
    names = set(metrics)
    return {key: count for key, count in rows if key in names}


def _read_through_client(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> Iterable[_Point]:
    """One history per run and metric; the client follows the pages of each."""

    def read(pair: tuple[str, str]) -> list[_Point]:
        points = client(backend).get_metric_history(*pair)
        return [(*pair, point.step, point.timestamp, point.value) for point in points]

    with translate_errors("A metric's history"), relaxed_gc(), ThreadPoolExecutor(THREAD_COUNT) as threads:
        return [point for points in threads.map(read, product(ids, metrics)) for point in points]


def _history_frame(points: Iterable[_Point], ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Both ways end here, so that order and types cannot differ."""
    frame = pd.DataFrame(points, columns=list(HISTORY_COLUMNS))
    positions = {
        name: {value: position for position, value in enumerate(values)}
        for name, values in (("run_id", ids), ("metric", metrics))
    }
    dtypes: dict[str, Any] = {"run_id": "str", "metric": "str", "step": "int64", "time": "int64", "value": "float64"}
    keys = {name: frame[name].map(position_by_value) for name, position_by_value in positions.items()}
    frame = frame.astype(dtypes).assign(_run=keys["run_id"], _metric=keys["metric"])
    frame = frame.sort_values(["_run", "_metric", "step", "time", "value"], ignore_index=True)
    return frame.assign(time=frame.time.astype("datetime64[ms]").dt.tz_localize("UTC"))[list(HISTORY_COLUMNS)]


def _thin_out(values: list[float]) -> list[float]:
    """The same points that `_SPARKLINES` selects by SQL."""
    last = len(values) - 1
    if last < SPARKLINE_POINTS:
        return values
    return [
        value
        for index, value in enumerate(values)
        if not index or index * (SPARKLINE_POINTS - 1) // last != (index - 1) * (SPARKLINE_POINTS - 1) // last
    ]
