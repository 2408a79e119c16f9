"""Scatter: a point per run at two columns, coloured by a metric; a box or a click selects; a front and a trend on request. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import pandas as pd

from lib.runs.plots.axes import Axis
from lib.runs.plots.axis_ranges import plot_value_at
from lib.runs.plots.style import (
    IS_SELECTED_EXPR,
    ChartStyle,
    chart_data,
    color_encoding,
    column_title,
    combine_layers,
    letter_layers,
    run_tooltips,
    y_title,
)
from lib.runs.plots.trend import Trend
from lib.runs.table.number_format import short_labels
from lib.runs.table.types import RunTable
from lib.theme import ChartColors

MAX_POINTS = 5000
CROWDED_POINTS = 1000
"""More points are drawn smaller and without a rim, which would cover what lies below."""
BOX_SELECTION, CLICK_SELECTION = "box", "click"
"""The names of the two selections."""
AXIS_MARGIN = 0.04
"""Room beyond the outermost points, as a share of the axis."""
_LOOK: dict[str, Any] = {
    "domain": False,
    "ticks": False,
    "grid": True,
    "gridDash": [2, 3],
    "labelPadding": 6,
    "titlePadding": 8,
    "titleAnchor": "end",
}


@dataclass(frozen=True)
class Polyline:
    """A Pareto front: its points from left to right. Between two of them it keeps the `before` or `after` one's height."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    step: Literal["before", "after"]


@dataclass(frozen=True)
class ScatterOverlay:
    """What is drawn over the points: a box from the start (places by column), a front, a trend."""

    spans: Mapping[str, tuple[float, float]]
    front: Polyline | None = None
    trend: Trend | None = None


def scatter_plot(
    table: RunTable, axes: tuple[Axis, Axis], style: ChartStyle, overlay: ScatterOverlay | None = None
) -> alt.LayerChart:
    """The runs at two axes (across, up) that hold these runs in the same order; those without both values are not drawn: see `unplaced`."""
    (across, up), ink, overlay = axes, style.colors, overlay or ScatterOverlay({})
    data = chart_data(table, style).assign(
        x=pd.Series(plot_values(across)), y=pd.Series(plot_values(up)), across=list(across.texts), up=list(up.texts)
    )
    data = data.dropna(subset=["x", "y"])
    at = {"x": alt.X("x:Q", **_axis(across), title=column_title(across.name)), "y": alt.Y("y:Q", **_axis(up), title=None)}
    tips = {"tooltip": _tooltip(axes, style)}
    base = alt.Chart(data)
    title = y_title(up.name, ink)
    layers = [
        *(_trend(overlay.trend, at, ink) if overlay.trend else []),
        *([_front(overlay.front, at, ink)] if overlay.front else []),
        _points(base, style, at | tips, _selections(axes, overlay, ink)),
        *letter_layers(base.transform_filter(IS_SELECTED_EXPR), at | tips, ink, ring_size=170),
    ]
    return combine_layers(layers, ink).properties(title=title)


def plot_values(axis: Axis) -> list[float | None]:
    """Where the runs stand on an axis drawn in values: numbers, or the numbers of lanes; None for a run without a value."""
    lanes = {lane: float(number) for number, lane in enumerate(axis.categories)}
    return [lanes[value] if isinstance(value, str) else value for value in axis.values]


def count_unplotted(axes: tuple[Axis, Axis]) -> int:
    """How many runs a scatter cannot draw, because one of the two values is missing or no number."""
    return sum(None in pair for pair in zip(axes[0].values, axes[1].values, strict=True))


def _selections(axes: tuple[Axis, Axis], over: ScatterOverlay, ink: ChartColors) -> list[alt.Parameter]:
    start: dict[str, Any] = {}
    if any(one.name in over.spans for one in axes):
        ends = {field: over.spans.get(one.name, (-AXIS_MARGIN, 1 + AXIS_MARGIN)) for field, one in zip("xy", axes, strict=True)}
        start = {
            "value": {field: [plot_value_at(one, end) for end in ends[field]] for field, one in zip("xy", axes, strict=True)}
        }
    mark = alt.BrushConfig(fill=ink["brush"], fillOpacity=0.1, stroke=ink["brush"], strokeOpacity=0.7)
    box = alt.selection_interval(name=BOX_SELECTION, encodings=["x", "y"], translate=False, zoom=False, mark=mark, **start)
    return [box, alt.selection_point(name=CLICK_SELECTION, fields=["run_id"], on="click")]


def _points(base: alt.Chart, look: ChartStyle, at: dict[str, Any], selections: Sequence[alt.Parameter]) -> alt.Chart:
    box, click = selections
    many = len(base.data) > CROWDED_POINTS
    seen = alt.when(box & click).then(alt.value(0.6 if many else 0.85)).otherwise(alt.value(0.06 if many else 0.12))
    rim: dict[str, Any] = {} if many else {"stroke": look.colors["page"], "strokeWidth": 0.8}
    points = base.mark_point(filled=True, size=30 if many else 80, **rim)
    return points.encode(**at, color=color_encoding(look, "legend"), opacity=seen).add_params(*selections)


def _front(front: Polyline, at: dict[str, Any], ink: ChartColors) -> alt.Chart:
    data = pd.DataFrame({"x": front.x, "y": front.y, "step": range(len(front.x))})
    line = alt.Chart(data).mark_line(interpolate=f"step-{front.step}", stroke=ink["ink"], strokeWidth=1.5)
    return line.encode(**at, order="step:Q")


def _trend(trend: Trend, at: dict[str, Any], ink: ChartColors) -> list[alt.Chart]:
    """The line in a pale band, both cut off at the edge of the plot."""
    base = alt.Chart(pd.DataFrame({"x": trend.x, "y": trend.mean, "low": trend.low, "high": trend.high}))
    band = base.mark_area(color=ink["soft"], opacity=0.16, clip=True)
    up = at["y"].copy()
    up.shorthand = "low:Q"
    return [
        band.encode(x=at["x"], y=up, y2="high:Q"),
        base.mark_line(stroke=ink["soft"], strokeWidth=2, clip=True).encode(**at),
    ]


def _tooltip(axes: tuple[Axis, Axis], look: ChartStyle) -> list[alt.Tooltip]:
    color = look.color_column
    tips = run_tooltips(look)
    tips += [alt.Tooltip(f"{key}:N", title=column_title(one.name)) for key, one in zip(("across", "up"), axes, strict=True)]
    named = [one.name for one in axes]
    return tips + ([alt.Tooltip("shaded:N", title=column_title(color))] if color and color not in named else [])


def _axis(one: Axis) -> dict[str, Any]:
    """Scale and look of an axis: a log scale where the axis is one, a lane per text."""
    if one.categories:
        return _lanes(one)
    real = sorted({value for value in one.values if isinstance(value, float)})
    few = len(real) <= 8 and all(value.is_integer() for value in real)
    ticks: dict[str, Any] = {"values": real, "format": ",d"} if few else {"tickCount": 6}
    ends = [one.value_at(-AXIS_MARGIN), one.value_at(1 + AXIS_MARGIN)]
    return {
        "axis": alt.Axis(**_LOOK, **ticks),
        "scale": alt.Scale(type="log" if one.is_log else "linear", domain=ends, zero=False, nice=False),
    }


def _lanes(one: Axis) -> dict[str, Any]:
    labels = short_labels(one.categories, 20)
    said = json.dumps([labels[lane] for lane in one.categories])
    ticks = list(range(len(one.categories)))
    look = alt.Axis(**_LOOK, labelAngle=0, labelLimit=0, labelExpr=f"{said}[datum.value]", values=ticks)
    return {"axis": look, "scale": alt.Scale(domain=[-0.6, len(one.categories) - 0.4], zero=False, nice=False)}
