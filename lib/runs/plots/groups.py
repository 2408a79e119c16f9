"""Error bars: the mean of each group of repeated runs with its interval, the runs behind it, and a word for how it stands. Pure."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from lib.runs.analysis.grouping import RankedGroup
from lib.runs.plots.box import CROWDED_POINTS, MAX_POINTS, add_click_selection, jitter
from lib.runs.plots.style import (
    IS_SELECTED_EXPR,
    ChartStyle,
    chart_data,
    color_encoding,
    column_title,
    combine_layers,
    letter_layers,
    run_tooltips,
    sample_runs,
)
from lib.runs.table.number_format import STORED_INFINITY, format_number, is_finite_number, short_labels
from lib.runs.table.run_table import subset
from lib.runs.table.types import RunTable
from lib.theme import ChartColors

MAX_ROWS = 20
ROW_HEIGHT, EXTRA_HEIGHT = 31, 58
_ABOVE, _BELOW, _SPREAD = -0.14, 0.17, 0.24
"""Where in its row the mean stands, and the runs, which would hide it."""
AxisLimits = tuple[float, float]


def axis_limits(rows: Sequence[RankedGroup]) -> AxisLimits:
    """Where the axis begins and ends: it holds all runs, and intervals up to half of that width more on either side."""
    numbers = [number for row in rows for number in row.group.numbers]
    low, high = min(numbers), max(numbers)
    room = (high / 2 - low / 2) or abs(high) * 0.05 or 1.0
    bars = [end for row in rows for end in (row.summary.low, row.summary.high) if end is not None and is_finite_number(end)]
    left = max(low - room, min([low - room * 0.06, *bars]), -STORED_INFINITY)
    return left, min(high + room, max([high + room * 0.06, *bars]), STORED_INFINITY)


def has_clipped_interval(rows: Sequence[RankedGroup]) -> bool:
    """Does an interval reach beyond the axis?"""
    low, high = axis_limits(rows)
    return any(row.summary.low is not None and (row.summary.low < low or (row.summary.high or low) > high) for row in rows)


def group_plot(runs: RunTable, metric: str, rows: Sequence[RankedGroup], style: ChartStyle) -> alt.LayerChart:
    """The rows from top to bottom as they come. Runs are small points, means are squares, one run alone is a hollow one."""
    ink, data = style.colors, _rows(rows)
    base, ends = alt.Chart(data), axis_limits(rows)
    x = alt.X("mean:Q", title=column_title(metric), axis=_AXIS, scale=alt.Scale(domain=list(ends), nice=False, zero=False))
    y = alt.Y("place:Q", **_side(rows))
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, color=ink["soft"], clip=True)
    means = base.mark_point(filled=True, size=80, opacity=1, stroke=ink["soft"], strokeWidth=1.8, shape="square")
    fill = alt.when("datum.n > 1").then(alt.value(ink["soft"])).otherwise(alt.value(ink["page"]))
    tips = [alt.Tooltip(f"{key}:N", title=title) for key, title in _SAID.items()]
    layers = [
        *_runs(runs, rows, style, {"x": x, "y": y}),
        bars.encode(x=_at("low", x), x2="high:Q", y=y, tooltip=tips),
        means.encode(x=x, y=y, fill=fill, tooltip=tips),
        row_text(base, y, ink, "standing"),
    ]
    return combine_layers(layers, ink).properties(
        height=max(ROW_HEIGHT * len(rows) + EXTRA_HEIGHT, 180), padding={"left": 0, "right": 96, "top": 2, "bottom": 5}
    )


_SAID = {"group": "Group", "n": "Runs", "said": "Mean", "said_sd": "Standard deviation", "said_bar": "95% interval"}
_AXIS = alt.Axis(
    domain=False, ticks=False, grid=True, gridDash=[2, 3], labelPadding=6, titlePadding=8, titleAnchor="end", tickCount=7
)


def _rows(rows: Sequence[RankedGroup]) -> pd.DataFrame:
    made = []
    for place, row in enumerate(rows):
        one = row.summary
        bar = f"{format_number(one.low)} to {format_number(one.high)}" if one.low is not None else "none: one run has no spread"
        said = {
            "said": format_number(one.mean),
            "said_sd": format_number(one.sd) or "none",
            "said_bar": bar,
            "standing": row.standing,
        }
        made.append({"place": place + _ABOVE, "group": row.group.label, **vars(one), **said})
    return pd.DataFrame(made).astype({"low": "float64", "high": "float64", "sd": "float64"})


def _runs(runs: RunTable, rows: Sequence[RankedGroup], look: ChartStyle, at: dict[str, Any]) -> list[alt.Chart]:
    drawn = {
        run_id: (place, number)
        for place, row in enumerate(rows)
        for run_id, number in zip(row.group.run_ids, row.group.numbers, strict=True)
    }
    some = sample_runs(subset(runs, [run_id for run_id in runs.ids if run_id in drawn]), look.selected_run_ids, MAX_POINTS)
    data = chart_data(some, look).assign(
        place=[drawn[run_id][0] + _BELOW + _SPREAD * jitter(run_id) for run_id in some.ids],
        mean=[drawn[run_id][1] for run_id in some.ids],
        said=[format_number(drawn[run_id][1]) for run_id in some.ids],
    )
    points = alt.Chart(data)
    at = at | {"tooltip": [*run_tooltips(look), alt.Tooltip("said:N", title="Value")]}
    dots = points.mark_point(filled=True, size=30 if len(some) <= CROWDED_POINTS else 16, opacity=0.75).encode(
        **at, color=color_encoding(look, "no legend")
    )
    return [add_click_selection(dots), *letter_layers(points.transform_filter(IS_SELECTED_EXPR), at, look.colors)]


def _at(field: str, x: alt.X) -> alt.X:
    made = x.copy()
    made.shorthand = f"{field}:Q"
    return made


def row_text(base: alt.Chart, y: alt.Y, colors: ChartColors, field: str) -> alt.Chart:
    """A text for each row, right of the plot."""
    style: dict[str, Any] = {"align": "left", "dx": 12, "fontSize": 11.5, "color": colors["ink"]}
    return base.mark_text(**style).encode(x=alt.value("width"), y=y, text=f"{field}:N")


def _side(rows: Sequence[RankedGroup]) -> dict[str, Any]:
    """A label per row at the left, with the number of runs."""
    short = short_labels([row.group.label for row in rows], 44)
    labels = [f"{short[row.group.label]}\N{EM SPACE}n = {row.summary.n:,}" for row in rows]
    return row_axis(labels)


def row_axis(labels: Sequence[str]) -> dict[str, Any]:
    """A vertical axis with one label per row, the first on top."""
    axis = alt.Axis(
        values=list(range(len(labels))),
        labelExpr=f"{json.dumps(list(labels))}[datum.value]",
        labelLimit=0,
        labelOverlap=False,
        labelPadding=10,
        labelFontSize=12,
        domain=False,
        ticks=False,
        grid=False,
    )
    return {"axis": axis, "title": None, "scale": alt.Scale(domain=[len(labels) - 0.5, -0.5], nice=False, zero=False)}
