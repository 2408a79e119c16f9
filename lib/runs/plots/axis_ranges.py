"""Ranges on axes: what a brush or a slider keeps, as a value, as a short text for a link, and as a place on the axis. Pure.

A range is in the column's own values, not in places, so that it means the same when other runs are drawn.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lib.runs.plots.axes import BELOW, Axis, Value
from lib.runs.table.number_format import figure, is_real, setting
from lib.runs.table.run_table import METRIC

EDGE = 0.01
"""A brush is drawn this much wider than its range at most, so that the runs at its ends stay inside."""
EMPTY = '""'
"""What stands in a link for a text without any character; nothing at all is an open end."""


@dataclass(frozen=True)
class Range:
    """The runs between two values of a column, both included: numbers, or lanes of text in the order of the axis.

    Without `low` also the runs without a value belong to it, without `high` it has no upper end; with neither, only those without a value.
    A low lane above the high one is what lies between two lanes: no run.
    """

    column: str
    low: Value
    high: Value


@dataclass(frozen=True)
class Step:
    """A stop of a slider: what it reads as, and the smallest and largest value that read so."""

    label: str
    low: Value
    high: Value


def written(one: Range) -> str:
    """The text of a range in a link: "params.trees:5..15"."""
    return f"{one.column}:{_plain(one.low)}..{_plain(one.high)}"


def _plain(value: Value) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value) or EMPTY


def read(texts: Iterable[str], axes: Sequence[Axis]) -> tuple[Range, ...]:
    """The ranges of a link that are on these axes, in their order; the last one of a column counts, nonsense is left out."""
    found: dict[str, Range] = {}
    for text in texts:
        for one in axes:
            if text.startswith(f"{one.name}:") and (made := _read(text[len(one.name) + 1 :], one)):
                found[one.name] = made
    return tuple(found[one.name] for one in axes if one.name in found)


def _read(text: str, one: Axis) -> Range | None:
    """A text may itself hold two dots, so every place to part it is tried."""
    for at in (at for at in range(len(text) - 1) if text[at : at + 2] == ".."):
        low, high = text[:at], text[at + 2 :]
        if (not low or _value(low, one) is not None) and (not high or _value(high, one) is not None):
            return Range(one.name, _value(low, one), _value(high, one))
    return None


def _value(text: str, one: Axis) -> Value:
    if one.lanes:
        lane = "" if text == EMPTY else text
        return lane if lane in one.lanes else None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _between(low: Value, high: Value, value: Value) -> bool:
    if value is None or (low is None and high is None):
        return value is None and low is None
    above = low is None or low <= value  # type: ignore[operator]
    return above and (high is None or value <= high)  # type: ignore[operator]


def inside(kept: Range, one: Axis) -> list[bool]:
    """For each run of the axis, whether it lies in the range."""
    rank = {lane: float(number) for number, lane in enumerate(one.lanes)}
    low, high = (rank.get(end) if isinstance(end, str) else end for end in (kept.low, kept.high))
    values = (rank.get(value) if isinstance(value, str) else value for value in one.values)
    return [_between(low, high, value) for value in values]


def passing(ranges: Sequence[Range], axes: Sequence[Axis], ids: Sequence[str]) -> list[str]:
    """The runs that lie in every range; all of them when there is none. `ids` are the runs of the axes, in their order."""
    by = {one.name: one for one in axes}
    kept = [inside(one, by[one.column]) for one in ranges]
    return [run_id for row, run_id in enumerate(ids) if all(column[row] for column in kept)]


def _is_between_lanes(kept: Range, one: Axis) -> bool:
    ends = [end for end in (kept.low, kept.high) if isinstance(end, str)]
    return len(ends) == 2 and one.lanes.index(ends[0]) > one.lanes.index(ends[1])


def brushed(one: Axis, low: float, high: float) -> Range | None:
    """The range of a brush between two places: the roundest numbers that keep exactly the runs in the brush. None for nothing.

    Between two lanes of text there is no run, which is a range as well: its end comes before its beginning.
    """
    low, high = min(low, high), max(low, high)
    lost = one.gaps and low <= BELOW <= high
    kept = [lane for lane in one.lanes if low <= one.place(lane) <= high]
    if not kept and not any(low <= one.place(value) <= high for value in _numbers(one)):
        if lost:
            return Range(one.name, None, None)
        if len(one.lanes) > 1:
            above = min(max(sum(one.place(lane) < low for lane in one.lanes), 1), len(one.lanes) - 1)
            return Range(one.name, one.lanes[above], one.lanes[above - 1])
        return None if one.lanes or one.low == one.high or high < 0 else _of_numbers(one, low, high)
    if one.lanes:
        return Range(one.name, None if lost else kept[0], kept[-1])
    made = _of_numbers(one, low, high)
    return replace(made, low=None) if lost else made


def _of_numbers(one: Axis, low: float, high: float) -> Range:
    return Range(one.name, _lower_end(one, max(low, 0.0)), _upper_end(one, min(high, 1.0)))


def _numbers(one: Axis) -> list[float]:
    return [value for value in one.values if isinstance(value, float)]


def _lower_end(one: Axis, low: float) -> float:
    at, real = one.number(low), _numbers(one)
    over = min((value for value in real if one.place(value) >= low), default=at)
    under = max((value for value in real if one.place(value) < low), default=-math.inf)
    return _round(_whole(min(at, over), real), under, over)


def _upper_end(one: Axis, high: float) -> float:
    at, real = one.number(high), _numbers(one)
    under = max((value for value in real if one.place(value) <= high), default=at)
    over = min((value for value in real if one.place(value) > high), default=math.inf)
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


def span(kept: Range, one: Axis) -> tuple[float, float]:
    """Where to draw a range on its axis: a little wider than it is, but not as far as the next run outside it."""
    if kept.low is None and kept.high is None:
        return BELOW - 0.05, BELOW + 0.05
    if _is_between_lanes(kept, one):
        low, high = one.place(kept.high), one.place(kept.low)
        return low + (high - low) / 3, high - (high - low) / 3
    low = BELOW - 0.05 if kept.low is None else one.place(kept.low)
    high = 1.0 if kept.high is None else one.place(kept.high)
    below = max((place for place in one.places if place < low), default=low - 1)
    above = min((place for place in one.places if place > high), default=high + 1)
    low, high = low - min(EDGE, (low - below) / 2), high + min(EDGE, (above - high) / 2)
    return max(low, BELOW - 0.05), min(high, 1.04)


def steps(one: Axis, most: int = 60) -> tuple[Step, ...]:
    """The stops of a slider over an axis: its real values, at most `most` of them; values that read the same are one stop."""
    real: list[float] = sorted(set(_numbers(one)))
    if one.lanes:
        return tuple(Step(lane, lane, lane) for lane in one.lanes)
    said = figure if one.name.startswith(METRIC) else setting
    if len(real) > most:
        real = sorted({real[round(number * (len(real) - 1) / (most - 1))] for number in range(most)})
    made: dict[str, Step] = {}
    for value in real:
        label = said(value)
        made[label] = Step(label, made[label].low if label in made else value, value)
    return tuple(made.values())


def stops(kept: Range | None, made: Sequence[Step]) -> tuple[str, str]:
    """The two stops of a slider that show a range, the nearest ones inside it; the ends where there is none."""
    ends = made[0].label, made[-1].label
    if kept is None or (kept.low is None and kept.high is None):
        return ends
    if isinstance(kept.low, str) or isinstance(kept.high, str):
        order = [step.label for step in made]
        if kept.low in order and kept.high in order and order.index(str(kept.low)) > order.index(str(kept.high)):
            return ends  # between two lanes: no slider stands there
        return ends[0] if kept.low is None else str(kept.low), ends[1] if kept.high is None else str(kept.high)
    over = [one.label for one in made if kept.low is None or (one.high is not None and one.high >= kept.low)]  # type: ignore[operator]
    under = [one.label for one in made if kept.high is None or (one.low is not None and one.low <= kept.high)]  # type: ignore[operator]
    return (over or ends[1:])[0], (under or ends[:1])[-1]


def moved(one: Axis, low: str, high: str) -> Range | None:
    """The range between two stops of its slider; None for the whole axis."""
    made = {step.label: step for step in steps(one)}
    labels = list(made)
    if (low, high) == (labels[0], labels[-1]) or low not in made or high not in made:
        return None
    return Range(one.name, made[low].low, made[high].high)


def said(kept: Range, one: Axis) -> str:
    """A range as people read it: "trees 5 to 15", "accuracy ↑ up to 0.9 or no value", "depth without a value"."""
    reads = figure if kept.column.startswith(METRIC) else setting
    if kept.low is None:
        return f"{one.title} without a value" if kept.high is None else f"{one.title} up to {reads(kept.high)} or no value"
    if kept.high is None:
        return f"{one.title} from {reads(kept.low)}"
    if _is_between_lanes(kept, one):
        return f"{one.title} at none of its values"
    return f"{one.title} {reads(kept.low)}" + ("" if kept.low == kept.high else f" to {reads(kept.high)}")


def between(one: Axis, low: float, high: float) -> Range | None:
    """The range of a box over an axis drawn in values: see `drawn`. Runs without a value are not drawn there, so not in it."""
    if not (is_real(low) and is_real(high)):
        return None
    ends = [max(0.0, _place(one, end)) for end in sorted((low, high))]
    return brushed(one, *ends)


def _place(one: Axis, at: float) -> float:
    if one.lanes:
        return (at + 0.5) / len(one.lanes)
    return one.place(max(at, one.low / 2) if one.log else at)


def drawn(one: Axis, place: float) -> float:
    """What stands at a place of an axis drawn in values: a number, or the number of a lane, where lane 0 is the lowest."""
    return place * len(one.lanes) - 0.5 if one.lanes else one.number(place)
