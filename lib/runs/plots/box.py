"""Box plot: a metric by groups of runs, with a point per run and the group size under each label. Pure.

The five numbers are computed here, not in the browser, so points and boxes agree and the plot is reproducible.
"""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.grouping import Group
from lib.runs.plots.axes import needs_log_scale
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
from lib.runs.table.number_format import format_number, is_finite_number, short_labels
from lib.runs.table.run_table import column_values
from lib.runs.table.types import RunTable
from lib.theme import ChartColors

MAX_GROUPS = 12
MAX_POINTS = 1000
CROWDED_POINTS = 400
"""Number of points above which they are drawn smaller."""
POINT_SELECTION = "pick"
_BOX_HALF_WIDTH, _JITTER_WIDTH = 0.3, 0.5


@dataclass(frozen=True)
class FiveNumberSummary:
    """Lower whisker, first quartile, median, third quartile, upper whisker."""

    low: float
    q1: float
    median: float
    q3: float
    high: float


def five_number_summary(numbers: Sequence[float]) -> FiveNumberSummary:
    """Return quartiles by linear interpolation and whiskers to the last number within 1.5 times the box height (Tukey 1977)."""
    scale = max(map(abs, numbers)) or 1.0  # scaled: the difference of two very large numbers would overflow
    scaled = np.array(numbers) / scale
    q1, median, q3 = (float(number) for number in np.quantile(scaled, [0.25, 0.5, 0.75]))
    whisker_length = 1.5 * (q3 - q1)
    low, high = scaled[scaled >= q1 - whisker_length].min(), scaled[scaled <= q3 + whisker_length].max()
    return FiveNumberSummary(*(float(number) * scale for number in (min(low, q1), q1, median, q3, max(high, q3))))


def limit_groups(groups: Sequence[Group], selected_run_ids: Sequence[str]) -> list[Group]:
    """Return at most `MAX_GROUPS` groups in their order: those with a selected run, then the largest."""
    groups_by_priority = sorted(groups, key=lambda group: (not set(group.run_ids) & set(selected_run_ids), -len(group.numbers)))
    chosen_groups = groups_by_priority[:MAX_GROUPS]
    return [group for group in groups if group in chosen_groups]


def box_plot(runs: RunTable, metric: str, groups: Sequence[Group], style: ChartStyle) -> alt.LayerChart:
    """Draw the groups from left to right; each of `runs` gets a point, and the boxes are computed from all runs of the groups."""
    colors, box_data = style.colors, _box_data(groups)
    y_options = _y_options([number for group in groups for number in group.numbers])
    points = alt.Chart(_point_data(runs, metric, groups, style))
    encoding = {"x": _x_channel(groups), "y": alt.Y("value:Q", **y_options), "tooltip": _point_tooltips(metric, style)}
    dots = points.mark_point(
        filled=True, size=38 if len(runs) <= CROWDED_POINTS else 20, opacity=0.85, stroke=colors["page"], strokeWidth=0.6
    )
    layers = [
        *_box_layers(box_data, groups, y_options, colors),
        add_click_selection(dots.encode(**encoding, color=color_encoding(style, "legend"))),
    ]
    return combine_layers(
        [*layers, *letter_layers(points.transform_filter(IS_SELECTED_EXPR), encoding, colors)], colors
    ).properties(title=y_title(metric, style))


def add_click_selection(points: alt.Chart) -> alt.Chart:
    """Add a click selection of run ids, named `POINT_SELECTION`, to the points."""
    return points.add_params(alt.selection_point(name=POINT_SELECTION, fields=["run_id"], on="click", empty=False))


def jitter(run_id: str) -> float:
    """Return a run's offset from the centre of its group, from -0.5 to 0.5: the same in every plot."""
    return zlib.crc32(run_id.encode()) / 2**32 - 0.5


def _box_layers(
    box_data: pd.DataFrame, groups: Sequence[Group], y_options: dict[str, Any], colors: ChartColors
) -> list[alt.Chart]:
    base, x_channel = alt.Chart(box_data), _x_channel(groups)
    tooltips = [alt.Tooltip(f"{key}:N", title=title) for key, title in _TOOLTIP_TITLES.items()]
    side_encoding = {"x": alt.X("left:Q", **_x_options(groups)), "x2": "right:Q", "tooltip": tooltips}
    whisker = base.mark_rule(color=colors["soft"], strokeWidth=1.2)
    lower_whisker = whisker.encode(x=x_channel, y=alt.Y("low:Q", **y_options), y2="q1:Q")
    upper_whisker = whisker.encode(x=x_channel, y=alt.Y("q3:Q", **y_options), y2="high:Q")
    box = base.mark_rect(fill=colors["hair"], fillOpacity=0.55, stroke=colors["soft"], strokeWidth=1.2, cornerRadius=3)
    median = base.mark_rule(color=colors["soft"], strokeWidth=2.5).encode(**side_encoding, y=alt.Y("median:Q", **y_options))
    return [lower_whisker, upper_whisker, box.encode(**side_encoding, y=alt.Y("q1:Q", **y_options), y2="q3:Q"), median]


_TOOLTIP_TITLES = {
    "group": "Group",
    "n": "Runs",
    "said_median": "Median",
    "said_box": "Middle half",
    "said_whiskers": "Whiskers",
}


def _box_data(groups: Sequence[Group]) -> pd.DataFrame:
    rows = []
    for index, group in enumerate(groups):
        summary = five_number_summary(group.numbers)
        texts = {
            "said_median": format_number(summary.median),
            "said_box": f"{format_number(summary.q1)} to {format_number(summary.q3)}",
        }
        texts |= {"said_whiskers": f"{format_number(summary.low)} to {format_number(summary.high)}", "group": group.label}
        rows.append(
            {
                "place": index,
                "left": index - _BOX_HALF_WIDTH,
                "right": index + _BOX_HALF_WIDTH,
                "n": len(group.numbers),
                **vars(summary),
                **texts,
            }
        )
    return pd.DataFrame(rows)


def _point_data(runs: RunTable, metric: str, groups: Sequence[Group], style: ChartStyle) -> pd.DataFrame:
    index_by_run = {run_id: index for index, group in enumerate(groups) for run_id in group.run_ids}
    label_by_run = {run_id: group.label for group in groups for run_id in group.run_ids}
    data = chart_data(runs, style)
    values = [float(value) if is_finite_number(value) else math.nan for value in column_values(runs, metric)]
    x_values = [index_by_run.get(run_id, math.nan) + _JITTER_WIDTH * jitter(run_id) for run_id in runs.ids]
    data = data.assign(value=values, place=x_values, group=[label_by_run.get(run_id, "") for run_id in runs.ids])
    return data.assign(said=[format_number(value) for value in values]).dropna(subset=["value", "place"])


def _point_tooltips(metric: str, style: ChartStyle) -> list[alt.Tooltip]:
    fields = [("group", "Group"), ("said", column_title(metric, style.directions))]
    fields += (
        [("shaded", column_title(style.color_column, style.directions))]
        if style.color_column and style.color_column != metric
        else []
    )
    return run_tooltips(style) + [alt.Tooltip(f"{key}:N", title=title) for key, title in fields]


def _x_options(groups: Sequence[Group]) -> dict[str, Any]:
    """Return the options of an axis with a label per group and the group size on a second line."""
    width = max(8, 100 // max(1, len(groups)))
    labels = short_labels([group.label for group in groups], width)
    lines = [[labels[group.label], f"n = {len(group.numbers):,}"] for group in groups]
    axis = alt.Axis(
        values=list(range(len(groups))),
        labelExpr=f"{json.dumps(lines)}[datum.value]",
        labelLimit=0,
        labelOverlap=False,
        labelPadding=8,
        labelFlush=False,
        labelBound=False,
        labelAngle=0,
        domain=False,
        ticks=False,
        grid=False,
        title=None,
    )
    return {"axis": axis, "scale": alt.Scale(domain=[-0.5, len(groups) - 0.5], nice=False, zero=False)}


def _x_channel(groups: Sequence[Group]) -> alt.X:
    return alt.X("place:Q", **_x_options(groups))


def _y_options(numbers: Sequence[float]) -> dict[str, Any]:
    scale_type = "log" if needs_log_scale(numbers) else "linear"
    axis = alt.Axis(domain=False, ticks=False, grid=True, gridDash=[2, 3], labelPadding=6, tickCount=6)
    return {"title": None, "axis": axis, "scale": alt.Scale(type=scale_type, zero=False, nice=False, padding=12)}
