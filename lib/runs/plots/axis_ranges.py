"""Ranges on axes, selected by a brush or slider: as a value, as a short text for a link, and as a span on the axis. Pure.

A range uses the column's values, not coordinates, so it keeps its meaning when other runs are drawn.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lib.runs.plots.axes import MISSING_COORDINATE, Axis, AxisValue
from lib.runs.table.number_format import format_number, format_param, is_finite_number
from lib.runs.table.run_table import METRIC_PREFIX

BRUSH_MARGIN = 0.01
"""Maximum extra width of a brush beyond its range, so the runs at its ends stay inside."""
EMPTY_TEXT = '""'
"""An empty text in a link; an empty end is an open end."""


@dataclass(frozen=True)
class AxisRange:
    """The runs between two values of a column, inclusive: numbers, or categories in axis order.

    Without `low` runs without a value are included, without `high` there is no upper end, and with neither only runs without a value match.
    A low category above the high one is the gap between two categories and contains no run.
    """

    column: str
    low: AxisValue
    high: AxisValue


@dataclass(frozen=True)
class SliderStop:
    """A slider stop: its label, and the smallest and largest value with that label."""

    label: str
    low: AxisValue
    high: AxisValue


def format_range(axis_range: AxisRange) -> str:
    """Return the text of a range in a link: "params.trees:5..15"."""
    return f"{axis_range.column}:{_format_end(axis_range.low)}..{_format_end(axis_range.high)}"


def _format_end(value: AxisValue) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value) or EMPTY_TEXT


def parse_ranges(texts: Iterable[str], axes: Sequence[Axis]) -> tuple[AxisRange, ...]:
    """Return a link's ranges on these axes, in axis order. The last range of a column counts; invalid ones are ignored."""
    ranges_by_column: dict[str, AxisRange] = {}
    for text in texts:
        for axis in axes:
            if text.startswith(f"{axis.name}:") and (axis_range := _parse_range(text[len(axis.name) + 1 :], axis)):
                ranges_by_column[axis.name] = axis_range
    return tuple(ranges_by_column[axis.name] for axis in axes if axis.name in ranges_by_column)


def _parse_range(text: str, axis: Axis) -> AxisRange | None:
    """Parse a range by trying every split, as a text may itself contain two dots."""
    for index in (index for index in range(len(text) - 1) if text[index : index + 2] == ".."):
        low, high = text[:index], text[index + 2 :]
        if (not low or _parse_end(low, axis) is not None) and (not high or _parse_end(high, axis) is not None):
            return AxisRange(axis.name, _parse_end(low, axis), _parse_end(high, axis))
    return None


def _parse_end(text: str, axis: Axis) -> AxisValue:
    if axis.categories:
        category = "" if text == EMPTY_TEXT else text
        return category if category in axis.categories else None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _lies_between(low: AxisValue, high: AxisValue, value: AxisValue) -> bool:
    if value is None or (low is None and high is None):
        return value is None and low is None
    is_above_low = low is None or low <= value  # type: ignore[operator]
    return is_above_low and (high is None or value <= high)  # type: ignore[operator]


def inside_mask(axis_range: AxisRange, axis: Axis) -> list[bool]:
    """Return for each run of the axis whether it is in the range."""
    rank = {category: float(index) for index, category in enumerate(axis.categories)}
    low, high = (rank.get(end) if isinstance(end, str) else end for end in (axis_range.low, axis_range.high))
    values = (rank.get(value) if isinstance(value, str) else value for value in axis.values)
    return [_lies_between(low, high, value) for value in values]


def runs_in_ranges(ranges: Sequence[AxisRange], axes: Sequence[Axis], run_ids: Sequence[str]) -> list[str]:
    """Return the runs that are in every range; all of them if there is no range. `run_ids` are the runs of the axes, in their order."""
    axes_by_name = {axis.name: axis for axis in axes}
    masks = [inside_mask(axis_range, axes_by_name[axis_range.column]) for axis_range in ranges]
    return [run_id for row, run_id in enumerate(run_ids) if all(mask[row] for mask in masks)]


def _is_between_categories(axis_range: AxisRange, axis: Axis) -> bool:
    ends = [end for end in (axis_range.low, axis_range.high) if isinstance(end, str)]
    return len(ends) == 2 and axis.categories.index(ends[0]) > axis.categories.index(ends[1])


def range_from_brush(axis: Axis, low: float, high: float) -> AxisRange | None:
    """Return the range of a brush between two coordinates: the roundest numbers that keep exactly the brushed runs. None if empty.

    A brush between two categories contains no run but is still a range: its low category is above its high one.
    """
    low, high = min(low, high), max(low, high)
    includes_missing = axis.has_missing and low <= MISSING_COORDINATE <= high
    categories = [category for category in axis.categories if low <= axis.coordinate_of(category) <= high]
    if not categories and not any(low <= axis.coordinate_of(value) <= high for value in _axis_numbers(axis)):
        if includes_missing:
            return AxisRange(axis.name, None, None)
        if len(axis.categories) > 1:
            upper_index = min(
                max(sum(axis.coordinate_of(category) < low for category in axis.categories), 1), len(axis.categories) - 1
            )
            return AxisRange(axis.name, axis.categories[upper_index], axis.categories[upper_index - 1])
        return None if axis.categories or axis.low == axis.high or high < 0 else _numeric_range(axis, low, high)
    if axis.categories:
        return AxisRange(axis.name, None if includes_missing else categories[0], categories[-1])
    axis_range = _numeric_range(axis, low, high)
    return replace(axis_range, low=None) if includes_missing else axis_range


def _numeric_range(axis: Axis, low: float, high: float) -> AxisRange:
    return AxisRange(axis.name, _lower_end(axis, max(low, 0.0)), _upper_end(axis, min(high, 1.0)))


def _axis_numbers(axis: Axis) -> list[float]:
    return [value for value in axis.values if isinstance(value, float)]


def _lower_end(axis: Axis, low: float) -> float:
    end, numbers = axis.value_at(low), _axis_numbers(axis)
    lowest_inside = min((value for value in numbers if axis.coordinate_of(value) >= low), default=end)
    highest_outside = max((value for value in numbers if axis.coordinate_of(value) < low), default=-math.inf)
    return _shortest_number(_round_up_integer(min(end, lowest_inside), numbers), highest_outside, lowest_inside)


def _upper_end(axis: Axis, high: float) -> float:
    end, numbers = axis.value_at(high), _axis_numbers(axis)
    highest_inside = max((value for value in numbers if axis.coordinate_of(value) <= high), default=end)
    lowest_outside = min((value for value in numbers if axis.coordinate_of(value) > high), default=math.inf)
    return -_shortest_number(_round_up_integer(min(-end, -highest_inside), numbers), -lowest_outside, -highest_inside)


def _round_up_integer(value: float, numbers: Sequence[float]) -> float:
    """Return the next integer if all numbers of the axis are integers, else the value itself."""
    return float(math.ceil(value)) if all(number.is_integer() for number in numbers) else value


def _shortest_number(value: float, low: float, high: float) -> float:
    """Return the number with the fewest digits near `value` in (low, high]; `high` itself if `low` is infinite."""
    if math.isinf(low):
        return high
    for digits in range(1, 17):
        candidate = float(f"{value:.{digits}g}")
        if low < candidate <= high:
            return candidate
    return high


def brush_span(axis_range: AxisRange, axis: Axis) -> tuple[float, float]:
    """Return the span of a range on its axis: slightly wider than the range, but short of the next run outside it."""
    if axis_range.low is None and axis_range.high is None:
        return MISSING_COORDINATE - 0.05, MISSING_COORDINATE + 0.05
    if _is_between_categories(axis_range, axis):
        low, high = axis.coordinate_of(axis_range.high), axis.coordinate_of(axis_range.low)
        return low + (high - low) / 3, high - (high - low) / 3
    low = MISSING_COORDINATE - 0.05 if axis_range.low is None else axis.coordinate_of(axis_range.low)
    high = 1.0 if axis_range.high is None else axis.coordinate_of(axis_range.high)
    next_below = max((coordinate for coordinate in axis.coordinates if coordinate < low), default=low - 1)
    next_above = min((coordinate for coordinate in axis.coordinates if coordinate > high), default=high + 1)
    low, high = low - min(BRUSH_MARGIN, (low - next_below) / 2), high + min(BRUSH_MARGIN, (next_above - high) / 2)
    return max(low, MISSING_COORDINATE - 0.05), min(high, 1.04)


def slider_stops(axis: Axis, max_stops: int = 60) -> tuple[SliderStop, ...]:
    """Return the slider stops of an axis: at most `max_stops` of its finite values; values with the same label share a stop."""
    numbers: list[float] = sorted(set(_axis_numbers(axis)))
    if axis.categories:
        return tuple(SliderStop(category, category, category) for category in axis.categories)
    format_value = format_number if axis.name.startswith(METRIC_PREFIX) else format_param
    if len(numbers) > max_stops:
        numbers = sorted({numbers[round(index * (len(numbers) - 1) / (max_stops - 1))] for index in range(max_stops)})
    stops: dict[str, SliderStop] = {}
    for value in numbers:
        label = format_value(value)
        stops[label] = SliderStop(label, stops[label].low if label in stops else value, value)
    return tuple(stops.values())


def selected_stops(axis_range: AxisRange | None, available_stops: Sequence[SliderStop]) -> tuple[str, str]:
    """Return the two slider stops for a range, the nearest ones inside it; the slider's ends if there is no range."""
    ends = available_stops[0].label, available_stops[-1].label
    if axis_range is None or (axis_range.low is None and axis_range.high is None):
        return ends
    if isinstance(axis_range.low, str) or isinstance(axis_range.high, str):
        order = [stop.label for stop in available_stops]
        if (
            axis_range.low in order
            and axis_range.high in order
            and order.index(str(axis_range.low)) > order.index(str(axis_range.high))
        ):
            return ends  # there is no stop between two categories
        return ends[0] if axis_range.low is None else str(axis_range.low), ends[1] if axis_range.high is None else str(
            axis_range.high
        )
    low, high = axis_range.low, axis_range.high
    labels_above_low = [stop.label for stop in available_stops if low is None or (stop.high is not None and stop.high >= low)]  # type: ignore[operator]
    labels_below_high = [stop.label for stop in available_stops if high is None or (stop.low is not None and stop.low <= high)]  # type: ignore[operator]
    return (labels_above_low or ends[1:])[0], (labels_below_high or ends[:1])[-1]


def range_from_stops(axis: Axis, low: str, high: str) -> AxisRange | None:
    """Return the range between two slider stops; None for the complete axis."""
    stops = {stop.label: stop for stop in slider_stops(axis)}
    labels = list(stops)
    if (low, high) == (labels[0], labels[-1]) or low not in stops or high not in stops:
        return None
    return AxisRange(axis.name, stops[low].low, stops[high].high)


def describe_range(axis_range: AxisRange, axis: Axis) -> str:
    """Return the display text of a range: "trees 5 to 15", "accuracy ↑ up to 0.9 or no value", "depth without a value"."""
    format_value = format_number if axis_range.column.startswith(METRIC_PREFIX) else format_param
    if axis_range.low is None:
        return (
            f"{axis.title} without a value"
            if axis_range.high is None
            else f"{axis.title} up to {format_value(axis_range.high)} or no value"
        )
    if axis_range.high is None:
        return f"{axis.title} from {format_value(axis_range.low)}"
    if _is_between_categories(axis_range, axis):
        return f"{axis.title} between two values"
    return f"{axis.title} {format_value(axis_range.low)}" + (
        "" if axis_range.low == axis_range.high else f" to {format_value(axis_range.high)}"
    )


def range_from_box(axis: Axis, low: float, high: float) -> AxisRange | None:
    """Return the range of a box over an axis drawn in values (see `plot_value_at`). Runs without a value are not drawn there."""
    if not (is_finite_number(low) and is_finite_number(high)):
        return None
    ends = [max(0.0, _coordinate_at(axis, end)) for end in sorted((low, high))]
    return range_from_brush(axis, *ends)


def _coordinate_at(axis: Axis, plot_value: float) -> float:
    if axis.categories:
        return (plot_value + 0.5) / len(axis.categories)
    return axis.coordinate_of(max(plot_value, axis.low / 2) if axis.is_log else plot_value)


def plot_value_at(axis: Axis, coordinate: float) -> float:
    """Return the plot value at a coordinate of an axis drawn in values: a number, or a category's index with 0 the lowest."""
    return coordinate * len(axis.categories) - 0.5 if axis.categories else axis.value_at(coordinate)
