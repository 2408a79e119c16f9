"""Derived properties of a run table: which columns differ, their order, the best run. Pure.

Columns are named as in a filter: `metrics.accuracy`, `params.max_depth`, or a plain identity column (`started`, `seconds`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from cachetools import LRUCache

from lib.runs.analysis.metric_direction import SYSTEM_PREFIX, Direction, DirectionStatement, is_side_metric
from lib.runs.table.frames import convert_numeric
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import MAX_PLOTTABLE, finite_numbers, format_param
from lib.runs.table.types import RunTable, Search

METRIC_PREFIX, PARAM_PREFIX, TAG_PREFIX = "metrics.", "params.", "tags."
PLAIN_COLUMNS = ("started", "name", "seconds", "status")
TEST_ROWS_NAME = "test_rows"
_TRAINING_WORDS = frozenset({"train", "training"})
_OTHER_ROWS_WORDS = frozenset({"cv", "mean", "best", "val", "validation", "std"}) | _TRAINING_WORDS


@dataclass(frozen=True)
class ConstantParam:
    """A parameter with a single value; `missing_count` runs do not have it."""

    name: str
    value: str
    missing_count: int


@dataclass(frozen=True)
class BestRun:
    """The run to register: it has the model behind the best value. `tie_count` other runs have the same value.

    `measured_run_id` is the run with that value: the same run, or its child if a search stores the model in the parent.
    """

    run_id: str
    measured_run_id: str
    value: float
    tie_count: int


def column_values(table: RunTable, name: str) -> "pd.Series":
    """Return the values of a column. Raises KeyError if these runs do not have it."""
    if name.startswith(METRIC_PREFIX):
        return table.metrics[name.removeprefix(METRIC_PREFIX)]
    if name.startswith(PARAM_PREFIX):
        return table.params[name.removeprefix(PARAM_PREFIX)]
    if name.startswith(TAG_PREFIX):
        return table.tags[name.removeprefix(TAG_PREFIX)]
    return table.identity[name]


def has_column(table: RunTable, name: str) -> bool:
    """Whether these runs have the column."""
    return (
        name in PLAIN_COLUMNS
        or (name.startswith(METRIC_PREFIX) and name.removeprefix(METRIC_PREFIX) in table.metrics)
        or (name.startswith(PARAM_PREFIX) and name.removeprefix(PARAM_PREFIX) in table.params)
        or (name.startswith(TAG_PREFIX) and name.removeprefix(TAG_PREFIX) in table.tags)
    )


def column_direction(table: RunTable, name: str) -> Direction:
    """Return the direction of a column: as stated by users or runs for a metric, `neither` for all others."""
    return table.directions.of(name.removeprefix(METRIC_PREFIX)) if name.startswith(METRIC_PREFIX) else "neither"


@memoize_by_table
def with_directions(table: RunTable, statements: tuple[DirectionStatement, ...]) -> RunTable:
    """Return the table with more direction statements. Equal statements return the same table with its memoized results."""
    return replace(table, directions=table.directions.extended(statements))


def metric_columns(table: RunTable) -> list[str]:
    """Return all metric columns: scores, losses, unknown ones, costs and counts, each ordered by how many runs have them.

    Training metrics come after the others, and system metrics last.
    """
    return list(_metric_columns(table))


@memoize_by_table
def _metric_columns(table: RunTable) -> tuple[str, ...]:
    order: dict[Direction, int] = {"more": 0, "less": 1, "neither": 2}
    counts = {str(name): int(count) for name, count in table.metrics.notna().sum().items()}
    names = sorted(
        counts,
        key=lambda name: (
            name.startswith(SYSTEM_PREFIX),
            bool(_words_of_name(name) & _TRAINING_WORDS),
            3 if is_side_metric(name) else order[table.directions.of(name)],
            -counts[name],
            name,
        ),
    )
    return tuple(METRIC_PREFIX + name for name in names)


def _words_of_name(metric: str) -> set[str]:
    return set(metric.casefold().replace("_", " ").split())


def varying_params(table: RunTable) -> list[str]:
    """Return the parameter columns with at least two distinct values in these runs."""
    return list(_varying_params(table))


@memoize_by_table
def _varying_params(table: RunTable) -> tuple[str, ...]:
    return tuple(PARAM_PREFIX + str(name) for name in table.params if _count_distinct(table.params[name]) > 1)


def _count_distinct(values: "pd.Series") -> int:
    """Return the number of distinct values, or just two if the first two already differ."""
    first = values.iloc[:2]
    return 2 if len(first) == 2 and first.notna().all() and first.iloc[0] != first.iloc[1] else int(values.nunique())


def constant_params(table: RunTable) -> list[ConstantParam]:
    """Return the parameters with a single value in all runs that have them."""
    return list(_constant_params(table))


@memoize_by_table
def _constant_params(table: RunTable) -> tuple[ConstantParam, ...]:
    constants = []
    for name in table.params:
        present = table.params[name].dropna()
        if _count_distinct(present) == 1:
            constants.append(ConstantParam(str(name), format_param(present.iloc[0]), len(table) - len(present)))
    return tuple(constants)


def subset(table: RunTable, ids: Sequence[str]) -> RunTable:
    """Return a table of these runs only, in this order. Equal ids return the same table with its memoized results."""
    run_ids = tuple(ids)
    return table if run_ids == table.ids else _cached_subset(table, run_ids, table.search, table.total)


def subset_for_search(table: RunTable, ids: Sequence[str], search: Search, total: int | None) -> RunTable:
    """Return the runs of a table that another search matches, with that search and its total."""
    run_ids = tuple(ids)
    is_same = (run_ids, search, total) == (table.ids, table.search, table.total)
    return table if is_same else _cached_subset(table, run_ids, search, total)


_subset_caches: WeakKeyDictionary[RunTable, "LRUCache[object, RunTable]"] = WeakKeyDictionary()
_subset_lock = Lock()


def _cached_subset(table: RunTable, ids: tuple[str, ...], search: Search, total: int | None) -> RunTable:
    """Return part of a table; the most recently used parts are cached, up to twice the table's rows."""
    key = (ids, search, total)
    with _subset_lock:
        cache = _subset_caches.setdefault(table, LRUCache(2 * len(table) + 1, getsizeof=len))
        if key in cache:
            return cache[key]
    result = _build_subset(table, ids, search, total)
    with _subset_lock:
        cache[key] = result
    return result


def _build_subset(table: RunTable, ids: tuple[str, ...], search: Search, total: int | None) -> RunTable:
    run_ids = list(ids)
    return replace(
        table,
        search=search,
        total=total,
        identity=table.identity.loc[run_ids],
        metrics=table.metrics.loc[run_ids],
        params=table.params.loc[run_ids],
        texts=table.texts.loc[run_ids],
        tags=table.tags.loc[run_ids],
        inputs=table.inputs[table.inputs.run_id.isin(run_ids)] if len(table.inputs) else table.inputs,
    )


@memoize_by_table
def with_experiment_names(table: RunTable, experiment_names: tuple[tuple[str, str], ...]) -> RunTable:
    """Return the runs with experiment names: `experiment_names` are pairs of experiment id and name."""
    names_by_id = dict(experiment_names)
    names = pd.array([names_by_id.get(experiment_id, experiment_id) for experiment_id in table.identity.experiment], dtype="str")
    return replace(table, identity=table.identity.assign(experiment=names))


def join_tables(table: RunTable, other: RunTable) -> RunTable:
    """Return the runs of one table, then those only in the other. Parameter types are determined again."""
    extra = subset(other, [run_id for run_id in other.ids if run_id not in table.identity.index])
    if not len(extra):
        return table
    texts = _stack_frames(table.texts, extra.texts)
    return replace(
        table,
        identity=pd.concat([table.identity, extra.identity]),
        metrics=_stack_frames(table.metrics, extra.metrics),
        params=pd.DataFrame({name: convert_numeric(texts[name]) for name in texts}, index=texts.index, columns=texts.columns),
        texts=texts,
        tags=_stack_frames(table.tags, extra.tags),
        inputs=pd.concat([table.inputs, extra.inputs], ignore_index=True),
        nans=table.nans | extra.nans,
    )


def _stack_frames(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([first, second]).sort_index(axis="columns")


def sort_runs(table: RunTable, by: str, *, descending: bool) -> list[str]:
    """Return the run ids sorted by a column; runs without a value and diverged runs come last, ties stay newest first."""
    values = column_values(table, by)
    if by.startswith(METRIC_PREFIX):
        values = values.where(values.abs() < MAX_PLOTTABLE)
    if values.dtype == "str":
        values = values.str.casefold()
    return list(values.sort_values(ascending=not descending, kind="stable", na_position="last").index)


@memoize_by_table
def find_best_run(table: RunTable, metric: str, *, models_unknown: bool = False) -> BestRun | None:
    """Return the finished run with a registrable model and the best value of a metric, the newest among ties.

    None if there is no such run or the metric has no direction. `models_unknown` is for a backend without logged models: only its files
    show what a run saved, so every finished run counts.
    """
    direction = column_direction(table, metric)
    holders = _model_holders(table, models_unknown=models_unknown)
    values = column_values(table, metric).loc[list(holders)]
    values = values[~np.isnan(finite_numbers(values))]
    if not len(values) or direction == "neither":
        return None
    value = values.min() if direction == "less" else values.max()
    best_ids = values.index[values == value]
    return BestRun(holders[best_ids[0]], str(best_ids[0]), float(value), len(best_ids) - 1)


def _model_holders(table: RunTable, *, models_unknown: bool) -> dict[str, str]:
    """Return the run that has the model of each run: itself, or its parent if that is among these runs."""
    registrable_ids = set(
        table.identity.index[(table.identity.status == "FINISHED") & (table.identity.has_model | models_unknown)]
    )
    rows = zip(table.ids, table.identity.status, table.identity.parent, strict=True)
    holders = {
        run_id: (run_id if run_id in registrable_ids else parent) for run_id, status, parent in rows if status == "FINISHED"
    }
    return {run_id: holder for run_id, holder in holders.items() if holder in registrable_ids}


def top_two_runs(table: RunTable, metric: str) -> list[str]:
    """Return the best run and the next one with another value, best first; fewer if there are not enough.

    If the metric has no direction, the runs with the highest values.
    """
    descending = column_direction(table, metric) != "less"
    values = column_values(table, metric).loc[sort_runs(table, metric, descending=descending)]
    values = values[~np.isnan(finite_numbers(values))]
    first, others = values.index[:1], values[values != values.iloc[0]].index if len(values) else values.index
    return [*first, *(others if len(others) else values.index[1:])[:1]]


@memoize_by_table
def test_row_count(table: RunTable) -> int | None:
    """Return the number of rows these runs were evaluated on, if a parameter or tag `test_rows` is the same for all."""
    for frame in (table.params, table.tags):
        values = set(frame[TEST_ROWS_NAME].astype("str")) if TEST_ROWS_NAME in frame else set()
        if len(values) == 1 and (text := str(values.pop())).isdigit() and int(text) > 0:
            return int(text)
    return None


def points_per_row(table: RunTable, metric: str) -> float | None:
    """Return how many points of accuracy one held-out row is worth; None for other metrics or if the rows were not logged.

    Accuracy from cross-validation or training rows is not measured on held-out rows.
    """
    words = _words_of_name(metric.removeprefix(METRIC_PREFIX))
    rows = test_row_count(table)
    return 100 / rows if rows and "accuracy" in words and not words & _OTHER_ROWS_WORDS else None
