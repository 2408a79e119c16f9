"""Contour: a metric as a surface over two numeric columns, interpolated between the runs. Pure.

Nothing is drawn outside the runs' hull, and no height exceeds the measured range. Heights between runs are estimates, as the page states.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.grouping import grouping_values
from lib.runs.analysis.metric_direction import Direction
from lib.runs.plots.axes import build_axis, needs_log_scale
from lib.runs.plots.box import CROWDED_POINTS, MAX_POINTS, add_click_selection
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
    y_title,
)
from lib.runs.table.number_format import finite_numbers, format_number, is_finite_number
from lib.runs.table.run_table import column_direction, metric_columns, subset, varying_params
from lib.runs.table.types import RunTable

MIN_RUNS = 8
MIN_DISTINCT_VALUES = 3
MAX_DISTINCT_POINTS = 900
"""Maximum number of distinct points interpolated individually; more are averaged in the cells of a 30 × 30 grid."""
GRID_SIZE, CONTOUR_LEVELS, AXIS_MARGIN = 60, 8, 0.04
_SMOOTHING = 0.02
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class RunCoordinates:
    """The runs with all three numbers: ids, points (both axes scaled to 0..1), and metric values."""

    run_ids: tuple[str, ...]
    axis_limits: tuple[tuple[float, float], tuple[float, float]]
    log_axes: tuple[bool, bool]
    points: Floats
    heights: Floats

    @property
    def duplicate_count(self) -> int:
        """How many runs share the point of another run."""
        return len(self.points) - len(np.unique(self.points, axis=0)) if len(self.points) else 0


@dataclass(frozen=True)
class Surface:
    """The interpolated heights over a square grid, with NaN outside the hull and unmasked; the hull's corners in order."""

    heights: Floats
    unmasked_heights: Floats
    hull: Floats


def axis_columns(table: RunTable) -> list[str]:
    """Return columns that can be an axis: parameters, then metrics, with at least three distinct numbers."""
    names = [*varying_params(table), *metric_columns(table)]
    return [name for name in names if _count_distinct_numbers(table, name) >= MIN_DISTINCT_VALUES]


def _count_distinct_numbers(table: RunTable, name: str) -> int:
    numbers = finite_numbers(grouping_values(table, name))
    return len(np.unique(numbers[~np.isnan(numbers)]))


def compute_coordinates(table: RunTable, axes: tuple[str, str], metric: str) -> RunCoordinates:
    """Return points and heights of the runs with all three numbers."""
    columns = [list(grouping_values(table, name)) for name in (*axes, metric)]
    rows = [
        (run_id, *map(float, numbers))
        for run_id, *numbers in zip(table.ids, *columns, strict=True)
        if all(is_finite_number(number) for number in numbers)
    ]
    data = np.array([row[1:] for row in rows], dtype="float64").reshape(-1, 3)
    log_axes = (needs_log_scale(data[:, 0].tolist()), needs_log_scale(data[:, 1].tolist()))
    scaled = [np.log10(data[:, side]) if log_axes[side] else data[:, side] for side in (0, 1)]
    limits = [(float(values.min()), float(values.max())) if len(values) else (0.0, 0.0) for values in scaled]
    points = np.column_stack([_normalize(values, limit) for values, limit in zip(scaled, limits, strict=True)])
    return RunCoordinates(tuple(row[0] for row in rows), (limits[0], limits[1]), log_axes, points, data[:, 2])


def _normalize(values: Floats, limits: tuple[float, float]) -> Floats:
    low, high = limits
    half_range = (high / 2 - low / 2) or 1.0  # halves: the difference of two very large numbers would overflow
    return (values / 2 - low / 2) / half_range


def surface_problem(coordinates: RunCoordinates, axes: tuple[str, str]) -> str:
    """Return why these runs cannot form a surface, in a sentence; empty if they can. Column names are left to the caller."""
    if len(coordinates.run_ids) < MIN_RUNS:
        return f"At least {MIN_RUNS} runs with a number in all three columns are needed; there are {len(coordinates.run_ids)}."
    short_axes = [side for side in (0, 1) if len(np.unique(coordinates.points[:, side])) < MIN_DISTINCT_VALUES]
    if short_axes or axes[0] == axes[1]:
        return f"Two different columns with at least {MIN_DISTINCT_VALUES} distinct numbers each are needed."
    if not _spans_area(coordinates.points):
        return "All runs are on one line: the two columns vary together, so they span no surface."
    return "" if coordinates.heights.min() < coordinates.heights.max() else "The metric is the same in all these runs."


def _spans_area(points: Floats) -> bool:
    singular_values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(singular_values[-1] > 1e-6 * singular_values[0])


def interpolate_surface(coordinates: RunCoordinates) -> Surface:
    """Fit lightly smoothed thin-plate splines (Duchon 1977), clipped to the measured range. The points must span an area."""
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial import ConvexHull

    scale = np.abs(coordinates.heights).max()
    points, heights = _average_duplicates(coordinates.points, coordinates.heights / scale)
    if len(points) > MAX_DISTINCT_POINTS:
        points, heights = _average_duplicates(np.round(points * 29) / 29, heights)
    steps = np.linspace(0, 1, GRID_SIZE)
    grid = np.column_stack([coordinate.ravel() for coordinate in np.meshgrid(steps, steps)])
    interpolated = RBFInterpolator(points, heights, smoothing=_SMOOTHING, kernel="thin_plate_spline")(grid)
    interpolated = np.clip(interpolated, heights.min(), heights.max()) * scale
    hull = ConvexHull(coordinates.points)
    is_inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1)
    shape = (GRID_SIZE, GRID_SIZE)
    return Surface(
        np.where(is_inside, interpolated, np.nan).reshape(shape), interpolated.reshape(shape), coordinates.points[hull.vertices]
    )


def _average_duplicates(points: Floats, heights: Floats) -> tuple[Floats, Floats]:
    distinct_points, indices = np.unique(points, axis=0, return_inverse=True)
    return distinct_points, np.bincount(indices.ravel(), weights=heights) / np.bincount(indices.ravel())


def best_run_id(coordinates: RunCoordinates, direction: Direction) -> str:
    """Return the run with the best value; empty if the metric has no direction."""
    if direction == "neither":
        return ""
    return coordinates.run_ids[int(coordinates.heights.argmin() if direction == "less" else coordinates.heights.argmax())]


def contour_plot(table: RunTable, axes: tuple[str, str], metric: str, style: ChartStyle) -> alt.LayerChart:
    """Draw the surface, its contour lines, the runs, the best run and the selected runs.

    The colour ramp spans the surface, which is flatter than the runs wherever it averages them, so the runs are drawn uncoloured.
    """
    coordinates, colors = compute_coordinates(table, axes, metric), style.colors
    surface, best_run = interpolate_surface(coordinates), best_run_id(coordinates, column_direction(table, metric))
    runs = sample_runs(subset(table, coordinates.run_ids), (*style.selected_run_ids, best_run), MAX_POINTS)
    surface_style = replace(
        style,
        color_by="metric",
        color_column=metric,
        color_low=float(np.nanmin(surface.heights)),
        color_high=float(np.nanmax(surface.heights)),
    )
    data = chart_data(runs, style).assign(
        **{key: list(grouping_values(runs, name)) for key, name in zip("xy", axes, strict=True)}
    )
    tooltip_columns = dict(zip(_TOOLTIP_FIELDS, (*axes, metric), strict=True))
    data = data.assign(**{key: list(build_axis(runs, name).texts) for key, name in tooltip_columns.items()})
    encoding: dict[str, Any] = {
        "x": _position_channel(alt.X, column_title(axes[0], style.directions), coordinates, 0),
        "y": _position_channel(alt.Y, None, coordinates, 1),
    }
    tooltips = run_tooltips(style)
    tooltips += [alt.Tooltip(f"{key}:N", title=column_title(name, style.directions)) for key, name in tooltip_columns.items()]
    points = alt.Chart(data)
    dots = points.mark_point(
        filled=True, size=34 if len(runs) <= CROWDED_POINTS else 14, opacity=1, stroke=colors["page"], strokeWidth=1
    )
    layers = [
        *_surface_layers(surface, coordinates, encoding, surface_style),
        add_click_selection(dots.encode(**encoding, tooltip=tooltips, color=alt.value(colors["soft"]))),
    ]
    layers += _best_run_layers(points, best_run, encoding, style) + letter_layers(
        points.transform_filter(IS_SELECTED_EXPR), encoding | {"tooltip": tooltips}, colors
    )
    return combine_layers(layers, colors).properties(title=y_title(axes[1], style))


_TOOLTIP_FIELDS = ("across", "up", "height")


def _surface_layers(
    surface: Surface, coordinates: RunCoordinates, encoding: dict[str, Any], style: ChartStyle
) -> list[alt.Chart]:
    """Return slightly overlapping cells (to avoid visible seams), a mask that hides everything outside the hull, and the lines."""
    steps, half_cell = np.linspace(0, 1, GRID_SIZE), 0.5 / (GRID_SIZE - 1)
    rows, columns = np.nonzero(_dilate_mask(~np.isnan(surface.heights)))
    edges = {
        "x": _denormalize(steps[columns] - half_cell, coordinates, 0),
        "x2": _denormalize(steps[columns] + half_cell * 1.4, coordinates, 0),
        "y": _denormalize(steps[rows] - half_cell, coordinates, 1),
        "y2": _denormalize(steps[rows] + half_cell * 1.4, coordinates, 1),
    }
    heights = surface.unmasked_heights[rows, columns]
    cells = pd.DataFrame(edges | {"shade": heights, "said": [format_number(float(height)) for height in heights]})
    tooltip = [alt.Tooltip("said:N", title=f"{column_title(style.color_column, style.directions)} (interpolated)")]
    rects = alt.Chart(cells).mark_rect(clip=True)
    cell_layer = rects.encode(**encoding, x2="x2:Q", y2="y2:Q", color=color_encoding(style, "legend"), tooltip=tooltip)
    lines = alt.Chart(_contour_lines(surface, coordinates)).mark_line(color=style.colors["page"], opacity=0.7, strokeWidth=1)
    outside_path = alt.Chart(_outside_path(surface, coordinates))
    outside = outside_path.mark_line(fill=style.colors["page"], strokeWidth=0, interpolate="linear-closed")
    return [cell_layer, lines.encode(**encoding, detail="line:N", order="step:Q"), outside.encode(**encoding, order="step:Q")]


def _dilate_mask(mask: "np.ndarray[Any, np.dtype[np.bool_]]") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Add the neighbours of the cells, so the hull cuts through cells and leaves no gap at its edge."""
    padded = np.pad(mask, 1)
    offsets = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2)]
    return np.any([padded[down : down + GRID_SIZE, right : right + GRID_SIZE] for down, right in offsets], axis=0)


def _outside_path(surface: Surface, coordinates: RunCoordinates) -> pd.DataFrame:
    """Return one path around the plot and back around the hull in the opposite direction, which leaves the hull open."""
    low, high = -AXIS_MARGIN, 1 + AXIS_MARGIN
    corners = np.array([[low, low], [low, high], [high, high], [high, low], [low, low]])
    path = np.concatenate([corners, surface.hull, surface.hull[:1]])
    return pd.DataFrame(
        {"x": _denormalize(path[:, 0], coordinates, 0), "y": _denormalize(path[:, 1], coordinates, 1), "step": range(len(path))}
    )


def _contour_lines(surface: Surface, coordinates: RunCoordinates) -> pd.DataFrame:
    from contourpy import contour_generator

    steps = np.linspace(0, 1, GRID_SIZE)
    tracer = contour_generator(steps, steps, np.ma.masked_invalid(surface.heights))
    levels = np.linspace(np.nanmin(surface.heights), np.nanmax(surface.heights), CONTOUR_LEVELS + 2)[1:-1]
    lines = [np.asarray(line, dtype="float64") for level in levels for line in tracer.lines(float(level))]
    frames = [
        pd.DataFrame(
            {
                "line": number,
                "step": range(len(line)),
                "x": _denormalize(line[:, 0], coordinates, 0),
                "y": _denormalize(line[:, 1], coordinates, 1),
            }
        )
        for number, line in enumerate(lines)
    ]
    return pd.concat(frames) if frames else pd.DataFrame({"line": [], "step": [], "x": [], "y": []}, dtype="float64")


def _best_run_layers(points: alt.Chart, run_id: str, encoding: dict[str, Any], style: ChartStyle) -> list[alt.Chart]:
    if not run_id:
        return []
    best_point = points.transform_filter(alt.FieldEqualPredicate(field="run_id", equal=run_id))
    text_options: dict[str, Any] = {"align": "left", "dx": 11, "dy": 10, "fontSize": 12, "fontWeight": 600}
    text = {"text": alt.value("best")}
    marker_colors = {"fill": style.colors["page"], "stroke": style.colors["soft"]}
    diamond = best_point.mark_point(shape="diamond", filled=True, size=150, strokeWidth=1.8, opacity=1, **marker_colors)
    halo = best_point.mark_text(**text_options, stroke=style.colors["page"], strokeWidth=4)
    return [
        diamond.encode(**encoding),
        halo.encode(**encoding, **text),
        best_point.mark_text(**text_options, color=style.colors["ink"]).encode(**encoding, **text),
    ]


def _denormalize(shares: Floats, coordinates: RunCoordinates, side: int) -> Floats:
    """Convert shares of an axis to its values."""
    low, high = coordinates.axis_limits[side]
    values = low * (1 - shares) + high * shares
    return 10**values if coordinates.log_axes[side] else values


def _position_channel(channel: Any, title: str | None, coordinates: RunCoordinates, side: int) -> Any:
    numbers = sorted({float(number) for number in _denormalize(coordinates.points[:, side], coordinates, side)})
    tick_values = _integer_ticks(numbers)
    tick_options: dict[str, Any] = {"values": tick_values, "format": ",d"} if tick_values else {"tickCount": 6}
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelPadding=6, titlePadding=8, titleAnchor="end", **tick_options)
    limits = [float(number) for number in _denormalize(np.array([-AXIS_MARGIN, 1 + AXIS_MARGIN]), coordinates, side)]
    scale = alt.Scale(type="log" if coordinates.log_axes[side] else "linear", domain=limits, nice=False, zero=False)
    field = "xy"[side]
    return channel(f"{field}:Q", title=title, axis=axis, scale=scale)


def _integer_ticks(numbers: Sequence[float]) -> list[int]:
    """Return the numbers themselves as ticks if they are a few integers."""
    integers = sorted({round(number) for number in numbers if abs(number) < 1e15})
    are_integers = len(integers) <= 8 and all(
        any(math.isclose(number, integer, abs_tol=1e-9) for integer in integers) for number in numbers
    )
    return integers if are_integers else []
