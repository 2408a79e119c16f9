"""Parallel coordinates: a line per run over several axes, with a brush on each. Pure.

Vega-Lite has no such mark. The coordinates come from `axes`, are folded into long form in the browser and drawn in layers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from lib.runs.plots.axes import MISSING_COORDINATE, Axis
from lib.runs.plots.style import (
    IS_SELECTED_EXPR,
    ChartStyle,
    chart_data,
    color_encoding,
    combine_layers,
    dash_encoding,
    run_tooltips,
)
from lib.runs.table.number_format import short_labels
from lib.runs.table.types import RunTable
from lib.theme import ChartColors

MAX_LINES = 300
"""Maximum lines: more make the pointer lag. A hover takes 0.2 s with 500."""
Span = tuple[float, float]
"""Two coordinates on an axis, lower first."""
HOVER_WIDTH = 9
"""Distance in pixels at which the pointer hits a line."""
_SIDE_PADDING = 0.32


@dataclass(frozen=True)
class _Grid:
    """The axes with their keys (safe field names), the shared encodings, and the colours."""

    keys: tuple[str, ...]
    axes: tuple[Axis, ...]
    colors: ChartColors
    spans: Mapping[str, Span]

    @property
    def x(self) -> alt.X:
        width = 24 if len(self.axes) < 7 else 16 if len(self.axes) < 9 else 12
        titles = short_labels([axis.title for axis in self.axes], width)
        title_by_key = json.dumps(dict(zip(self.keys, (titles[axis.title] for axis in self.axes), strict=True)))
        x_axis = alt.Axis(
            orient="top",
            labelExpr=f"{title_by_key}[datum.value]",
            labelAngle=0,
            labelFontWeight=600,
            labelFontSize=12,
            labelColor=self.colors["ink"],
            labelPadding=10,
            labelLimit=0,
            labelOverlap=False,
            domain=False,
            ticks=False,
            grid=False,
        )
        return alt.X(
            "axis:N", sort=list(self.keys), scale=alt.Scale(type="point", padding=_SIDE_PADDING), title=None, axis=x_axis
        )

    @property
    def brush_filter(self) -> str:
        """Vega expression: whether a run is in every brushed range."""
        return " && ".join(f"(!isValid(b_{key}.norm) || inrange(datum.{key}, b_{key}.norm))" for key in self.keys)

    @property
    def low(self) -> float:
        """The lower end of the axes, with room for runs without a value if there are any."""
        return MISSING_COORDINATE - 0.05 if any(axis.has_missing for axis in self.axes) else -0.04

    def encoding(self, field: str) -> dict[str, Any]:
        scale = alt.Scale(domain=[self.low, 1.04], nice=False)
        return {"x": self.x, "y": alt.Y(f"{field}:Q", axis=None, scale=scale)}


def brush_name(number: int) -> str:
    """Return the name of the selection on the axis with this number."""
    return f"b_n{number}"


def parallel_plot(
    table: RunTable, axes: Sequence[Axis], style: ChartStyle, spans: Mapping[str, Span] | None = None
) -> alt.LayerChart:
    """Draw the runs over axes of these runs, in the same order; `spans` are the initial brushes by column.

    Drag along an axis to select a range, double-click to clear it. For at most `MAX_LINES` runs: see `style.sample_runs`.
    """
    grid = _Grid(tuple(f"n{number}" for number in range(len(axes))), tuple(axes), style.colors, spans or {})
    data = _add_axis_fields(chart_data(table, style), grid)
    folded = alt.Chart(data).transform_fold(list(grid.keys), as_=["axis", "norm"])
    hover = alt.selection_point(name="hover", fields=["run_id"], on="pointerover", clear="pointerout", empty=False)
    rules = alt.Chart(pd.DataFrame({"axis": grid.keys})).mark_rule(strokeWidth=1.5, color=style.colors["past"]).encode(x=grid.x)
    layers = [
        rules,
        _line_layer(folded, grid, hover, color_encoding(style, "no legend")),
        *_selected_layers(folded, grid),
        _letter_layer(data, grid),
        _hover_layer(folded, grid, style).add_params(hover),
        _legend_layer(data, grid, style),
        *_tick_layers(grid),
        _range_layer(grid),
        _brush_layer(grid),
    ]
    return combine_layers(layers, style.colors)


def _add_axis_fields(runs: pd.DataFrame, grid: _Grid) -> pd.DataFrame:
    coordinates = {key: list(axis.coordinates) for key, axis in zip(grid.keys, grid.axes, strict=True)}
    texts = {f"t{number}": list(axis.texts) for number, axis in enumerate(grid.axes)}
    return runs.assign(**coordinates, **texts)


def _line_layer(folded: alt.Chart, grid: _Grid, hover: alt.Parameter, color: Any) -> alt.Chart:
    opacity = alt.when(hover).then(alt.value(1)).when(grid.brush_filter).then(alt.value(0.6)).otherwise(alt.value(0.05))
    width = alt.when(hover).then(alt.value(3.5)).otherwise(alt.value(1.4))
    line = folded.transform_filter(f"!{IS_SELECTED_EXPR}").mark_line(interpolate="monotone", strokeJoin="round", aria=False)
    return line.encode(**grid.encoding("norm"), detail="run_id:N", color=color, opacity=opacity, strokeWidth=width)


def _selected_layers(folded: alt.Chart, grid: _Grid) -> list[alt.Chart]:
    selected, color = folded.transform_filter(IS_SELECTED_EXPR), grid.colors["ink"]
    opacity = alt.when(grid.brush_filter).then(alt.value(1)).otherwise(alt.value(0.15))
    line = selected.mark_line(interpolate="monotone", strokeWidth=3, stroke=color, aria=False)
    return [
        line.encode(**grid.encoding("norm"), detail="run_id:N", strokeDash=dash_encoding(), opacity=opacity),
        selected.mark_point(filled=True, size=46, color=color).encode(**grid.encoding("norm"), opacity=opacity),
    ]


def _letter_layer(data: pd.DataFrame, grid: _Grid) -> alt.Chart:
    """Return the letters left of the first axis; runs at the same coordinate share one label."""
    letters_by_coordinate: dict[float, str] = {}
    for coordinate, letter in sorted(zip(data[grid.keys[0]], data.letter, strict=True), key=lambda pair: str(pair[1])):
        if isinstance(letter, str):
            rounded = round(coordinate, 2)
            letters_by_coordinate[rounded] = (
                f"{letters_by_coordinate[rounded]} {letter}" if rounded in letters_by_coordinate else letter
            )
    labels = pd.DataFrame(
        {"place": list(letters_by_coordinate), "letter": list(letters_by_coordinate.values()), "axis": grid.keys[0]}
    )
    text = alt.Chart(labels).mark_text(align="right", dx=-10, fontSize=13, fontWeight=700, color=grid.colors["ink"])
    return text.encode(**grid.encoding("place"), text="letter:N")


def _hover_layer(folded: alt.Chart, grid: _Grid, style: ChartStyle) -> alt.Chart:
    """Return an invisible wide line over each line, which shows its run under the pointer. Points at each value would be ten times as many.

    It is an area without height, because Vega hits a line only near its points but an area everywhere.
    """
    tooltips = [alt.Tooltip(f"t{number}:N", title=axis.title) for number, axis in enumerate(grid.axes)]
    areas = folded.mark_area(
        interpolate="monotone", fillOpacity=0, stroke=grid.colors["soft"], strokeWidth=HOVER_WIDTH, strokeOpacity=0, aria=False
    )
    return areas.encode(**grid.encoding("norm"), y2="norm:Q", detail="run_id:N", tooltip=[*run_tooltips(style), *tooltips])


def _legend_layer(data: pd.DataFrame, grid: _Grid, style: ChartStyle) -> alt.Chart:
    """Return one invisible point for the legend: lines would give it a frame without a fill."""
    point = alt.Chart(data[:1].assign(axis=grid.keys[0])).mark_point(filled=True, opacity=0)
    return point.encode(**grid.encoding(grid.keys[0]), color=color_encoding(style, "legend"))


def _tick_layers(grid: _Grid) -> list[alt.Chart]:
    """Return labels at actual values, with a halo in the page colour to keep them readable over lines."""
    rows = []
    for key, axis in zip(grid.keys, grid.axes, strict=True):
        labels = short_labels([tick.label for tick in axis.ticks], 14)
        rows += [(key, tick.coordinate, labels[tick.label]) for tick in axis.ticks]
    ticks = alt.Chart(pd.DataFrame(rows, columns=["axis", "place", "label"]))
    style: dict[str, Any] = {"align": "left", "dx": 7, "fontSize": 10.5, "fontWeight": 500}
    halo = ticks.mark_text(**style, stroke=grid.colors["page"], strokeWidth=4, strokeJoin="round")
    plain = ticks.mark_text(**style, color=grid.colors["soft"])
    return [halo.encode(**grid.encoding("place"), text="label:N"), plain.encode(**grid.encoding("place"), text="label:N")]


def _range_layer(grid: _Grid) -> alt.Chart:
    """Return a bar on each axis that shows the brushed range."""
    brushed_ranges = ", ".join(f"{key}: b_{key}.norm" for key in grid.keys)
    bars = alt.Chart(pd.DataFrame({"axis": grid.keys})).transform_calculate(kept=f"({{{brushed_ranges}}})[datum.axis]")
    bars = bars.transform_filter("isValid(datum.kept)").transform_calculate(low="datum.kept[0]", high="datum.kept[1]")
    rules = bars.mark_rule(strokeWidth=9, strokeCap="round", color=grid.colors["brush"], opacity=0.6)
    return rules.encode(**grid.encoding("low"), y2="high:Q")


def _brush_layer(grid: _Grid) -> alt.Chart:
    """Return the layer with the brushes. They are hit by position because an active brush would cover its neighbours."""
    axis_lines = pd.DataFrame({"axis": grid.keys, "norm": grid.low, "top": 1.04})
    rules = alt.Chart(axis_lines).mark_rule(strokeWidth=22, opacity=0.001, cursor="ns-resize", tooltip=None)
    layer = rules.encode(x=grid.x, y=alt.Y("norm:Q", axis=None), y2="top:Q")
    return layer.add_params(*(_brush_selection(grid, number) for number in range(len(grid.keys))))


def _brush_selection(grid: _Grid, number: int) -> alt.Parameter:
    is_near_axis = f"abs(x() - group().width * {(_SIDE_PADDING + number) / (len(grid.keys) - 1 + 2 * _SIDE_PADDING)}) < 14"
    span = grid.spans.get(grid.axes[number].name)
    initial_value: dict[str, Any] = {"value": {"y": list(span)}} if span else {}
    return alt.selection_interval(
        name=brush_name(number),
        encodings=["y"],
        **initial_value,
        on=f"[pointerdown[{is_near_axis}], window:pointerup] > window:pointermove!",
        clear=f"dblclick[{is_near_axis}]",
        translate=False,
        zoom=False,
        mark=alt.BrushConfig(fill="none", stroke="none", cursor="default"),
    )
