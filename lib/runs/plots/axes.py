"""Places runs on axes: which columns are worth one, where each run stands on it, and what its ticks say. Pure.

Every run has a place on every axis: what is missing, NaN or infinite stands below the axis, at its own tick.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import metric_title
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
"""Different texts up to which a text parameter is worth an axis."""
MIN_LOG_DECADES = 1.5
"""Powers of ten from which on an axis is logarithmic: 5 to 200 trees are, 0.07 to 1.4 s are not."""
MIN_LOG_VALUE, MAX_EXPONENT = 1e-300, 307.0
"""A browser's logarithm ends near these: what is smaller keeps an axis linear, and no end of an axis lies beyond."""
MISSING_COORDINATE = -0.13
MIN_TICK_GAP = 0.05
"""Share of an axis below which two tick labels would touch."""
AxisScale = Literal["automatic", "log", "linear"]
AxisValue = float | str | None
"""A number or a text that has a place on its axis; None for a missing value, NaN and infinity."""


@dataclass(frozen=True)
class Tick:
    """A label at a place: 0 is the lower end of the axis, 1 the upper."""

    coordinate: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A column drawn as an axis: title with the arrow of a metric, and per run its value, its place and what it reads as; ticks.

    `lanes` are the texts of an axis of texts, the lowest first. Without lanes it is one of numbers from `low` to `high`, linear or `log`.
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
        """Has a run no value here?"""
        return bool(self.ticks) and self.ticks[0].coordinate == MISSING_COORDINATE

    def coordinate_of(self, value: AxisValue) -> float:
        """Where a value stands. Numbers outside the axis are possible, texts are not."""
        if value is None:
            return MISSING_COORDINATE
        if isinstance(value, str):
            return (self.categories.index(value) + 0.5) / len(self.categories)
        bent = _bend(self.is_log)
        return (bent(value) - bent(self.low)) / (bent(self.high) - bent(self.low)) if self.high > self.low else 0.5

    def value_at(self, coordinate: float) -> float:
        """The number at a place between 0 and 1 of an axis of numbers."""
        bent = _bend(self.is_log)
        at = bent(self.low) + coordinate * (bent(self.high) - bent(self.low))
        return 10 ** min(max(at, -MAX_EXPONENT), MAX_EXPONENT) if self.is_log else at

    def take_rows(self, rows: Sequence[int]) -> "Axis":
        """The same axis with these runs only, by their position in the table it was made of."""
        values, places, texts = (tuple(every[row] for row in rows) for every in (self.values, self.coordinates, self.texts))
        return replace(self, values=values, coordinates=places, texts=texts)  # type: ignore[arg-type]


@dataclass(frozen=True)
class AxisSelection:
    """Columns to draw, and those left out because they are text with too many values or because there is no room."""

    names: tuple[str, ...]
    omitted_names: tuple[str, ...]


def choose_axes(table: RunTable, color_column: str = "") -> AxisSelection:
    """Parameters that differ, then metrics that differ; the one that colours comes last and never falls out."""
    params = varying_params(table)
    wordy = [name for name in params if _has_too_many_categories(column_values(table, name))]
    scores = [
        name for name in reversed(metric_columns(table)) if name != color_column and _different(column_values(table, name)) > 1
    ]
    last = [color_column] if color_column and can_be_axis(column_values(table, color_column)) else []
    fit = [name for name in params if name not in wordy] + scores
    kept = _shared([name for name in params if name not in wordy], scores, MAX_AXES - len(last))
    return AxisSelection((*kept, *last), (*(name for name in fit if name not in kept), *wordy))


def _shared(params: list[str], scores: list[str], room: int) -> list[str]:
    """Parameters first, but at least three metrics keep their place."""
    for_scores = max(min(3, len(scores)), room - len(params))
    return params[: max(0, room - for_scores)] + scores[: min(for_scores, room)]


def can_be_axis(values: "pd.Series") -> bool:
    """Does it hold at least two different values that can be placed?"""
    return _different(values) > 1 and not _has_too_many_categories(values)


def _different(values: "pd.Series") -> int:
    """How many different values have a place: infinity has none."""
    if not pd.api.types.is_numeric_dtype(values):
        return int(values.nunique())
    numbers = finite_numbers(values)
    return len(np.unique(numbers[~np.isnan(numbers)]))


def _has_too_many_categories(values: "pd.Series") -> bool:
    """Is it text with more values than an axis can label?"""
    return not pd.api.types.is_numeric_dtype(values) and values.nunique() > MAX_CATEGORIES


def needs_log_scale(values: Sequence[float]) -> bool:
    """Do all placeable values lie well above zero and span more than `DECADES`?"""
    real = [value for value in values if is_finite_number(value)]
    return len(real) > 1 and min(real) >= MIN_LOG_VALUE and math.log10(max(real)) - math.log10(min(real)) > MIN_LOG_DECADES


def can_use_log_scale(values: Sequence[float]) -> bool:
    """Do all placeable values lie above zero, and differ?"""
    real = {value for value in values if is_finite_number(value)}
    return len(real) > 1 and min(real) >= MIN_LOG_VALUE


@memoize_by_table
def build_axis(table: RunTable, name: str, scale: AxisScale = "automatic") -> Axis:
    """The axis of a column for these runs. A scale that is asked for and impossible is linear."""
    cells = column_values(table, name)
    numeric = pd.api.types.is_numeric_dtype(cells)
    read = format_number if name.startswith(METRIC_PREFIX) else format_param
    made = _of_numbers(finite_numbers(cells), scale, read) if numeric else _of_texts(list(cells))
    return replace(
        made,
        name=name,
        title=_title(table, name),
        coordinates=_places(made),
        texts=tuple(NO_VALUE if gone else read(cell) for cell, gone in zip(cells.tolist(), cells.isna().tolist(), strict=True)),
        ticks=(*([Tick(MISSING_COORDINATE, NO_VALUE)] if None in made.values else []), *made.ticks),
    )


def _title(table: RunTable, name: str) -> str:
    """The name with the arrow of a metric; one without an arrow says that it is a metric where a parameter has the same name."""
    if not name.startswith(METRIC_PREFIX):
        return name.removeprefix(PARAM_PREFIX)
    short = name.removeprefix(METRIC_PREFIX)
    title = metric_title(short)
    return f"{title} (metric)" if title in table.params else title


def _places(bare: Axis) -> tuple[float, ...]:
    """Where every value stands; a lane or a number that comes again is reckoned once."""
    known = {value: bare.coordinate_of(value) for value in set(bare.values)}
    return tuple(map(known.__getitem__, bare.values))


def _of_numbers(numbers: "np.ndarray", scale: AxisScale, read: Callable[[object], str]) -> Axis:
    values = tuple(None if number != number else number for number in numbers.tolist())  # noqa: PLR0124 - NaN
    real = np.unique(numbers[~np.isnan(numbers)]).tolist()
    if not real:
        return Axis("", "", values, (), (), ())
    log = needs_log_scale(real) if scale == "automatic" else scale == "log" and can_use_log_scale(real)
    bare = Axis("", "", values, (), (), (), real[0], real[-1], log)
    marks = real if len(real) <= 8 else _five(real, bare.coordinate_of)
    return replace(bare, ticks=tuple(_apart([Tick(bare.coordinate_of(value), read(value)) for value in marks])))


def _bend(log: bool) -> Callable[[float], float]:  # noqa: FBT001 - the two are one straightening of the axis
    return math.log10 if log else float


def _five(real: list[float], place: Callable[[float], float]) -> list[float]:
    """Five values that are really there, nearest to the quarters of the axis. `real` rises, and so do the places."""
    beside = [(quarter, bisect_left(real, quarter, key=place)) for quarter in (0, 0.25, 0.5, 0.75, 1)]
    return sorted({min(real[max(0, at - 1) : at + 1], key=lambda value: abs(place(value) - quarter)) for quarter, at in beside})


def _of_texts(cells: list[object]) -> Axis:
    values = tuple(str(value) if pd.notna(value) else None for value in cells)  # type: ignore[call-overload]
    lanes = tuple(sorted({value for value in values if value is not None}, key=natural_sort_key))
    bare = Axis("", "", values, (), (), (), categories=lanes)
    return replace(bare, ticks=tuple(Tick(bare.coordinate_of(lane), lane) for lane in lanes))


def _apart(ticks: list[Tick]) -> list[Tick]:
    """Ticks whose labels do not touch; both ends stay."""
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        if tick.coordinate - kept[-1].coordinate >= MIN_TICK_GAP and ticks[-1].coordinate - tick.coordinate >= MIN_TICK_GAP:
            kept.append(tick)
    return kept + ticks[-1:] if len(ticks) > 1 else kept
