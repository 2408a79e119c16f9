"""Places runs on axes: which columns are worth one, where each run stands on it, and what its ticks say. Pure.

Every run has a place on every axis: what is missing, NaN or infinite stands below the axis, at its own tick.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from lib.runs.direction import titled
from lib.runs.figures import figure, is_real, setting
from lib.runs.table import METRIC, PARAM, column, metrics, varying
from lib.runs.values import RunTable

MOST_AXES = 10
MOST_TEXTS = 12
"""Different texts up to which a text parameter is worth an axis."""
DECADES = 1.5
"""Powers of ten from which on an axis is logarithmic: 5 to 200 trees are, 0.07 to 1.4 s are not."""
BELOW = -0.13
NO_VALUE = "no value"
GAP = 0.05
"""Share of an axis below which two tick labels would touch."""


@dataclass(frozen=True)
class Tick:
    """A label at a place: 0 is the lower end of the axis, 1 the upper."""

    place: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A column drawn as an axis: its title with the arrow of a metric, the place of each run, what the runs' values read as, ticks."""

    name: str
    title: str
    places: tuple[float, ...]
    texts: tuple[str, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Chosen:
    """Columns to draw, and those left out because they are text with too many values or because there is no room."""

    names: tuple[str, ...]
    left_out: tuple[str, ...]


def choose(table: RunTable, color: str = "") -> Chosen:
    """Parameters that differ, then metrics that differ; the one that colours comes last and never falls out."""
    params = varying(table)
    wordy = [name for name in params if is_wordy(column(table, name))]
    scores = [name for name in reversed(metrics(table)) if name != color and column(table, name).nunique() > 1]
    last = [color] if color and is_worth_an_axis(column(table, color)) else []
    fit = [name for name in params if name not in wordy] + scores
    kept = _shared([name for name in params if name not in wordy], scores, MOST_AXES - len(last))
    return Chosen((*kept, *last), (*(name for name in fit if name not in kept), *wordy))


def _shared(params: list[str], scores: list[str], room: int) -> list[str]:
    """Parameters first, but at least three metrics keep their place."""
    for_scores = max(min(3, len(scores)), room - len(params))
    return params[: max(0, room - for_scores)] + scores[: min(for_scores, room)]


def is_worth_an_axis(values: "pd.Series") -> bool:
    """Does it hold at least two different values that can be placed?"""
    return values.dropna().nunique() > 1 and not is_wordy(values)


def is_wordy(values: "pd.Series") -> bool:
    """Is it text with more values than an axis can label?"""
    return not pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_TEXTS


def is_log(values: Sequence[float]) -> bool:
    """Do all placeable values lie above zero and span more than `DECADES`?"""
    real = [value for value in values if is_real(value)]
    return len(real) > 1 and min(real) > 0 and math.log10(max(real) / min(real)) > DECADES


def axis(table: RunTable, name: str) -> Axis:
    """The axis of a column for these runs."""
    values = list(column(table, name))
    numeric = pd.api.types.is_numeric_dtype(column(table, name))
    read = figure if name.startswith(METRIC) else setting
    places, ticks = _of_numbers(values, read) if numeric else _of_texts(values)
    lost = [Tick(BELOW, NO_VALUE)] if None in places else []
    short = name.removeprefix(METRIC).removeprefix(PARAM)
    return Axis(
        name=name,
        title=titled(short) if name.startswith(METRIC) else short,
        places=tuple(BELOW if place is None else place for place in places),
        texts=tuple(read(value) if pd.notna(value) else NO_VALUE for value in values),
        ticks=(*lost, *ticks),
    )


def _of_numbers(values: list[float], read: Callable[[object], str]) -> tuple[list[float | None], list[Tick]]:
    real = sorted({float(value) for value in values if is_real(value)})
    if not real:
        return [None] * len(values), []
    bent = math.log10 if is_log(real) else float
    low, high = bent(real[0]), bent(real[-1])
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return (bent(value) - low) / span if high > low else 0.5

    marks = real if len(real) <= 8 else _five(real, place)
    ticks = [Tick(place(value), read(value)) for value in marks]
    return [place(value) if is_real(value) else None for value in values], _apart(ticks)


def _five(real: list[float], place: Callable[[float], float]) -> list[float]:
    """Five values that are really there, nearest to the quarters of the axis."""
    return sorted({min(real, key=lambda value: abs(place(value) - quarter)) for quarter in (0, 0.25, 0.5, 0.75, 1)})


def _of_texts(values: list[object]) -> tuple[list[float | None], list[Tick]]:
    present = sorted({str(value) for value in values if pd.notna(value)}, key=_natural)  # type: ignore[call-overload]
    places = {text: (number + 0.5) / len(present) for number, text in enumerate(present)}
    return [places.get(str(value)) if pd.notna(value) else None for value in values], [  # type: ignore[call-overload]
        Tick(place, text) for text, place in places.items()
    ]


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers by size, then words: 5, 10, None."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    return (0, size, text) if math.isfinite(size) else (1, 0.0, text.casefold())


def _apart(ticks: list[Tick]) -> list[Tick]:
    """Ticks whose labels do not touch; both ends stay."""
    kept = [ticks[0]]
    for tick in ticks[1:-1]:
        if tick.place - kept[-1].place >= GAP and ticks[-1].place - tick.place >= GAP:
            kept.append(tick)
    return kept + ticks[-1:] if len(ticks) > 1 else kept
