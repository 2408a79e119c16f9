"""Parallel coordinates: a line per run over several axes, with a brush on each. Pure.

Vega-Lite has no such mark. The places are reckoned in `axes`, folded into long form in the browser, and drawn in layers.
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
"""More lines make the pointer lag: a hover takes 0.2 s with 500."""
Span = tuple[float, float]
"""Two places on an axis, the lower first."""
HOVER_WIDTH = 9
"""Pixels around a line in which the pointer finds it."""
_SIDE = 0.32


@dataclass(frozen=True)
class _Grid:
    """The axes with their keys (safe field names), the shared encodings, and the colours."""

    keys: tuple[str, ...]
    axes: tuple[Axis, ...]
    ink: ChartColors
    spans: Mapping[str, Span]

    @property
    def x(self) -> alt.X:
        width = 24 if len(self.axes) < 7 else 16 if len(self.axes) < 9 else 12
        titles = short_labels([one.title for one in self.axes], width)
        said = json.dumps(dict(zip(self.keys, (titles[one.title] for one in self.axes), strict=True)))
        head = alt.Axis(
            orient="top",
            labelExpr=f"{said}[datum.value]",
            labelAngle=0,
            labelFontWeight=600,
            labelFontSize=12,
            labelColor=self.ink["ink"],
            labelPadding=10,
            labelLimit=0,
            labelOverlap=False,
            domain=False,
            ticks=False,
            grid=False,
        )
        return alt.X("axis:N", sort=list(self.keys), scale=alt.Scale(type="point", padding=_SIDE), title=None, axis=head)

    @property
    def passing(self) -> str:
        """Does a run lie in every range that is brushed? A Vega expression."""
        return " && ".join(f"(!isValid(b_{key}.norm) || inrange(datum.{key}, b_{key}.norm))" for key in self.keys)

    @property
    def low(self) -> float:
        """The lower end of the axes: below it stands what has no value, where some run has none."""
        return MISSING_COORDINATE - 0.05 if any(one.has_missing for one in self.axes) else -0.04

    def at(self, field: str) -> dict[str, Any]:
        along = alt.Scale(domain=[self.low, 1.04], nice=False)
        return {"x": self.x, "y": alt.Y(f"{field}:Q", axis=None, scale=along)}


def brush_name(number: int) -> str:
    """The name of the selection on the axis with this number."""
    return f"b_n{number}"


def parallel_plot(
    table: RunTable, axes: Sequence[Axis], style: ChartStyle, spans: Mapping[str, Span] | None = None
) -> alt.LayerChart:
    """The runs over axes that hold these runs, in the same order; `spans` are brushed from the start, by the column of the axis.

    Drag along an axis to keep a range, double-click it to let go. For at most `MOST_LINES` runs: see `charts.sampled`.
    """
    grid = _Grid(tuple(f"n{number}" for number in range(len(axes))), tuple(axes), style.colors, spans or {})
    wide = _wide(chart_data(table, style), grid)
    folded = alt.Chart(wide).transform_fold(list(grid.keys), as_=["axis", "norm"])
    hover = alt.selection_point(name="hover", fields=["run_id"], on="pointerover", clear="pointerout", empty=False)
    rules = alt.Chart(pd.DataFrame({"axis": grid.keys})).mark_rule(strokeWidth=1.5, color=style.colors["past"]).encode(x=grid.x)
    layers = [
        rules,
        _lines(folded, grid, hover, color_encoding(style, "no legend")),
        *_picked(folded, grid),
        _letters(wide, grid),
        _touch(folded, grid, style).add_params(hover),
        _legend(wide, grid, style),
        *_ticks(grid),
        _ranges(grid),
        _handles(grid),
    ]
    return combine_layers(layers, style.colors)


def _wide(runs: pd.DataFrame, grid: _Grid) -> pd.DataFrame:
    places = {key: list(one.coordinates) for key, one in zip(grid.keys, grid.axes, strict=True)}
    texts = {f"t{number}": list(one.texts) for number, one in enumerate(grid.axes)}
    return runs.assign(**places, **texts)


def _lines(folded: alt.Chart, grid: _Grid, hover: alt.Parameter, by: Any) -> alt.Chart:
    fade = alt.when(hover).then(alt.value(1)).when(grid.passing).then(alt.value(0.6)).otherwise(alt.value(0.05))
    width = alt.when(hover).then(alt.value(3.5)).otherwise(alt.value(1.4))
    line = folded.transform_filter(f"!{IS_SELECTED_EXPR}").mark_line(interpolate="monotone", strokeJoin="round", aria=False)
    return line.encode(**grid.at("norm"), detail="run_id:N", color=by, opacity=fade, strokeWidth=width)


def _picked(folded: alt.Chart, grid: _Grid) -> list[alt.Chart]:
    chosen, ink = folded.transform_filter(IS_SELECTED_EXPR), grid.ink["ink"]
    fade = alt.when(grid.passing).then(alt.value(1)).otherwise(alt.value(0.15))
    line = chosen.mark_line(interpolate="monotone", strokeWidth=3, stroke=ink, aria=False)
    return [
        line.encode(**grid.at("norm"), detail="run_id:N", strokeDash=dash_encoding(), opacity=fade),
        chosen.mark_point(filled=True, size=46, color=ink).encode(**grid.at("norm"), opacity=fade),
    ]


def _letters(wide: pd.DataFrame, grid: _Grid) -> alt.Chart:
    """The letters left of the first axis; runs at the same place share one label."""
    at: dict[float, str] = {}
    for place, letter in sorted(zip(wide[grid.keys[0]], wide.letter, strict=True), key=lambda pair: str(pair[1])):
        if isinstance(letter, str):
            near = round(place, 2)
            at[near] = f"{at[near]} {letter}" if near in at else letter
    named = pd.DataFrame({"place": list(at), "letter": list(at.values()), "axis": grid.keys[0]})
    text = alt.Chart(named).mark_text(align="right", dx=-10, fontSize=13, fontWeight=700, color=grid.ink["ink"])
    return text.encode(**grid.at("place"), text="letter:N")


def _touch(folded: alt.Chart, grid: _Grid, look: ChartStyle) -> alt.Chart:
    """A wide line over each line that nobody sees: under the pointer it reads out its run. Points at each value would be ten times as many.

    It is an area without a height, because Vega reads out a line only near its points, an area everywhere.
    """
    tips = [alt.Tooltip(f"t{number}:N", title=one.title) for number, one in enumerate(grid.axes)]
    drawn = folded.mark_area(
        interpolate="monotone", fillOpacity=0, stroke=grid.ink["soft"], strokeWidth=HOVER_WIDTH, strokeOpacity=0, aria=False
    )
    return drawn.encode(**grid.at("norm"), y2="norm:Q", detail="run_id:N", tooltip=[*run_tooltips(look), *tips])


def _legend(wide: pd.DataFrame, grid: _Grid, look: ChartStyle) -> alt.Chart:
    """One point that nobody sees: lines would give the legend a frame without a filling."""
    point = alt.Chart(wide[:1].assign(axis=grid.keys[0])).mark_point(filled=True, opacity=0)
    return point.encode(**grid.at(grid.keys[0]), color=color_encoding(look, "legend"))


def _ticks(grid: _Grid) -> list[alt.Chart]:
    """Labels at real values, each with a halo in the colour of the page so that lines do not cross them out."""
    rows = []
    for key, one in zip(grid.keys, grid.axes, strict=True):
        labels = short_labels([tick.label for tick in one.ticks], 14)
        rows += [(key, tick.coordinate, labels[tick.label]) for tick in one.ticks]
    ticks = alt.Chart(pd.DataFrame(rows, columns=["axis", "place", "label"]))
    style: dict[str, Any] = {"align": "left", "dx": 7, "fontSize": 10.5, "fontWeight": 500}
    halo = ticks.mark_text(**style, stroke=grid.ink["page"], strokeWidth=4, strokeJoin="round")
    plain = ticks.mark_text(**style, color=grid.ink["soft"])
    return [halo.encode(**grid.at("place"), text="label:N"), plain.encode(**grid.at("place"), text="label:N")]


def _ranges(grid: _Grid) -> alt.Chart:
    """A bar on each axis that shows the brushed range."""
    kept = ", ".join(f"{key}: b_{key}.norm" for key in grid.keys)
    bars = alt.Chart(pd.DataFrame({"axis": grid.keys})).transform_calculate(kept=f"({{{kept}}})[datum.axis]")
    bars = bars.transform_filter("isValid(datum.kept)").transform_calculate(low="datum.kept[0]", high="datum.kept[1]")
    drawn = bars.mark_rule(strokeWidth=9, strokeCap="round", color=grid.ink["brush"], opacity=0.6)
    return drawn.encode(**grid.at("low"), y2="high:Q")


def _handles(grid: _Grid) -> alt.Chart:
    """The layer that carries the brushes. They are hit by position, because an active brush would cover its neighbours."""
    reach = pd.DataFrame({"axis": grid.keys, "norm": grid.low, "top": 1.04})
    invisible = alt.Chart(reach).mark_rule(strokeWidth=22, opacity=0.001, cursor="ns-resize", tooltip=None)
    drawn = invisible.encode(x=grid.x, y=alt.Y("norm:Q", axis=None), y2="top:Q")
    return drawn.add_params(*(_brush(grid, number) for number in range(len(grid.keys))))


def _brush(grid: _Grid, number: int) -> alt.Parameter:
    at = f"abs(x() - group().width * {(_SIDE + number) / (len(grid.keys) - 1 + 2 * _SIDE)}) < 14"
    drawn = grid.spans.get(grid.axes[number].name)
    start: dict[str, Any] = {"value": {"y": list(drawn)}} if drawn else {}
    return alt.selection_interval(
        name=brush_name(number),
        encodings=["y"],
        **start,
        on=f"[pointerdown[{at}], window:pointerup] > window:pointermove!",
        clear=f"dblclick[{at}]",
        translate=False,
        zoom=False,
        mark=alt.BrushConfig(fill="none", stroke="none", cursor="default"),
    )
