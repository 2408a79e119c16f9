"""Scatter: a point per run over two columns, coloured by a metric, with box and click selection and optional front and trend. Pure."""

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
"""More points are drawn smaller and without an outline, which would cover points below."""
BOX_SELECTION, CLICK_SELECTION = "box", "click"
"""Names of the two selections."""
AXIS_MARGIN = 0.04
"""Margin beyond the outermost points, as a share of the axis."""
_AXIS_OPTIONS: dict[str, Any] = {
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
    """A Pareto front: its points from left to right. Between two points it has the height of the one `before` or `after`."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    step: Literal["before", "after"]


@dataclass(frozen=True)
class ScatterOverlay:
    """The layers over the points: an initial box (spans by column), a front, a trend."""

    spans: Mapping[str, tuple[float, float]]
    front: Polyline | None = None
    trend: Trend | None = None


def scatter_plot(
    table: RunTable, axes: tuple[Axis, Axis], style: ChartStyle, overlay: ScatterOverlay | None = None
) -> alt.LayerChart:
    """Draw the runs over two axes (x, y) of these runs in the same order; runs without both values are omitted: see `count_unplotted`."""
    (across, up), colors, overlay = axes, style.colors, overlay or ScatterOverlay({})
    data = chart_data(table, style).assign(
        x=pd.Series(plot_values(across)), y=pd.Series(plot_values(up)), across=list(across.texts), up=list(up.texts)
    )
    data = data.dropna(subset=["x", "y"])
    encoding = {
        "x": alt.X("x:Q", **_axis_options(across), title=column_title(across.name, style.directions)),
        "y": alt.Y("y:Q", **_axis_options(up), title=None),
    }
    tooltip = {"tooltip": _point_tooltips(axes, style)}
    base = alt.Chart(data)
    layers = [
        *(_trend_layers(overlay.trend, encoding, colors) if overlay.trend else []),
        *([_front_layer(overlay.front, encoding, colors)] if overlay.front else []),
        _point_layer(base, style, encoding | tooltip, _selections(axes, overlay, colors)),
        *letter_layers(base.transform_filter(IS_SELECTED_EXPR), encoding | tooltip, colors, ring_size=170),
    ]
    return combine_layers(layers, colors).properties(title=y_title(up.name, style))


def plot_values(axis: Axis) -> list[float | None]:
    """Return the runs' plot values on an axis drawn in values: numbers or category indices; None without a value."""
    category_index = {category: float(index) for index, category in enumerate(axis.categories)}
    return [category_index[value] if isinstance(value, str) else value for value in axis.values]


def count_unplotted(axes: tuple[Axis, Axis]) -> int:
    """Return how many runs cannot be drawn because one of the two values is missing or not a number."""
    return sum(None in pair for pair in zip(axes[0].values, axes[1].values, strict=True))


def _selections(axes: tuple[Axis, Axis], overlay: ScatterOverlay, colors: ChartColors) -> list[alt.Parameter]:
    initial_value: dict[str, Any] = {}
    if any(axis.name in overlay.spans for axis in axes):
        spans = {
            field: overlay.spans.get(axis.name, (-AXIS_MARGIN, 1 + AXIS_MARGIN)) for field, axis in zip("xy", axes, strict=True)
        }
        initial_value = {
            "value": {field: [plot_value_at(axis, end) for end in spans[field]] for field, axis in zip("xy", axes, strict=True)}
        }
    mark = alt.BrushConfig(fill=colors["brush"], fillOpacity=0.1, stroke=colors["brush"], strokeOpacity=0.7)
    box = alt.selection_interval(
        name=BOX_SELECTION, encodings=["x", "y"], translate=False, zoom=False, mark=mark, **initial_value
    )
    return [box, alt.selection_point(name=CLICK_SELECTION, fields=["run_id"], on="click")]


def _point_layer(base: alt.Chart, style: ChartStyle, encoding: dict[str, Any], selections: Sequence[alt.Parameter]) -> alt.Chart:
    box, click = selections
    is_crowded = len(base.data) > CROWDED_POINTS
    opacity = (
        alt.when(box & click).then(alt.value(0.6 if is_crowded else 0.85)).otherwise(alt.value(0.06 if is_crowded else 0.12))
    )
    stroke: dict[str, Any] = {} if is_crowded else {"stroke": style.colors["page"], "strokeWidth": 0.8}
    points = base.mark_point(filled=True, size=30 if is_crowded else 80, **stroke)
    return points.encode(**encoding, color=color_encoding(style, "legend"), opacity=opacity).add_params(*selections)


def _front_layer(front: Polyline, encoding: dict[str, Any], colors: ChartColors) -> alt.Chart:
    data = pd.DataFrame({"x": front.x, "y": front.y, "step": range(len(front.x))})
    line = alt.Chart(data).mark_line(interpolate=f"step-{front.step}", stroke=colors["ink"], strokeWidth=1.5)
    return line.encode(**encoding, order="step:Q")


def _trend_layers(trend: Trend, encoding: dict[str, Any], colors: ChartColors) -> list[alt.Chart]:
    """Return the line and its pale band, both clipped at the edge of the plot."""
    base = alt.Chart(pd.DataFrame({"x": trend.x, "y": trend.mean, "low": trend.low, "high": trend.high}))
    band = base.mark_area(color=colors["soft"], opacity=0.16, clip=True)
    y = encoding["y"].copy()
    y.shorthand = "low:Q"
    return [
        band.encode(x=encoding["x"], y=y, y2="high:Q"),
        base.mark_line(stroke=colors["soft"], strokeWidth=2, clip=True).encode(**encoding),
    ]


def _point_tooltips(axes: tuple[Axis, Axis], style: ChartStyle) -> list[alt.Tooltip]:
    color = style.color_column
    tooltips = run_tooltips(style)
    tooltips += [
        alt.Tooltip(f"{key}:N", title=column_title(axis.name, style.directions))
        for key, axis in zip(("across", "up"), axes, strict=True)
    ]
    axis_names = [axis.name for axis in axes]
    return tooltips + (
        [alt.Tooltip("shaded:N", title=column_title(color, style.directions))] if color and color not in axis_names else []
    )


def _axis_options(axis: Axis) -> dict[str, Any]:
    """Return scale and style of an axis: a log scale if the axis has one, a position per category."""
    if axis.categories:
        return _category_options(axis)
    numbers = sorted({value for value in axis.values if isinstance(value, float)})
    are_few_integers = len(numbers) <= 8 and all(value.is_integer() for value in numbers)
    tick_options: dict[str, Any] = {"values": numbers, "format": ",d"} if are_few_integers else {"tickCount": 6}
    limits = [axis.value_at(-AXIS_MARGIN), axis.value_at(1 + AXIS_MARGIN)]
    return {
        "axis": alt.Axis(**_AXIS_OPTIONS, **tick_options),
        "scale": alt.Scale(type="log" if axis.is_log else "linear", domain=limits, zero=False, nice=False),
    }


def _category_options(axis: Axis) -> dict[str, Any]:
    labels = short_labels(axis.categories, 20)
    label_texts = json.dumps([labels[category] for category in axis.categories])
    ticks = list(range(len(axis.categories)))
    category_axis = alt.Axis(**_AXIS_OPTIONS, labelAngle=0, labelLimit=0, labelExpr=f"{label_texts}[datum.value]", values=ticks)
    return {"axis": category_axis, "scale": alt.Scale(domain=[-0.6, len(axis.categories) - 0.4], zero=False, nice=False)}
