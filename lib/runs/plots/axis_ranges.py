"""Ranges on axes: what a brush or a slider keeps, as a value, as a short text for a link, and as a place on the axis. Pure.

A range is in the column's own values, not in places, so that it means the same when other runs are drawn.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lib.runs.plots.axes import MISSING_COORDINATE, Axis, AxisValue
from lib.runs.table.number_format import format_number, format_param, is_finite_number
from lib.runs.table.run_table import METRIC_PREFIX

BRUSH_MARGIN = 0.01
"""A brush is drawn this much wider than its range at most, so that the runs at its ends stay inside."""
EMPTY_TEXT = '""'
"""What stands in a link for a text without any character; nothing at all is an open end."""


@dataclass(frozen=True)
class AxisRange:
    """The runs between two values of a column, both included: numbers, or lanes of text in the order of the axis.

    Without `low` also the runs without a value belong to it, without `high` it has no upper end; with neither, only those without a value.
    A low lane above the high one is what lies between two lanes: no run.
    """

    column: str
    low: AxisValue
    high: AxisValue


@dataclass(frozen=True)
class SliderStop:
    """A stop of a slider: what it reads as, and the smallest and largest value that read so."""

    label: str
    low: AxisValue
    high: AxisValue


def format_range(axis_range: AxisRange) -> str:
    """The text of a range in a link: "params.trees:5..15"."""
    return f"{axis_range.column}:{_plain(axis_range.low)}..{_plain(axis_range.high)}"


def _plain(value: AxisValue) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value) or EMPTY_TEXT


def parse_ranges(texts: Iterable[str], axes: Sequence[Axis]) -> tuple[AxisRange, ...]:
    """The ranges of a link that are on these axes, in their order; the last one of a column counts, nonsense is left out."""
    found: dict[str, AxisRange] = {}
    for text in texts:
        for one in axes:
            if text.startswith(f"{one.name}:") and (made := _read(text[len(one.name) + 1 :], one)):
                found[one.name] = made
    return tuple(found[one.name] for one in axes if one.name in found)


def _read(text: str, one: Axis) -> AxisRange | None:
    """A text may itself hold two dots, so every place to part it is tried."""
    for at in (at for at in range(len(text) - 1) if text[at : at + 2] == ".."):
        low, high = text[:at], text[at + 2 :]
        if (not low or _value(low, one) is not None) and (not high or _value(high, one) is not None):
            return AxisRange(one.name, _value(low, one), _value(high, one))
    return None


def _value(text: str, one: Axis) -> AxisValue:
    if one.categories:
        lane = "" if text == EMPTY_TEXT else text
        return lane if lane in one.categories else None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _between(low: AxisValue, high: AxisValue, value: AxisValue) -> bool:
    if value is None or (low is None and high is None):
        return value is None and low is None
    above = low is None or low <= value  # type: ignore[operator]
    return above and (high is None or value <= high)  # type: ignore[operator]


def inside_mask(axis_range: AxisRange, axis: Axis) -> list[bool]:
    """For each run of the axis, whether it lies in the range."""
    rank = {lane: float(number) for number, lane in enumerate(axis.categories)}
    low, high = (rank.get(end) if isinstance(end, str) else end for end in (axis_range.low, axis_range.high))
    values = (rank.get(value) if isinstance(value, str) else value for value in axis.values)
    return [_between(low, high, value) for value in values]


def runs_in_ranges(ranges: Sequence[AxisRange], axes: Sequence[Axis], run_ids: Sequence[str]) -> list[str]:
    """The runs that lie in every range; all of them when there is none. `ids` are the runs of the axes, in their order."""
    by = {one.name: one for one in axes}
    kept = [inside_mask(one, by[one.column]) for one in ranges]
    return [run_id for row, run_id in enumerate(run_ids) if all(column[row] for column in kept)]


def _is_between_lanes(kept: AxisRange, one: Axis) -> bool:
    ends = [end for end in (kept.low, kept.high) if isinstance(end, str)]
    return len(ends) == 2 and one.categories.index(ends[0]) > one.categories.index(ends[1])


def range_from_brush(axis: Axis, low: float, high: float) -> AxisRange | None:
    """The range of a brush between two places: the roundest numbers that keep exactly the runs in the brush. None for nothing.

    Between two lanes of text there is no run, which is a range as well: its end comes before its beginning.
    """
    low, high = min(low, high), max(low, high)
    lost = axis.has_missing and low <= MISSING_COORDINATE <= high
    kept = [lane for lane in axis.categories if low <= axis.coordinate_of(lane) <= high]
    if not kept and not any(low <= axis.coordinate_of(value) <= high for value in _numbers(axis)):
        if lost:
            return AxisRange(axis.name, None, None)
        if len(axis.categories) > 1:
            above = min(max(sum(axis.coordinate_of(lane) < low for lane in axis.categories), 1), len(axis.categories) - 1)
            return AxisRange(axis.name, axis.categories[above], axis.categories[above - 1])
        return None if axis.categories or axis.low == axis.high or high < 0 else _of_numbers(axis, low, high)
    if axis.categories:
        return AxisRange(axis.name, None if lost else kept[0], kept[-1])
    made = _of_numbers(axis, low, high)
    return replace(made, low=None) if lost else made


def _of_numbers(one: Axis, low: float, high: float) -> AxisRange:
    return AxisRange(one.name, _lower_end(one, max(low, 0.0)), _upper_end(one, min(high, 1.0)))


def _numbers(one: Axis) -> list[float]:
    return [value for value in one.values if isinstance(value, float)]


def _lower_end(one: Axis, low: float) -> float:
    at, real = one.value_at(low), _numbers(one)
    over = min((value for value in real if one.coordinate_of(value) >= low), default=at)
    under = max((value for value in real if one.coordinate_of(value) < low), default=-math.inf)
    return _round(_whole(min(at, over), real), under, over)


def _upper_end(one: Axis, high: float) -> float:
    at, real = one.value_at(high), _numbers(one)
    under = max((value for value in real if one.coordinate_of(value) <= high), default=at)
    over = min((value for value in real if one.coordinate_of(value) > high), default=math.inf)
    return -_round(_whole(min(-at, -under), real), -over, -under)


def _whole(value: float, real: Sequence[float]) -> float:
    """Between whole numbers, the next whole one."""
    return float(math.ceil(value)) if all(one.is_integer() for one in real) else value


def _round(value: float, after: float, until: float) -> float:
    """The number with the fewest digits near `value` that lies after one number and not after another; the other at the axis' end."""
    if math.isinf(after):
        return until
    for digits in range(1, 17):
        near = float(f"{value:.{digits}g}")
        if after < near <= until:
            return near
    return until


def brush_span(axis_range: AxisRange, axis: Axis) -> tuple[float, float]:
    """Where to draw a range on its axis: a little wider than it is, but not as far as the next run outside it."""
    if axis_range.low is None and axis_range.high is None:
        return MISSING_COORDINATE - 0.05, MISSING_COORDINATE + 0.05
    if _is_between_lanes(axis_range, axis):
        low, high = axis.coordinate_of(axis_range.high), axis.coordinate_of(axis_range.low)
        return low + (high - low) / 3, high - (high - low) / 3
    low = MISSING_COORDINATE - 0.05 if axis_range.low is None else axis.coordinate_of(axis_range.low)
    high = 1.0 if axis_range.high is None else axis.coordinate_of(axis_range.high)
    below = max((place for place in axis.coordinates if place < low), default=low - 1)
    above = min((place for place in axis.coordinates if place > high), default=high + 1)
    low, high = low - min(BRUSH_MARGIN, (low - below) / 2), high + min(BRUSH_MARGIN, (above - high) / 2)
    return max(low, MISSING_COORDINATE - 0.05), min(high, 1.04)


def slider_stops(axis: Axis, max_stops: int = 60) -> tuple[SliderStop, ...]:
    """The stops of a slider over an axis: its real values, at most `most` of them; values that read the same are one stop."""
    real: list[float] = sorted(set(_numbers(axis)))
    if axis.categories:
        return tuple(SliderStop(lane, lane, lane) for lane in axis.categories)
    said = format_number if axis.name.startswith(METRIC_PREFIX) else format_param
    if len(real) > max_stops:
        real = sorted({real[round(number * (len(real) - 1) / (max_stops - 1))] for number in range(max_stops)})
    made: dict[str, SliderStop] = {}
    for value in real:
        label = said(value)
        made[label] = SliderStop(label, made[label].low if label in made else value, value)
    return tuple(made.values())


def selected_stops(axis_range: AxisRange | None, available_stops: Sequence[SliderStop]) -> tuple[str, str]:
    """The two stops of a slider that show a range, the nearest ones inside it; the ends where there is none."""
    ends = available_stops[0].label, available_stops[-1].label
    if axis_range is None or (axis_range.low is None and axis_range.high is None):
        return ends
    if isinstance(axis_range.low, str) or isinstance(axis_range.high, str):
        order = [step.label for step in available_stops]
        if (
            axis_range.low in order
            and axis_range.high in order
            and order.index(str(axis_range.low)) > order.index(str(axis_range.high))
        ):
            return ends  # between two lanes: no slider stands there
        return ends[0] if axis_range.low is None else str(axis_range.low), ends[1] if axis_range.high is None else str(
            axis_range.high
        )
    low, high = axis_range.low, axis_range.high
    over = [one.label for one in available_stops if low is None or (one.high is not None and one.high >= low)]  # type: ignore[operator]
    under = [one.label for one in available_stops if high is None or (one.low is not None and one.low <= high)]  # type: ignore[operator]
    return (over or ends[1:])[0], (under or ends[:1])[-1]


def range_from_stops(axis: Axis, low: str, high: str) -> AxisRange | None:
    """The range between two stops of its slider; None for the whole axis."""
    made = {step.label: step for step in slider_stops(axis)}
    labels = list(made)
    if (low, high) == (labels[0], labels[-1]) or low not in made or high not in made:
        return None
    return AxisRange(axis.name, made[low].low, made[high].high)


def describe_range(axis_range: AxisRange, axis: Axis) -> str:
    """A range as people read it: "trees 5 to 15", "accuracy ↑ up to 0.9 or no value", "depth without a value"."""
    reads = format_number if axis_range.column.startswith(METRIC_PREFIX) else format_param
    if axis_range.low is None:
        return (
            f"{axis.title} without a value"
            if axis_range.high is None
            else f"{axis.title} up to {reads(axis_range.high)} or no value"
        )
    if axis_range.high is None:
        return f"{axis.title} from {reads(axis_range.low)}"
    if _is_between_lanes(axis_range, axis):
        return f"{axis.title} at none of its values"
    return f"{axis.title} {reads(axis_range.low)}" + (
        "" if axis_range.low == axis_range.high else f" to {reads(axis_range.high)}"
    )


def range_from_box(axis: Axis, low: float, high: float) -> AxisRange | None:
    """The range of a box over an axis drawn in values: see `drawn`. Runs without a value are not drawn there, so not in it."""
    if not (is_finite_number(low) and is_finite_number(high)):
        return None
    ends = [max(0.0, _place(axis, end)) for end in sorted((low, high))]
    return range_from_brush(axis, *ends)


def _place(one: Axis, at: float) -> float:
    if one.categories:
        return (at + 0.5) / len(one.categories)
    return one.coordinate_of(max(at, one.low / 2) if one.is_log else at)


def plot_value_at(axis: Axis, coordinate: float) -> float:
    """What stands at a place of an axis drawn in values: a number, or the number of a lane, where lane 0 is the lowest."""
    return coordinate * len(axis.categories) - 0.5 if axis.categories else axis.value_at(coordinate)
