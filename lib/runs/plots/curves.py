"""Curves: a line per run, its metric over steps or time. Pure.

The points are placed in `tracks`. The lines carry numbers only; what a pointer reads stands on fewer points, laid over them.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.plots.axes import MIN_LOG_VALUE
from lib.runs.plots.curve_points import CurvePoints, downsample_points, min_max_band
from lib.runs.plots.style import (
    IS_SELECTED_EXPR,
    ChartStyle,
    chart_data,
    color_encoding,
    column_title,
    combine_layers,
    dash_encoding,
    run_tooltips,
    y_title,
)
from lib.runs.table.number_format import STORED_INFINITY, format_number
from lib.runs.table.run_table import METRIC_PREFIX
from lib.runs.table.types import RunTable

MAX_RUNS = 50
MAX_LINE_POINTS = 800
"""Points of a line: no screen shows more."""
MAX_TOTAL_POINTS = 16_000
"""Points of all lines: with many of them each gets fewer, because a browser takes seconds for 40,000."""
MAX_HOVER_POINTS = 1500
"""Points that a pointer can read, over all lines: with more than 2,000 Streamlit draws on a canvas, whole again at each move."""
PLOT_HEIGHT, LETTER_HEIGHT = 240, 14
"""Pixels: the height of the plot without its axis and title, and of a letter."""
_ROOM = 0.03
_CLOCK = {"seconds": "%H:%M:%S", "minutes": "%H:%M", "hours": "%H:%M", "day": "%-d %b", "date": "%-d %b", "week": "%-d %b"}
_LOOK: dict[str, Any] = {"domain": False, "ticks": False, "gridDash": [2, 3], "labelPadding": 6}


def curve_plot(
    curve_points: CurvePoints, table: RunTable, metric: str, style: ChartStyle, band: Literal["band", "no band"] = "no band"
) -> alt.LayerChart:
    """The lines of the runs in `table`, smoothed ones over the faint lines as logged, and the band they span if it is asked for."""
    runs = chart_data(table, style).assign(number=range(len(table)))
    lines = _lines(curve_points, runs, "value")
    at, ink = _axes(curve_points), style.colors
    unpicked, picked = (alt.Chart(lines).transform_filter(which) for which in (f"!{IS_SELECTED_EXPR}", IS_SELECTED_EXPR))
    thin = {"strokeWidth": 1.6, "opacity": 0.8, "strokeJoin": "round"}
    layers = [
        *(_band(curve_points, at, style) if band == "band" else []),
        *(_as_logged(curve_points, runs, at, style) if curve_points.options.smoothing else []),
        unpicked.mark_line(**thin).encode(**at, detail="line:N", color=color_encoding(style, "no legend")),
        picked.mark_line(strokeWidth=2, stroke=ink["ink"]).encode(**at, detail="line:N", strokeDash=dash_encoding()),
        *_read(curve_points, runs, at, (metric, style)),
        *_letters(curve_points, lines, at, style),
    ]
    said = y_title(metric, ink, limit=900)
    return combine_layers(layers, ink).properties(title=said)


def points_per_line(line_count: int) -> int:
    """How many points a line is drawn with at most, when so many lines are drawn."""
    return min(MAX_LINE_POINTS, MAX_TOTAL_POINTS // max(1, line_count))


def describe_curves(curve_points: CurvePoints, table: RunTable, metric: str) -> str:
    """What the picture shows, in a sentence: how many lines, over what, and which run ends best."""
    last = curve_points.plotted_points.groupby("run_id", sort=False).raw.last()
    said = f"{column_title(metric)} of {last.size} {'run' if last.size == 1 else 'runs'} over {curve_points.axis_title[:1].lower()}{curve_points.axis_title[1:]}"
    towards = metric_direction(metric.removeprefix(METRIC_PREFIX))
    if last.size < 2 or towards == "neither":
        return said
    best = str(last.idxmin() if towards == "less" else last.idxmax())
    return f"{said}; {table.identity.name[best] or best} ends best with {format_number(float(last[best]))}"


def _lines(of: CurvePoints, runs: pd.DataFrame, field: Literal["raw", "value"]) -> pd.DataFrame:
    """What a line needs and no more: its number (one for each unbroken part), where it goes, and how its run looks."""
    few = downsample_points(of, points_per_line(len(runs)), field)
    kept = few[["run_id", "at"]].assign(up=few[field], part=few.part)
    looks = [name for name in ("letter", "shade", "tint") if name in runs]
    made = kept.merge(runs[["run_id", "number", *looks]], on="run_id")
    line = made.groupby(["number", "part"], sort=False).ngroup()
    return made.assign(line=line)[["line", "at", "up", *looks]]


def _axes(of: CurvePoints) -> dict[str, Any]:
    """Both axes with one scale for all layers; a little room for the letters at the ends of the lines.

    A time axis finds its own ends: Vega-Lite takes numbers for them as years.
    """
    wide, high = _ends(of)
    time = of.options.x_axis == "wall"
    scale = alt.Scale(type="utc", nice=False, padding=14) if time else alt.Scale(domain=wide, nice=False, zero=False)
    step = {"tickMinStep": 1, "format": ",d"} if of.options.x_axis == "step" else {"format": _CLOCK} if time else {}
    across = alt.Axis(**_LOOK, **step, grid=False, tickCount=8, titlePadding=8, titleAnchor="end", labelFlush=False)
    up = alt.Scale(type=of.options.scale, domain=high, nice=False, zero=False)
    marks = {"values": _decades(*high), "format": "~g"} if of.options.scale == "log" else {"tickCount": 6}
    return {
        "x": alt.X(f"at:{'T' if time else 'Q'}", title=of.axis_title, axis=across, scale=scale),
        "y": alt.Y("up:Q", title=None, axis=alt.Axis(**_LOOK, grid=True, **marks), scale=up),
    }


def _ends(of: CurvePoints) -> tuple[list[float], list[float]]:
    """Where the axes begin and end. A moment alone gets a second around it, a step alone a step."""
    placed = of.plotted_points
    ups = pd.concat([placed.value, *([placed.raw] if of.options.smoothing else [])])
    bent = of.scale_transform(ups[ups >= MIN_LOG_VALUE] if of.options.scale == "log" else ups)
    low, high = _around(bent, max(abs(float(bent.max())) * _ROOM, 1e-9))
    wide = _around(placed["at"], 1000.0 if of.options.x_axis == "wall" else 1.0)
    return wide, [10 ** max(low, -300), 10 ** min(high, 308)] if of.options.scale == "log" else [low, high]


def _around(values: "pd.Series[float]", alone: float) -> list[float]:
    low, high = float(values.min()), float(values.max())
    room = high * _ROOM - low * _ROOM or alone
    return [max(low - room, -STORED_INFINITY), min(high + room, STORED_INFINITY)]


def _decades(low: float, high: float) -> list[float]:
    """The powers of ten on an axis; with fewer than three of them also their doubles and fives."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)]
    inside = [power for power in powers if low <= power <= high]
    if len(inside) > 2:
        return inside[:: math.ceil(len(inside) / 8)]
    return [one for power in powers for one in (power, 2 * power, 5 * power) if low <= one <= high]


def _band(of: CurvePoints, at: dict[str, Any], look: ChartStyle) -> list[alt.Chart]:
    area = alt.Chart(min_max_band(of).rename(columns={"high": "up"})).mark_area(color=look.colors["past"], opacity=0.35)
    return [area.encode(**at, y2="low:Q")]


def _as_logged(of: CurvePoints, runs: pd.DataFrame, at: dict[str, Any], look: ChartStyle) -> list[alt.Chart]:
    faint = alt.Chart(_lines(of, runs, "raw")).mark_line(strokeWidth=1, opacity=0.22)
    ink = alt.when(IS_SELECTED_EXPR).then(alt.value(look.colors["ink"])).otherwise(alt.value(look.colors["ramp3"]))
    return [faint.encode(**at, detail="line:N", color=ink)]


def _read(of: CurvePoints, runs: pd.DataFrame, at: dict[str, Any], what: tuple[str, ChartStyle]) -> list[alt.Chart]:
    """Points that say what they are under the pointer. A point that no line touches is always seen."""
    metric, look = what
    few = downsample_points(of, max(20, MAX_HOVER_POINTS // max(1, len(runs))))
    alone = few.groupby(["run_id", "part"], sort=False).value.transform("size") == 1
    made = few[["run_id", "at"]].assign(
        up=few.value, alone=alone, raw=_texts(few.raw), smooth=_texts(few.value), where=_where(of, few)
    )
    made = made.merge(runs.drop(columns="number"), on="run_id")
    hover = alt.selection_point(name="hover", on="pointerover", clear="pointerout", nearest=True, empty=False)
    smooth = [alt.Tooltip("smooth:N", title="Smoothed")] if of.options.smoothing else []
    tips = [*run_tooltips(look), alt.Tooltip("where:N", title=of.axis_title.partition(" (")[0])]
    tips += [alt.Tooltip("raw:N", title=column_title(metric)), *smooth]
    if look.color_column and look.color_column != metric:
        tips.append(alt.Tooltip("shaded:N", title=column_title(look.color_column)))
    seen = alt.when(hover).then(alt.value(1)).when("datum.alone").then(alt.value(0.9)).otherwise(alt.value(0))
    points = alt.Chart(made).mark_point(filled=True, size=55, stroke=look.colors["page"], strokeWidth=0.8)
    drawn = points.encode(**at, color=color_encoding(look, "legend"), opacity=seen, tooltip=tips)
    return [drawn.add_params(hover)]


def _texts(values: "pd.Series[float]") -> list[str]:
    return [format_number(float(value)) for value in values]


def _where(of: CurvePoints, points: pd.DataFrame) -> Sequence[str]:
    if of.options.x_axis == "step":
        return [f"{step:,}" for step in points.step]
    if of.options.x_axis == "wall":
        times = np.datetime_as_string(points.time.dt.tz_localize(None).to_numpy(), unit="s")
        return [f"{str(time).replace('T', ', ')} UTC" for time in times]
    unit = of.axis_title.rpartition("(")[2].rstrip(")")
    return [f"{format_number(float(at))} {unit}" for at in points["at"]]


def _letters(of: CurvePoints, lines: pd.DataFrame, at: dict[str, Any], look: ChartStyle) -> list[alt.Chart]:
    """The letter of each picked run where its line ends, with a halo; letters that would touch stand one below the other."""
    ends = lines[lines.letter.notna()].groupby("letter", sort=False).tail(1)
    if not len(ends):
        return []
    (left, right), (low, high) = _ends(of)
    across = (ends["at"] - left) / (right - left)
    lowest, up, highest = (of.scale_transform(np.asarray(value, dtype="float64")) / 2 for value in (low, ends.up, high))
    heights = (up - lowest) / (highest - lowest)
    made = ends[["at", "up", "letter"]].assign(across=across, height=heights).sort_values("height", ascending=False)
    style: dict[str, Any] = {"align": "left", "dx": 6, "fontSize": 13, "fontWeight": 700}
    layers = []
    for row, drop in zip(made.to_dict("records"), _drops(list(made.across), list(made.height)), strict=True):
        base = alt.Chart(pd.DataFrame([row])[["at", "up", "letter"]]).encode(**at, text="letter:N")
        halo = base.mark_text(**style, dy=drop, stroke=look.colors["page"], strokeWidth=4)
        layers += [halo, base.mark_text(**style, dy=drop, color=look.colors["ink"])]
    return layers


def _drops(across: Sequence[float], heights: Sequence[float]) -> list[float]:
    """How many pixels each letter, from the highest on, goes down so that it does not touch those above it."""
    set_at: list[tuple[float, float]] = []
    drops = []
    for x, height in zip(across, heights, strict=True):
        y = (1 - height) * PLOT_HEIGHT
        for other, above in sorted(set_at, key=lambda one: one[1]):
            if abs(other - x) < _ROOM and abs(above - y) < LETTER_HEIGHT:
                y = above + LETTER_HEIGHT
        set_at.append((x, y))
        drops.append(y - (1 - height) * PLOT_HEIGHT)
    return drops
