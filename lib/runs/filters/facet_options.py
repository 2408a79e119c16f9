"""Facets that make sense for some runs: those that keep some and drop others, with their actual range or values. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.runs.filters.facets import SECONDS_COLUMN, TEXT_COLUMNS, can_have_range, can_have_values, column_numbers, column_texts
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import natural_sort_key
from lib.runs.table.run_table import PARAM_PREFIX, TAG_PREFIX, metric_columns
from lib.runs.table.types import MLFLOW_TAG_PREFIX, MODEL_HISTORY_TAG, PARENT_TAG, RUN_NAME_TAG, USER_TAG, RunTable

MAX_VALUES = 200
_TAGS_SHOWN_ELSEWHERE = frozenset({RUN_NAME_TAG, USER_TAG, PARENT_TAG, MODEL_HISTORY_TAG})


@dataclass(frozen=True)
class FacetOption:
    """A column to filter runs by.

    `least` and `most` are set if its values are numbers. `values` are its texts with the number of runs for each, most frequent first, at
    most 200 of `distinct_count`. `missing_count` runs have no value.
    """

    column: str
    least: float | None = None
    most: float | None = None
    values: tuple[tuple[str, int], ...] = ()
    distinct_count: int = 0
    missing_count: int = 0


@memoize_by_table
def build_facet_options(table: RunTable) -> tuple[FacetOption, ...]:
    """Return the options for these runs: columns with two or more values first, then those that only some runs have."""
    options = [option for column in _candidate_columns(table) if (option := _facet_option(table, column))]
    return tuple(sorted(options, key=lambda option: option.distinct_count < 2))


def _candidate_columns(table: RunTable) -> Iterator[str]:
    yield "name"
    yield from metric_columns(table)
    yield from (PARAM_PREFIX + str(name) for name in table.params)
    yield from (column for column in TEXT_COLUMNS if column != "name")
    yield SECONDS_COLUMN
    tags = sorted(
        (str(name) for name in table.tags if name not in _TAGS_SHOWN_ELSEWHERE),
        key=lambda name: (name.startswith(MLFLOW_TAG_PREFIX), name),
    )
    yield from (TAG_PREFIX + name for name in tags)


def _facet_option(table: RunTable, column: str) -> FacetOption | None:
    """Return the option of a column; None if every choice would keep all runs or none."""
    numbers = _finite_column_numbers(table, column)
    if can_have_values(column):
        texts = column_texts(table, column)
        counts, missing = texts.value_counts(sort=False), int(texts.isna().sum())
    else:
        counts, missing = pd.Series(numbers).value_counts(sort=False), len(table) - len(numbers)
    if len(counts) < 2 and not (len(counts) and missing):
        return None
    least, most = (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)
    return FacetOption(column, least, most, _frequent_values(counts) if can_have_values(column) else (), len(counts), missing)


def _frequent_values(counts: "pd.Series[int]") -> tuple[tuple[str, int], ...]:
    """Return the most frequent values; ties go to the newest runs."""
    frequent = counts.sort_values(ascending=False, kind="stable").iloc[:MAX_VALUES]
    return tuple(
        sorted(
            ((str(value), int(count)) for value, count in frequent.items()),
            key=lambda item: (-item[1], natural_sort_key(item[0])),
        )
    )


def _finite_column_numbers(table: RunTable, column: str) -> np.ndarray:
    """Return the finite numbers of a column; none for a parameter unless all its values are numbers."""
    name = column.removeprefix(PARAM_PREFIX)
    if not can_have_range(column) or (name != column and table.params[name].dtype == "str"):
        return np.array([])
    numbers = column_numbers(table, column)
    return numbers[~np.isnan(numbers)]
