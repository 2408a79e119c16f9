"""Read metric histories of runs: every point, or a few for a sparkline. Writes nothing.

As in `run_reader` there are two readers: SQL on a local SQLite file, else the MLflow client in several threads. Values are exact; only
`read_sparklines` samples. Drawing is left to `lib.runs.plots.curves`.
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
"""Maximum points of a sparkline."""
MAX_CLIENT_RUNS = 50
"""Maximum runs whose sparklines are read through the client: each costs a request."""
MAX_CLIENT_METRICS = 40
"""Maximum metrics checked for a history through the client."""

_Point = tuple[str, str, int, int, float]
# Without an explicit index, SQLite uses the primary key, whose first column is the metric, and scans it for all runs.
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
    ORDER BY run_uuid, place"""  # noqa: S608 - only a constant of our own is inserted
_LENGTHS = """
    SELECT key, MAX(n) FROM (
      SELECT key, COUNT(*) AS n FROM metrics WHERE run_uuid IN (SELECT value FROM json_each(?)) GROUP BY run_uuid, key)
    GROUP BY key"""


def read_histories(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return every point of these metrics in these runs: run_id, metric, step (int), time (UTC), value (float, including NaN).

    Sorted by the order of `ids` and `metrics`, then by step, time and value. Runs without values and unknown ids have no row.
    """
    ids, metrics = list(dict.fromkeys(ids)), list(dict.fromkeys(metrics))
    points = query_rows(backend, _POINTS, json_array(ids), json_array(metrics))
    return _history_frame(_read_through_client(backend, ids, metrics) if points is None else points, ids, metrics)


def read_sparklines(backend: Backend, ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """Return at most thirty history values by run id, including the first and last; NaN is omitted.

    Runs without a value are omitted. Through the client only the first fifty runs are read.
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
    """Return by metric the number of points in the run that logged most of them.

    Through the client only the first run and the first forty metrics are read: each costs a request.
    """
    rows = query_rows(backend, _LENGTHS, json_array(ids))
    if rows is None:
        rows = list(read_histories(backend, ids[:1], metrics[:MAX_CLIENT_METRICS]).metric.value_counts().items())
    names = set(metrics)
    return {key: count for key, count in rows if key in names}


def _read_through_client(backend: Backend, ids: Sequence[str], metrics: Sequence[str]) -> Iterable[_Point]:
    """Read one history per run and metric; the client fetches all pages of each."""

    def read(pair: tuple[str, str]) -> list[_Point]:
        points = client(backend).get_metric_history(*pair)
        return [(*pair, point.step, point.timestamp, point.value) for point in points]

    with translate_errors("A metric's history"), relaxed_gc(), ThreadPoolExecutor(THREAD_COUNT) as threads:
        return [point for points in threads.map(read, product(ids, metrics)) for point in points]


def _history_frame(points: Iterable[_Point], ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Build the frame for both readers, so order and types are the same."""
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
    """Select the same points as `_SPARKLINES` does in SQL."""
    last = len(values) - 1
    if last < SPARKLINE_POINTS:
        return values
    return [
        value
        for index, value in enumerate(values)
        if not index or index * (SPARKLINE_POINTS - 1) // last != (index - 1) * (SPARKLINE_POINTS - 1) // last
    ]
