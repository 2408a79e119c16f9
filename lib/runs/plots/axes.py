"""Axes over runs: which columns qualify, the coordinate of each run, and the ticks. Pure.

Every run has a coordinate on every axis: missing, NaN and infinite values are placed below the axis, at a tick of their own.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import SYSTEM_PREFIX
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import (
    NO_VALUE,
    finite_numbers,
    format_number,
    format_param,
    is_finite_number,
    natural_sort_key,
)
from lib.runs.table.run_table import METRIC_PREFIX, PARAM_PREFIX, column_values, metric_columns, varying_params
from lib.runs.table.types import RunTable

MAX_AXES = 10
MAX_CATEGORIES = 12
"""Maximum number of distinct texts for a text parameter to get an axis."""
MIN_LOG_DECADES = 1.5
"""Minimum powers of ten for a logarithmic axis: 5 to 200 trees qualify, 0.07 to 1.4 s do not."""
MIN_LOG_VALUE, MAX_EXPONENT = 1e-300, 307.0
"""Limits of a browser's logarithm: smaller values keep an axis linear, and no axis extends beyond them."""
MISSING_COORDINATE = -0.13
MIN_TICK_GAP = 0.05
"""Share of an axis below which two tick labels would overlap."""
AxisScale = Literal["automatic", "log", "linear"]
AxisValue = float | str | None
"""A number or text with a coordinate on its axis; None for a missing value, NaN and infinity."""


@dataclass(frozen=True)
class Tick:
    """A label at a coordinate: 0 is the lower end of the axis, 1 the upper."""

    coordinate: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A column drawn as an axis: its title (with a metric's arrow), its ticks, and per run the value, coordinate and text.

    `categories` are the texts of a categorical axis, lowest first. Without them the axis is numeric, from `low` to `high`.
    """

    name: str
    title: str
    values: tuple[AxisValue, ...]
    coordinates: tuple[float, ...]
    texts: tuple[str, ...]
    ticks: tuple[Tick, ...]
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    categories: tuple[str, ...] = ()

    @property
    def has_missing(self) -> bool:
        """Whether a run has no value on this axis."""
        return bool(self.ticks) and self.ticks[0].coordinate == MISSING_COORDINATE

    def coordinate_of(self, value: AxisValue) -> float:
        """Return the coordinate of a value. Numbers may lie outside the axis, texts may not."""
        if value is None:
            return MISSING_COORDINATE
        if isinstance(value, str):
            return (self.categories.index(value) + 0.5) / len(self.categories)
        transform = _scale_transform(self.is_log)
        return (
            (transform(value) - transform(self.low)) / (transform(self.high) - transform(self.low))
            if self.high > self.low
            else 0.5
        )

    def value_at(self, coordinate: float) -> float:
        """Return the number at a coordinate of a numeric axis."""
        transform = _scale_transform(self.is_log)
        transformed = transform(self.low) + coordinate * (transform(self.high) - transform(self.low))
        return 10 ** min(max(transformed, -MAX_EXPONENT), MAX_EXPONENT) if self.is_log else transformed

    def take_rows(self, rows: Sequence[int]) -> "Axis":
        """Return the axis with these runs only, given by position in its table."""
        values, coordinates, texts = (
            tuple(column[row] for row in rows) for column in (self.values, self.coordinates, self.texts)
        )
        return replace(self, values=values, coordinates=coordinates, texts=texts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class AxisSelection:
    """Columns to draw, and those omitted as text with too many values or because there are too many columns."""

    names: tuple[str, ...]
    omitted_names: tuple[str, ...]


def choose_axes(table: RunTable, color_column: str = "") -> AxisSelection:
    """Choose varying parameters, then varying metrics; the colour column comes last and is never dropped.

    MLflow's system metrics get an axis only if there is nothing else.
    """
    params = varying_params(table)
    excluded_columns = [name for name in params if _has_too_many_categories(column_values(table, name))]
    usable_params = [name for name in params if name not in excluded_columns]
    varying_metrics = [name for name in metric_columns(table) if _count_distinct(column_values(table, name)) > 1]
    run_metrics = [name for name in varying_metrics if not name.startswith(METRIC_PREFIX + SYSTEM_PREFIX)]
    metrics = [name for name in run_metrics or varying_metrics if name != color_column]
    excluded_columns += [name for name in varying_metrics if name not in (*metrics, color_column)]
    color_names = [color_column] if color_column and can_be_axis(column_values(table, color_column)) else []
    chosen_names = _take_params_and_metrics(usable_params, metrics, MAX_AXES - len(color_names))
    omitted_names = [name for name in usable_params + metrics if name not in chosen_names]
    return AxisSelection((*chosen_names, *color_names), (*omitted_names, *excluded_columns))


def _take_params_and_metrics(params: list[str], metrics: list[str], max_count: int) -> list[str]:
    """Take parameters first but reserve room for the first three metrics; the first metric comes last."""
    metric_count = max(min(3, len(metrics)), max_count - len(params))
    return params[: max(0, max_count - metric_count)] + metrics[: min(metric_count, max_count)][::-1]


def can_be_axis(values: "pd.Series") -> bool:
    """Whether the column has at least two distinct values with a coordinate."""
    return _count_distinct(values) > 1 and not _has_too_many_categories(values)


def _count_distinct(values: "pd.Series") -> int:
    """Return how many distinct values have a coordinate; infinity has none."""
    if not pd.api.types.is_numeric_dtype(values):
        return int(values.nunique())
    numbers = finite_numbers(values)
    return len(np.unique(numbers[~np.isnan(numbers)]))


def _has_too_many_categories(values: "pd.Series") -> bool:
    """Whether the column is text with more values than an axis can label."""
    return not pd.api.types.is_numeric_dtype(values) and values.nunique() > MAX_CATEGORIES


def needs_log_scale(values: Sequence[float]) -> bool:
    """Whether all finite values are well above zero, span more than `MIN_LOG_DECADES` powers of ten and spread better as logarithms."""
    numbers = sorted({float(value) for value in values if is_finite_number(value)})
    if len(numbers) < 2 or numbers[0] < MIN_LOG_VALUE:
        return False
    logarithms = [math.log10(number) for number in numbers]
    spans_decades = logarithms[-1] - logarithms[0] > MIN_LOG_DECADES
    return spans_decades and _unevenness(logarithms) < _unevenness(numbers)


def _unevenness(sorted_values: Sequence[float]) -> float:
    """Return the largest distance of a value from its place in an even spread, as a share of the axis."""
    low, span, last = sorted_values[0], sorted_values[-1] - sorted_values[0], len(sorted_values) - 1
    return max(abs((value - low) / span - index / last) for index, value in enumerate(sorted_values))


def can_use_log_scale(values: Sequence[float]) -> bool:
    """Whether all finite values are positive and at least two differ."""
    numbers = {value for value in values if is_finite_number(value)}
    return len(numbers) > 1 and min(numbers) >= MIN_LOG_VALUE


@memoize_by_table
def build_axis(table: RunTable, name: str, scale: AxisScale = "automatic") -> Axis:
    """Build the axis of a column for these runs. An impossible scale falls back to linear."""
    cells = column_values(table, name)
    is_numeric = pd.api.types.is_numeric_dtype(cells)
    format_value = format_number if name.startswith(METRIC_PREFIX) else format_param
    axis = _numeric_axis(finite_numbers(cells), scale, format_value) if is_numeric else _categorical_axis(list(cells))
    return replace(
        axis,
        name=name,
        title=_axis_title(table, name),
        coordinates=_coordinates(axis),
        texts=tuple(
            NO_VALUE if is_missing else format_value(cell)
            for cell, is_missing in zip(cells.tolist(), cells.isna().tolist(), strict=True)
        ),
        ticks=(*([Tick(MISSING_COORDINATE, NO_VALUE)] if None in axis.values else []), *axis.ticks),
    )


def _axis_title(table: RunTable, name: str) -> str:
    """Return the name with a metric's arrow, marked as a metric if a parameter has the same title."""
    if not name.startswith(METRIC_PREFIX):
        return name.removeprefix(PARAM_PREFIX)
    metric = name.removeprefix(METRIC_PREFIX)
    title = table.directions.title(metric)
    return f"{title} (metric)" if title in table.params else title


def _coordinates(axis: Axis) -> tuple[float, ...]:
    """Return the coordinates of all values, computing repeated values once."""
    coordinates = {value: axis.coordinate_of(value) for value in set(axis.values)}
    return tuple(map(coordinates.__getitem__, axis.values))


def _numeric_axis(numbers: "np.ndarray", scale: AxisScale, format_value: Callable[[object], str]) -> Axis:
    values = tuple(None if number != number else number for number in numbers.tolist())  # noqa: PLR0124 - NaN
    distinct_values = np.unique(numbers[~np.isnan(numbers)]).tolist()
    if not distinct_values:
        return Axis("", "", values, (), (), ())
    is_log = needs_log_scale(distinct_values) if scale == "automatic" else scale == "log" and can_use_log_scale(distinct_values)
    axis = Axis("", "", values, (), (), (), distinct_values[0], distinct_values[-1], is_log)
    tick_values = distinct_values if len(distinct_values) <= 8 else _choose_tick_values(distinct_values, axis.coordinate_of)
    return replace(
        axis, ticks=tuple(_drop_touching_ticks([Tick(axis.coordinate_of(value), format_value(value)) for value in tick_values]))
    )


def _scale_transform(is_log: bool) -> Callable[[float], float]:  # noqa: FBT001 - one transform for each scale
    return math.log10 if is_log else float


def _choose_tick_values(sorted_values: list[float], coordinate_of: Callable[[float], float]) -> list[float]:
    """Return the five values nearest to the quarters of the axis. Values and their coordinates are ascending."""
    neighbours = [(quarter, bisect_left(sorted_values, quarter, key=coordinate_of)) for quarter in (0, 0.25, 0.5, 0.75, 1)]
    return sorted(
        {
            min(sorted_values[max(0, index - 1) : index + 1], key=lambda value: abs(coordinate_of(value) - quarter))
            for quarter, index in neighbours
        }
    )


def _categorical_axis(cells: list[object]) -> Axis:
    values = tuple(str(value) if pd.notna(value) else None for value in cells)  # type: ignore[call-overload]
    categories = tuple(sorted({value for value in values if value is not None}, key=natural_sort_key))
    axis = Axis("", "", values, (), (), (), categories=categories)
    return replace(axis, ticks=tuple(Tick(axis.coordinate_of(category), category) for category in categories))


def _drop_touching_ticks(ticks: list[Tick]) -> list[Tick]:
    """Drop ticks whose labels would overlap; both ends stay."""
    spaced_ticks = [ticks[0]]
    for tick in ticks[1:-1]:
        if (
            tick.coordinate - spaced_ticks[-1].coordinate >= MIN_TICK_GAP
            and ticks[-1].coordinate - tick.coordinate >= MIN_TICK_GAP
        ):
            spaced_ticks.append(tick)
    return spaced_ticks + ticks[-1:] if len(ticks) > 1 else spaced_ticks
