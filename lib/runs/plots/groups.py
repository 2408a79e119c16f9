"""Error bars: the mean and interval of each group of repeated runs, the individual runs, and the group's standing. Pure."""

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
_MEAN_OFFSET, _RUNS_OFFSET, _JITTER_HEIGHT = -0.14, 0.17, 0.24
"""Vertical positions in a row of the mean and of the runs, which would otherwise cover it."""
AxisLimits = tuple[float, float]


def axis_limits(rows: Sequence[RankedGroup]) -> AxisLimits:
    """Return the axis limits: they include all runs, and intervals up to half of that width more on either side."""
    numbers = [number for row in rows for number in row.group.numbers]
    low, high = min(numbers), max(numbers)
    margin = (high / 2 - low / 2) or abs(high) * 0.05 or 1.0
    interval_ends = [
        end for row in rows for end in (row.summary.low, row.summary.high) if end is not None and is_finite_number(end)
    ]
    lower_limit = max(low - margin, min([low - margin * 0.06, *interval_ends]), -STORED_INFINITY)
    return lower_limit, min(high + margin, max([high + margin * 0.06, *interval_ends]), STORED_INFINITY)


def has_clipped_interval(rows: Sequence[RankedGroup]) -> bool:
    """Whether an interval extends beyond the axis."""
    low, high = axis_limits(rows)
    return any(row.summary.low is not None and (row.summary.low < low or (row.summary.high or low) > high) for row in rows)


def group_plot(runs: RunTable, metric: str, rows: Sequence[RankedGroup], style: ChartStyle) -> alt.LayerChart:
    """Draw the rows from top to bottom in the given order. Runs are small points, means are squares, hollow for a single run."""
    colors, data = style.colors, _group_data(rows)
    base, limits = alt.Chart(data), axis_limits(rows)
    x = alt.X(
        "mean:Q",
        title=column_title(metric, style.directions),
        axis=_X_AXIS,
        scale=alt.Scale(domain=list(limits), nice=False, zero=False),
    )
    y = alt.Y("place:Q", **_group_axis(rows))
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, color=colors["soft"], clip=True)
    means = base.mark_point(filled=True, size=80, opacity=1, stroke=colors["soft"], strokeWidth=1.8, shape="square")
    fill = alt.when("datum.n > 1").then(alt.value(colors["soft"])).otherwise(alt.value(colors["page"]))
    tooltips = [alt.Tooltip(f"{key}:N", title=title) for key, title in _TOOLTIP_TITLES.items()]
    layers = [
        *_run_layers(runs, rows, style, {"x": x, "y": y}),
        bars.encode(x=_x_channel("low", x), x2="high:Q", y=y, tooltip=tooltips),
        means.encode(x=x, y=y, fill=fill, tooltip=tooltips),
        row_text(base, y, colors, "standing"),
    ]
    return combine_layers(layers, colors).properties(
        height=max(ROW_HEIGHT * len(rows) + EXTRA_HEIGHT, 180), padding={"left": 0, "right": 96, "top": 2, "bottom": 5}
    )


_TOOLTIP_TITLES = {"group": "Group", "n": "Runs", "said": "Mean", "said_sd": "Standard deviation", "said_bar": "95% interval"}
_X_AXIS = alt.Axis(
    domain=False, ticks=False, grid=True, gridDash=[2, 3], labelPadding=6, titlePadding=8, titleAnchor="end", tickCount=7
)


def _group_data(rows: Sequence[RankedGroup]) -> pd.DataFrame:
    data_rows = []
    for index, row in enumerate(rows):
        summary = row.summary
        interval = (
            f"{format_number(summary.low)} to {format_number(summary.high)}"
            if summary.low is not None
            else "none: a single run has no spread"
        )
        texts = {
            "said": format_number(summary.mean),
            "said_sd": format_number(summary.sd) or "none",
            "said_bar": interval,
            "standing": row.standing,
        }
        data_rows.append({"place": index + _MEAN_OFFSET, "group": row.group.label, **vars(summary), **texts})
    return pd.DataFrame(data_rows).astype({"low": "float64", "high": "float64", "sd": "float64"})


def _run_layers(runs: RunTable, rows: Sequence[RankedGroup], style: ChartStyle, encoding: dict[str, Any]) -> list[alt.Chart]:
    row_and_number = {
        run_id: (index, number)
        for index, row in enumerate(rows)
        for run_id, number in zip(row.group.run_ids, row.group.numbers, strict=True)
    }
    sampled_runs = sample_runs(
        subset(runs, [run_id for run_id in runs.ids if run_id in row_and_number]), style.selected_run_ids, MAX_POINTS
    )
    data = chart_data(sampled_runs, style).assign(
        place=[row_and_number[run_id][0] + _RUNS_OFFSET + _JITTER_HEIGHT * jitter(run_id) for run_id in sampled_runs.ids],
        mean=[row_and_number[run_id][1] for run_id in sampled_runs.ids],
        said=[format_number(row_and_number[run_id][1]) for run_id in sampled_runs.ids],
    )
    points = alt.Chart(data)
    encoding = encoding | {"tooltip": [*run_tooltips(style), alt.Tooltip("said:N", title="Value")]}
    dots = points.mark_point(filled=True, size=30 if len(sampled_runs) <= CROWDED_POINTS else 16, opacity=0.75).encode(
        **encoding, color=color_encoding(style, "no legend")
    )
    return [add_click_selection(dots), *letter_layers(points.transform_filter(IS_SELECTED_EXPR), encoding, style.colors)]


def _x_channel(field: str, x: alt.X) -> alt.X:
    channel = x.copy()
    channel.shorthand = f"{field}:Q"
    return channel


def row_text(base: alt.Chart, y: alt.Y, colors: ChartColors, field: str) -> alt.Chart:
    """Return a text for each row, right of the plot."""
    style: dict[str, Any] = {"align": "left", "dx": 12, "fontSize": 11.5, "color": colors["ink"]}
    return base.mark_text(**style).encode(x=alt.value("width"), y=y, text=f"{field}:N")


def _group_axis(rows: Sequence[RankedGroup]) -> dict[str, Any]:
    """Return the options of an axis with a label and the number of runs per row, at the left."""
    short_names = short_labels([row.group.label for row in rows], 44)
    labels = [f"{short_names[row.group.label]}\N{EM SPACE}n = {row.summary.n:,}" for row in rows]
    return row_axis(labels)


def row_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Return the options of a vertical axis with one label per row, the first on top."""
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
