"""Replace the last value of each metric in a run table by the best, smallest or largest value of its history.

MLflow stores only the last value with a run. The table's metric directions define "best"; drawing and sorting are left to others.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import translate_errors
from lib.runs.reading.metric_history import THREAD_COUNT
from lib.runs.reading.sqlite_reader import json_array, query_rows
from lib.runs.table.types import RunTable

Stat = Literal["last", "best", "min", "max"]
MAX_HISTORIES = 200
"""Maximum histories read through the client: each costs a request."""

_ExtremeRow = tuple[str, str, float | None, float | None]
_EXTREMES = """
    SELECT run_uuid, key, MIN(CASE WHEN is_nan THEN NULL ELSE value END), MAX(CASE WHEN is_nan THEN NULL ELSE value END)
    FROM metrics WHERE run_uuid IN (SELECT value FROM json_each(?)) GROUP BY run_uuid, key"""


@dataclass(frozen=True)
class MetricStatTable:
    """The table with the chosen values. `read_count` of `total_count` runs were read; the others have no value for these metrics."""

    table: RunTable
    read_count: int
    total_count: int


def read_metric_stat(backend: Backend, table: RunTable, stat: Stat) -> MetricStatTable:
    """Return the runs with the last, best, smallest or largest value of each metric.

    NaN counts only if a run logged nothing else. Without a direction the best value is the last one. On a server only the newest runs
    within the budget are read.
    """
    extremes = _choose_extremes(table, stat)
    if not extremes or not len(table):
        return MetricStatTable(table, len(table), len(table))
    ids = table.ids
    rows = query_rows(backend, _EXTREMES, json_array(ids))
    if rows is None:
        ids = _affordable_run_ids(table, list(extremes))
        rows = _read_through_client(backend, ids, list(extremes))
    metrics = table.metrics.assign(**_stat_columns(rows, extremes, table))
    read_ids = set(ids)
    nans = frozenset(cell for cell in table.nans if cell[0] in read_ids)
    return MetricStatTable(replace(table, metrics=metrics, nans=nans), len(ids), len(table))


def _choose_extremes(table: RunTable, stat: Stat) -> dict[str, str]:
    """Return least or most for each metric whose value may differ from the last one."""
    if stat == "last":
        return {}
    names = [str(name) for name in table.metrics]
    if stat != "best":
        return dict.fromkeys(names, "least" if stat == "min" else "most")
    directions = {name: table.directions.of(name) for name in names}
    return {name: "least" if direction == "less" else "most" for name, direction in directions.items() if direction != "neither"}


def _stat_columns(rows: Sequence[_ExtremeRow], extremes: dict[str, str], table: RunTable) -> dict[str, "pd.Series[float]"]:
    frame = pd.DataFrame(rows, columns=["run_id", "metric", "least", "most"])
    frame = frame.astype({"run_id": "str", "metric": "str", "least": "float64", "most": "float64"}).set_index("run_id")
    by_metric = dict(iter(frame.groupby("metric")))
    no_rows = frame.iloc[:0]
    return {name: by_metric.get(name, no_rows)[extreme].reindex(table.metrics.index) for name, extreme in extremes.items()}


def _affordable_run_ids(table: RunTable, names: Sequence[str]) -> tuple[str, ...]:
    """Return the newest runs whose histories fit the budget; at least one run."""
    costs = table.metrics[list(names)].notna().sum(axis=1).clip(lower=1).cumsum()
    return table.ids[: max(1, int((costs <= MAX_HISTORIES).sum()))]


def _read_through_client(backend: Backend, ids: Sequence[str], names: Sequence[str]) -> list[_ExtremeRow]:
    """Read each run's metrics first, then their histories: in a table, a metric ending in NaN looks like one never logged."""
    wanted_names = set(names)

    def read(run_id: str) -> list[_ExtremeRow]:
        metrics = client(backend).get_run(run_id).data.metrics
        return [(run_id, key, *_read_min_and_max(backend, run_id, key)) for key in metrics if key in wanted_names]

    with translate_errors("A metric's history"), relaxed_gc(), ThreadPoolExecutor(THREAD_COUNT) as threads:
        return [row for rows in threads.map(read, ids) for row in rows]


def _read_min_and_max(backend: Backend, run_id: str, key: str) -> tuple[float | None, float | None]:
    values = [point.value for point in client(backend).get_metric_history(run_id, key)]
    numbers = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
    return min(numbers, default=None), max(numbers, default=None)
