"""Curves: a metric over steps or time, one line per run. Pure.

The points come from `curve_points`. The lines carry numbers only; tooltips are on fewer points on top of them.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

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
from lib.runs.table.run_table import column_direction
from lib.runs.table.types import RunTable

MAX_RUNS = 50
MAX_LINE_POINTS = 800
"""Maximum points of a line: no screen shows more."""
MAX_TOTAL_POINTS = 16_000
"""Maximum points of all lines: with many lines each gets fewer, because a browser takes seconds for 40,000."""
MAX_HOVER_POINTS = 1500
"""Maximum points with tooltips over all lines: above 2,000 Streamlit uses a canvas, which is redrawn at each pointer move."""
PLOT_HEIGHT, LETTER_HEIGHT = 240, 14
"""Height in pixels of the plot without its axis and title, and of a letter."""
_MARGIN = 0.03
_TIME_FORMAT = {"seconds": "%H:%M:%S", "minutes": "%H:%M", "hours": "%H:%M", "day": "%-d %b", "date": "%-d %b", "week": "%-d %b"}
_AXIS_OPTIONS: dict[str, Any] = {"domain": False, "ticks": False, "gridDash": [2, 3], "labelPadding": 6}


def curve_plot(
    curve_points: CurvePoints, table: RunTable, metric: str, style: ChartStyle, band: Literal["band", "no band"] = "no band"
) -> alt.LayerChart:
    """Draw the lines of the runs in `table`, smoothed over faint raw lines, with the band they span if requested."""
    runs = chart_data(table, style).assign(number=range(len(table)))
    lines = _line_data(curve_points, runs, "value")
    encoding, colors = _position_encoding(curve_points), style.colors
    other_lines, selected_lines = (
        alt.Chart(lines).transform_filter(expression) for expression in (f"!{IS_SELECTED_EXPR}", IS_SELECTED_EXPR)
    )
    line_options = {"strokeWidth": 1.6, "opacity": 0.8, "strokeJoin": "round"}
    layers = [
        *(_band_layers(curve_points, encoding, style) if band == "band" else []),
        *(_raw_line_layers(curve_points, runs, encoding, style) if curve_points.options.smoothing else []),
        other_lines.mark_line(**line_options).encode(**encoding, detail="line:N", color=color_encoding(style, "no legend")),
        selected_lines.mark_line(strokeWidth=2, stroke=colors["ink"]).encode(
            **encoding, detail="line:N", strokeDash=dash_encoding()
        ),
        *_hover_layers(curve_points, runs, encoding, metric, style),
        *_letter_layers(curve_points, lines, encoding, style),
    ]
    return combine_layers(layers, colors).properties(title=y_title(metric, style, limit=900))


def points_per_line(line_count: int) -> int:
    """Return the maximum points per line for this number of lines."""
    return min(MAX_LINE_POINTS, MAX_TOTAL_POINTS // max(1, line_count))


def describe_curves(curve_points: CurvePoints, table: RunTable, metric: str) -> str:
    """Describe the plot in a sentence: the number of lines, the x axis, and the run with the best last value."""
    last_values = curve_points.plotted_points.groupby("run_id", sort=False).raw.last()
    text = f"{column_title(metric, table.directions)} of {last_values.size} {'run' if last_values.size == 1 else 'runs'} over {curve_points.axis_title[:1].lower()}{curve_points.axis_title[1:]}"
    direction = column_direction(table, metric)
    if last_values.size < 2 or direction == "neither":
        return text
    best_run_id = str(last_values.idxmin() if direction == "less" else last_values.idxmax())
    best_name = table.identity.name[best_run_id] or best_run_id
    return f"{text}; {best_name} has the best last value, {format_number(float(last_values[best_run_id]))}"


def _line_data(curve_points: CurvePoints, runs: pd.DataFrame, field: Literal["raw", "value"]) -> pd.DataFrame:
    """Return the minimal data of lines: a number for each unbroken part, its points, and its run's style."""
    points = downsample_points(curve_points, points_per_line(len(runs)), field)
    line_points = points[["run_id", "at"]].assign(up=points[field], part=points.part)
    style_columns = [name for name in ("letter", "shade", "tint") if name in runs]
    data = line_points.merge(runs[["run_id", "number", *style_columns]], on="run_id")
    line_numbers = data.groupby(["number", "part"], sort=False).ngroup()
    return data.assign(line=line_numbers)[["line", "at", "up", *style_columns]]


def _position_encoding(curve_points: CurvePoints) -> dict[str, Any]:
    """Return both axes with one scale for all layers and a margin for the letters at the line ends.

    A time axis determines its own limits: Vega-Lite would read numbers as years.
    """
    x_limits, y_limits = _axis_limits(curve_points)
    is_time = curve_points.options.x_axis == "wall"
    x_scale = alt.Scale(type="utc", nice=False, padding=14) if is_time else alt.Scale(domain=x_limits, nice=False, zero=False)
    x_format = (
        {"tickMinStep": 1, "format": ",d"}
        if curve_points.options.x_axis == "step"
        else {"format": _TIME_FORMAT}
        if is_time
        else {}
    )
    x_axis = alt.Axis(**_AXIS_OPTIONS, **x_format, grid=False, tickCount=8, titlePadding=8, titleAnchor="end", labelFlush=False)
    y_scale = alt.Scale(type=curve_points.options.scale, domain=y_limits, nice=False, zero=False)
    y_ticks = {"values": _log_tick_values(*y_limits), "format": "~g"} if curve_points.options.scale == "log" else {"tickCount": 6}
    return {
        "x": alt.X(f"at:{'T' if is_time else 'Q'}", title=curve_points.axis_title, axis=x_axis, scale=x_scale),
        "y": alt.Y("up:Q", title=None, axis=alt.Axis(**_AXIS_OPTIONS, grid=True, **y_ticks), scale=y_scale),
    }


def _axis_limits(curve_points: CurvePoints) -> tuple[list[float], list[float]]:
    """Return the limits of both axes. A single time is padded by a second, a single step by a step."""
    points = curve_points.plotted_points
    values = pd.concat([points.value, *([points.raw] if curve_points.options.smoothing else [])])
    scaled = curve_points.scale_transform(values[values >= MIN_LOG_VALUE] if curve_points.options.scale == "log" else values)
    low, high = _padded_limits(scaled, max(abs(float(scaled.max())) * _MARGIN, 1e-9))
    x_limits = _padded_limits(points["at"], 1000.0 if curve_points.options.x_axis == "wall" else 1.0)
    return x_limits, [10 ** max(low, -300), 10 ** min(high, 308)] if curve_points.options.scale == "log" else [low, high]


def _padded_limits(values: "pd.Series[float]", single_value_padding: float) -> list[float]:
    low, high = float(values.min()), float(values.max())
    padding = high * _MARGIN - low * _MARGIN or single_value_padding
    return [max(low - padding, -STORED_INFINITY), min(high + padding, STORED_INFINITY)]


def _log_tick_values(low: float, high: float) -> list[float]:
    """Return the powers of ten on an axis; with fewer than three also their multiples by two and five."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)]
    inner_powers = [power for power in powers if low <= power <= high]
    if len(inner_powers) > 2:
        return inner_powers[:: math.ceil(len(inner_powers) / 8)]
    return [value for power in powers for value in (power, 2 * power, 5 * power) if low <= value <= high]


def _band_layers(curve_points: CurvePoints, encoding: dict[str, Any], style: ChartStyle) -> list[alt.Chart]:
    area = alt.Chart(min_max_band(curve_points).rename(columns={"high": "up"})).mark_area(
        color=style.colors["past"], opacity=0.35
    )
    return [area.encode(**encoding, y2="low:Q")]


def _raw_line_layers(
    curve_points: CurvePoints, runs: pd.DataFrame, encoding: dict[str, Any], style: ChartStyle
) -> list[alt.Chart]:
    raw_lines = alt.Chart(_line_data(curve_points, runs, "raw")).mark_line(strokeWidth=1, opacity=0.22)
    color = alt.when(IS_SELECTED_EXPR).then(alt.value(style.colors["ink"])).otherwise(alt.value(style.colors["ramp3"]))
    return [raw_lines.encode(**encoding, detail="line:N", color=color)]


def _hover_layers(
    curve_points: CurvePoints, runs: pd.DataFrame, encoding: dict[str, Any], metric: str, style: ChartStyle
) -> list[alt.Chart]:
    """Return points with tooltips under the pointer. A point without a line is always visible."""
    points = downsample_points(curve_points, max(20, MAX_HOVER_POINTS // max(1, len(runs))))
    is_alone = points.groupby(["run_id", "part"], sort=False).value.transform("size") == 1
    data = points[["run_id", "at"]].assign(
        up=points.value,
        alone=is_alone,
        raw=_format_values(points.raw),
        smooth=_format_values(points.value),
        where=_position_texts(curve_points, points),
    )
    data = data.merge(runs.drop(columns="number"), on="run_id")
    hover = alt.selection_point(name="hover", on="pointerover", clear="pointerout", nearest=True, empty=False)
    smoothed_tooltip = [alt.Tooltip("smooth:N", title="Smoothed")] if curve_points.options.smoothing else []
    tooltips = [*run_tooltips(style), alt.Tooltip("where:N", title=curve_points.axis_title.partition(" (")[0])]
    tooltips += [alt.Tooltip("raw:N", title=column_title(metric, style.directions)), *smoothed_tooltip]
    if style.color_column and style.color_column != metric:
        tooltips.append(alt.Tooltip("shaded:N", title=column_title(style.color_column, style.directions)))
    opacity = alt.when(hover).then(alt.value(1)).when("datum.alone").then(alt.value(0.9)).otherwise(alt.value(0))
    marks = alt.Chart(data).mark_point(filled=True, size=55, stroke=style.colors["page"], strokeWidth=0.8)
    hover_points = marks.encode(**encoding, color=color_encoding(style, "legend"), opacity=opacity, tooltip=tooltips)
    return [hover_points.add_params(hover)]


def _format_values(values: "pd.Series[float]") -> list[str]:
    return [format_number(float(value)) for value in values]


def _position_texts(curve_points: CurvePoints, points: pd.DataFrame) -> Sequence[str]:
    if curve_points.options.x_axis == "step":
        return [f"{step:,}" for step in points.step]
    if curve_points.options.x_axis == "wall":
        times = np.datetime_as_string(points.time.dt.tz_localize(None).to_numpy(), unit="s")
        return [f"{str(time).replace('T', ', ')} UTC" for time in times]
    unit = curve_points.axis_title.rpartition("(")[2].rstrip(")")
    return [f"{format_number(float(value))} {unit}" for value in points["at"]]


def _letter_layers(
    curve_points: CurvePoints, lines: pd.DataFrame, encoding: dict[str, Any], style: ChartStyle
) -> list[alt.Chart]:
    """Return the letters of selected runs at their line ends, with halos; letters that would overlap are stacked."""
    ends = lines[lines.letter.notna()].groupby("letter", sort=False).tail(1)
    if not len(ends):
        return []
    (x_low, x_high), (y_low, y_high) = _axis_limits(curve_points)
    x_shares = (ends["at"] - x_low) / (x_high - x_low)
    scaled_low, scaled_values, scaled_high = (
        curve_points.scale_transform(np.asarray(value, dtype="float64")) / 2 for value in (y_low, ends.up, y_high)
    )
    heights = (scaled_values - scaled_low) / (scaled_high - scaled_low)
    letters = ends[["at", "up", "letter"]].assign(across=x_shares, height=heights).sort_values("height", ascending=False)
    text_options: dict[str, Any] = {"align": "left", "dx": 6, "fontSize": 13, "fontWeight": 700}
    layers = []
    for row, offset in zip(letters.to_dict("records"), _letter_offsets(list(letters.across), list(letters.height)), strict=True):
        base = alt.Chart(pd.DataFrame([row])[["at", "up", "letter"]]).encode(**encoding, text="letter:N")
        halo = base.mark_text(**text_options, dy=offset, stroke=style.colors["page"], strokeWidth=4)
        layers += [halo, base.mark_text(**text_options, dy=offset, color=style.colors["ink"])]
    return layers


def _letter_offsets(x_shares: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return how many pixels each letter, from the top down, moves down to avoid overlaps."""
    letter_positions: list[tuple[float, float]] = []
    offsets = []
    for x, height in zip(x_shares, heights, strict=True):
        y = (1 - height) * PLOT_HEIGHT
        for other_x, other_y in sorted(letter_positions, key=lambda letter_position: letter_position[1]):
            if abs(other_x - x) < _MARGIN and abs(other_y - y) < LETTER_HEIGHT:
                y = other_y + LETTER_HEIGHT
        letter_positions.append((x, y))
        offsets.append(y - (1 - height) * PLOT_HEIGHT)
    return offsets
