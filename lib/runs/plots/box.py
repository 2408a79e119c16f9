"""Box plot: a metric over groups of runs, with every run as a point and the number of runs under each label. Pure.

The five numbers are reckoned here, not in the browser, so that a point's place and its box agree and the picture is the same each time.
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
"""Points from which on they are drawn smaller."""
POINT_SELECTION = "pick"
_HALF, _SPREAD = 0.3, 0.5


@dataclass(frozen=True)
class FiveNumberSummary:
    """Lower whisker, first quartile, median, third quartile, upper whisker."""

    low: float
    q1: float
    median: float
    q3: float
    high: float


def five_number_summary(numbers: Sequence[float]) -> FiveNumberSummary:
    """Quartiles by linear interpolation; a whisker ends at the last number within 1.5 times the box's height (Tukey 1977)."""
    scale = max(map(abs, numbers)) or 1.0  # scaled: the distance of two very large numbers does not fit
    shares = np.array(numbers) / scale
    q1, median, q3 = (float(one) for one in np.quantile(shares, [0.25, 0.5, 0.75]))
    reach = 1.5 * (q3 - q1)
    low, high = shares[shares >= q1 - reach].min(), shares[shares <= q3 + reach].max()
    return FiveNumberSummary(*(float(one) * scale for one in (min(low, q1), q1, median, q3, max(high, q3))))


def limit_groups(groups: Sequence[Group], selected_run_ids: Sequence[str]) -> list[Group]:
    """At most `MOST_GROUPS` groups in their order: those with a picked run, then the largest."""
    order = sorted(groups, key=lambda group: (not set(group.run_ids) & set(selected_run_ids), -len(group.numbers)))
    chosen = order[:MAX_GROUPS]
    return [group for group in groups if group in chosen]


def box_plot(runs: RunTable, metric: str, groups: Sequence[Group], style: ChartStyle) -> alt.LayerChart:
    """The groups from left to right; `runs` are those that get a point, the boxes are reckoned from all runs of the groups."""
    ink, sizes = style.colors, _sizes(groups)
    y = _up([number for group in groups for number in group.numbers])
    points = alt.Chart(_points(runs, metric, groups, style))
    at = {"x": _across(groups), "y": alt.Y("value:Q", **y), "tooltip": _tooltip(metric, style)}
    said = y_title(metric, ink)
    dots = points.mark_point(
        filled=True, size=38 if len(runs) <= CROWDED_POINTS else 20, opacity=0.85, stroke=ink["page"], strokeWidth=0.6
    )
    layers = [*_boxes(sizes, groups, y, ink), add_click_selection(dots.encode(**at, color=color_encoding(style, "legend")))]
    return combine_layers([*layers, *letter_layers(points.transform_filter(IS_SELECTED_EXPR), at, ink)], ink).properties(
        title=said
    )


def add_click_selection(points: alt.Chart) -> alt.Chart:
    """The same points; a click on one selects its run id under the name `PICK`."""
    return points.add_params(alt.selection_point(name=POINT_SELECTION, fields=["run_id"], on="click", empty=False))


def jitter(run_id: str) -> float:
    """Where a run stands beside the middle of its group, from -0.5 to 0.5: the same in every picture."""
    return zlib.crc32(run_id.encode()) / 2**32 - 0.5


def _boxes(sizes: pd.DataFrame, groups: Sequence[Group], y: dict[str, Any], ink: ChartColors) -> list[alt.Chart]:
    base, across = alt.Chart(sizes), _across(groups)
    tips = [alt.Tooltip(f"{key}:N", title=title) for key, title in _SAID.items()]
    sides = {"x": alt.X("left:Q", **_scale(groups)), "x2": "right:Q", "tooltip": tips}
    whisker = base.mark_rule(color=ink["soft"], strokeWidth=1.2)
    below = whisker.encode(x=across, y=alt.Y("low:Q", **y), y2="q1:Q")
    above = whisker.encode(x=across, y=alt.Y("q3:Q", **y), y2="high:Q")
    body = base.mark_rect(fill=ink["hair"], fillOpacity=0.55, stroke=ink["soft"], strokeWidth=1.2, cornerRadius=3)
    middle = base.mark_rule(color=ink["soft"], strokeWidth=2.5).encode(**sides, y=alt.Y("median:Q", **y))
    return [below, above, body.encode(**sides, y=alt.Y("q1:Q", **y), y2="q3:Q"), middle]


_SAID = {"group": "Group", "n": "Runs", "said_median": "Median", "said_box": "Half of them", "said_whiskers": "Whiskers"}


def _sizes(groups: Sequence[Group]) -> pd.DataFrame:
    made = []
    for place, group in enumerate(groups):
        one = five_number_summary(group.numbers)
        said = {"said_median": format_number(one.median), "said_box": f"{format_number(one.q1)} to {format_number(one.q3)}"}
        said |= {"said_whiskers": f"{format_number(one.low)} to {format_number(one.high)}", "group": group.label}
        made.append({"place": place, "left": place - _HALF, "right": place + _HALF, "n": len(group.numbers), **vars(one), **said})
    return pd.DataFrame(made)


def _points(runs: RunTable, metric: str, groups: Sequence[Group], look: ChartStyle) -> pd.DataFrame:
    places = {run_id: place for place, group in enumerate(groups) for run_id in group.run_ids}
    labels = {run_id: group.label for group in groups for run_id in group.run_ids}
    data = chart_data(runs, look)
    values = [float(value) if is_finite_number(value) else math.nan for value in column_values(runs, metric)]
    across = [places.get(run_id, math.nan) + _SPREAD * jitter(run_id) for run_id in runs.ids]
    data = data.assign(value=values, place=across, group=[labels.get(run_id, "") for run_id in runs.ids])
    return data.assign(said=[format_number(value) for value in values]).dropna(subset=["value", "place"])


def _tooltip(metric: str, look: ChartStyle) -> list[alt.Tooltip]:
    said = [("group", "Group"), ("said", column_title(metric))]
    said += [("shaded", column_title(look.color_column))] if look.color_column and look.color_column != metric else []
    return run_tooltips(look) + [alt.Tooltip(f"{key}:N", title=title) for key, title in said]


def _scale(groups: Sequence[Group]) -> dict[str, Any]:
    """The groups' places with their labels, and how many runs each has in a second line."""
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


def _across(groups: Sequence[Group]) -> alt.X:
    return alt.X("place:Q", **_scale(groups))


def _up(numbers: Sequence[float]) -> dict[str, Any]:
    kind = "log" if needs_log_scale(numbers) else "linear"
    axis = alt.Axis(domain=False, ticks=False, grid=True, gridDash=[2, 3], labelPadding=6, tickCount=6)
    return {"title": None, "axis": axis, "scale": alt.Scale(type=kind, zero=False, nice=False, padding=12)}
