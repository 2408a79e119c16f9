"""Contour: a metric as a surface over two numeric columns, interpolated between the runs. Pure.

Nothing is drawn outside the runs' hull, and no height leaves the range that was measured: between the runs it is a guess, and the
page says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.grouping import grouping_values
from lib.runs.analysis.metric_direction import metric_direction
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
from lib.runs.table.run_table import METRIC_PREFIX, metric_columns, subset, varying_params
from lib.runs.table.types import RunTable

MIN_RUNS = 8
MIN_DISTINCT_VALUES = 3
MAX_DISTINCT_POINTS = 900
"""Different places up to which each counts for itself; more are averaged in the cells of a 30 × 30 grid."""
GRID_SIZE, CONTOUR_LEVELS, AXIS_MARGIN = 60, 8, 0.04
_SMOOTHING = 0.02
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class RunCoordinates:
    """The runs that have all three numbers: their ids, where they stand (both axes from 0 to 1), and the metric's value."""

    run_ids: tuple[str, ...]
    axis_limits: tuple[tuple[float, float], tuple[float, float]]
    log_axes: tuple[bool, bool]
    points: Floats
    heights: Floats

    @property
    def duplicate_count(self) -> int:
        """How many runs stand where another one stands."""
        return len(self.points) - len(np.unique(self.points, axis=0)) if len(self.points) else 0


@dataclass(frozen=True)
class Surface:
    """The interpolated heights over a square grid, NaN outside the hull; the same with what lies beyond; the hull's corners in order."""

    heights: Floats
    unmasked_heights: Floats
    hull: Floats


def axis_columns(table: RunTable) -> list[str]:
    """Columns that can be an axis: parameters, then metrics, with at least three different numbers."""
    return [name for name in [*varying_params(table), *metric_columns(table)] if _different(table, name) >= MIN_DISTINCT_VALUES]


def _different(table: RunTable, name: str) -> int:
    values = grouping_values(table, name)
    numbers = finite_numbers(values)
    return len(np.unique(numbers[~np.isnan(numbers)]))


def compute_coordinates(table: RunTable, axes: tuple[str, str], metric: str) -> RunCoordinates:
    """Where the runs with all three numbers stand."""
    wanted = [list(grouping_values(table, name)) for name in (*axes, metric)]
    rows = [
        (run_id, *map(float, numbers))
        for run_id, *numbers in zip(table.ids, *wanted, strict=True)
        if all(is_finite_number(number) for number in numbers)
    ]
    data = np.array([row[1:] for row in rows], dtype="float64").reshape(-1, 3)
    bent = (needs_log_scale(data[:, 0].tolist()), needs_log_scale(data[:, 1].tolist()))
    flat = [np.log10(data[:, side]) if bent[side] else data[:, side] for side in (0, 1)]
    ends = [(float(one.min()), float(one.max())) if len(one) else (0.0, 0.0) for one in flat]
    spots = np.column_stack([_share(one, end) for one, end in zip(flat, ends, strict=True)])
    return RunCoordinates(tuple(row[0] for row in rows), (ends[0], ends[1]), bent, spots, data[:, 2])


def _share(values: Floats, ends: tuple[float, float]) -> Floats:
    low, high = ends
    half = (high / 2 - low / 2) or 1.0  # halves: the distance of two very large numbers does not fit
    return (values / 2 - low / 2) / half


def surface_problem(coordinates: RunCoordinates, axes: tuple[str, str]) -> str:
    """What these runs lack for a surface, in a sentence; an empty text when it can be drawn. Column names are left to the caller."""
    if len(coordinates.run_ids) < MIN_RUNS:
        return f"It takes at least {MIN_RUNS} runs with a number in all three; here are {len(coordinates.run_ids)}."
    few = [side for side in (0, 1) if len(np.unique(coordinates.points[:, side])) < MIN_DISTINCT_VALUES]
    if few or axes[0] == axes[1]:
        return f"It takes two different columns with at least {MIN_DISTINCT_VALUES} different numbers each."
    if not _spans(coordinates.points):
        return "All runs lie on one line: the two columns move together, so there is no surface between them."
    return "" if coordinates.heights.min() < coordinates.heights.max() else "The metric is the same in all these runs."


def _spans(spots: Floats) -> bool:
    sizes = np.linalg.svd(spots - spots.mean(axis=0), compute_uv=False)
    return bool(sizes[-1] > 1e-6 * sizes[0])


def interpolate_surface(coordinates: RunCoordinates) -> Surface:
    """Thin-plate splines through the places (Duchon 1977), lightly smoothed, kept within the measured range, for places that span an area."""
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial import ConvexHull

    scale = np.abs(coordinates.heights).max()
    spots, heights = _averaged(coordinates.points, coordinates.heights / scale)
    if len(spots) > MAX_DISTINCT_POINTS:
        spots, heights = _averaged(np.round(spots * 29) / 29, heights)
    steps = np.linspace(0, 1, GRID_SIZE)
    grid = np.column_stack([side.ravel() for side in np.meshgrid(steps, steps)])
    guessed = RBFInterpolator(spots, heights, smoothing=_SMOOTHING, kernel="thin_plate_spline")(grid)
    guessed = np.clip(guessed, heights.min(), heights.max()) * scale
    hull = ConvexHull(coordinates.points)
    inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1)
    square = (GRID_SIZE, GRID_SIZE)
    return Surface(np.where(inside, guessed, np.nan).reshape(square), guessed.reshape(square), coordinates.points[hull.vertices])


def _averaged(spots: Floats, heights: Floats) -> tuple[Floats, Floats]:
    places_, which = np.unique(spots, axis=0, return_inverse=True)
    return places_, np.bincount(which.ravel(), weights=heights) / np.bincount(which.ravel())


def best_run_id(coordinates: RunCoordinates, metric: str) -> str:
    """The run with the best value among these; an empty text when nobody can say which way is better."""
    towards = metric_direction(metric.removeprefix(METRIC_PREFIX))
    if towards == "neither":
        return ""
    return coordinates.run_ids[int(coordinates.heights.argmin() if towards == "less" else coordinates.heights.argmax())]


def contour_plot(table: RunTable, axes: tuple[str, str], metric: str, style: ChartStyle) -> alt.LayerChart:
    """The surface, its lines, the runs, the best of them and the picked ones.

    The ramp spans the surface, which is flatter than the runs where it averages them; so the runs are drawn without a colour.
    """
    found, ink = compute_coordinates(table, axes, metric), style.colors
    made, best = interpolate_surface(found), best_run_id(found, metric)
    runs = sample_runs(subset(table, found.run_ids), (*style.selected_run_ids, best), MAX_POINTS)
    by = replace(
        style,
        color_by="metric",
        color_column=metric,
        color_low=float(np.nanmin(made.heights)),
        color_high=float(np.nanmax(made.heights)),
    )
    data = chart_data(runs, style).assign(
        **{key: list(grouping_values(runs, name)) for key, name in zip("xy", axes, strict=True)}
    )
    data = data.assign(**{key: list(build_axis(runs, name).texts) for key, name in zip(_TIPS, (*axes, metric), strict=True)})
    at: dict[str, Any] = {"x": _along(alt.X, axes[0], found, 0), "y": _along(alt.Y, axes[1], found, 1)}
    tips = run_tooltips(style)
    tips += [alt.Tooltip(f"{key}:N", title=column_title(name)) for key, name in zip(_TIPS, (*axes, metric), strict=True)]
    points = alt.Chart(data)
    dots = points.mark_point(
        filled=True, size=34 if len(runs) <= CROWDED_POINTS else 14, opacity=1, stroke=ink["page"], strokeWidth=1
    )
    layers = [*_ground(made, found, at, by), add_click_selection(dots.encode(**at, tooltip=tips, color=alt.value(ink["soft"])))]
    layers += _best(points, best, at, style) + letter_layers(
        points.transform_filter(IS_SELECTED_EXPR), at | {"tooltip": tips}, ink
    )
    said = y_title(axes[1], ink)
    return combine_layers(layers, ink).properties(title=said)


_TIPS = ("across", "up", "height")


def _ground(made: Surface, found: RunCoordinates, at: dict[str, Any], by: ChartStyle) -> list[alt.Chart]:
    """Cells that overlap by a little, since a seam would show through between them; what is outside the hull, hidden; lines."""
    steps, half = np.linspace(0, 1, GRID_SIZE), 0.5 / (GRID_SIZE - 1)
    rows, places_ = np.nonzero(_grown(~np.isnan(made.heights)))
    sides = {
        "x": _back(steps[places_] - half, found, 0),
        "x2": _back(steps[places_] + half * 1.4, found, 0),
        "y": _back(steps[rows] - half, found, 1),
        "y2": _back(steps[rows] + half * 1.4, found, 1),
    }
    heights = made.unmasked_heights[rows, places_]
    cells = pd.DataFrame(sides | {"shade": heights, "said": [format_number(float(one)) for one in heights]})
    tip = [alt.Tooltip("said:N", title=f"{column_title(by.color_column)} (interpolated)")]
    rects = (
        alt.Chart(cells).mark_rect(clip=True).encode(**at, x2="x2:Q", y2="y2:Q", color=color_encoding(by, "legend"), tooltip=tip)
    )
    lines = alt.Chart(_lines(made, found)).mark_line(color=by.colors["page"], opacity=0.7, strokeWidth=1)
    outside = alt.Chart(_outside(made, found)).mark_line(fill=by.colors["page"], strokeWidth=0, interpolate="linear-closed")
    return [rects, lines.encode(**at, detail="line:N", order="step:Q"), outside.encode(**at, order="step:Q")]


def _grown(inside: "np.ndarray[Any, np.dtype[np.bool_]]") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """The cells and their neighbours, so that the hull cuts cells and no gap is left at its edge."""
    padded = np.pad(inside, 1)
    moves = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2)]
    return np.any([padded[down : down + GRID_SIZE, right : right + GRID_SIZE] for down, right in moves], axis=0)


def _outside(made: Surface, found: RunCoordinates) -> pd.DataFrame:
    """One path round the picture and back round the hull the other way, which leaves the hull open."""
    low, high = -AXIS_MARGIN, 1 + AXIS_MARGIN
    corners = np.array([[low, low], [low, high], [high, high], [high, low], [low, low]])
    path = np.concatenate([corners, made.hull, made.hull[:1]])
    return pd.DataFrame({"x": _back(path[:, 0], found, 0), "y": _back(path[:, 1], found, 1), "step": range(len(path))})


def _lines(made: Surface, found: RunCoordinates) -> pd.DataFrame:
    from contourpy import contour_generator

    steps = np.linspace(0, 1, GRID_SIZE)
    tracer = contour_generator(steps, steps, np.ma.masked_invalid(made.heights))
    levels = np.linspace(np.nanmin(made.heights), np.nanmax(made.heights), CONTOUR_LEVELS + 2)[1:-1]
    traced = [np.asarray(line, dtype="float64") for level in levels for line in tracer.lines(float(level))]
    parts = [
        pd.DataFrame(
            {"line": number, "step": range(len(line)), "x": _back(line[:, 0], found, 0), "y": _back(line[:, 1], found, 1)}
        )
        for number, line in enumerate(traced)
    ]
    return pd.concat(parts) if parts else pd.DataFrame({"line": [], "step": [], "x": [], "y": []}, dtype="float64")


def _best(points: alt.Chart, run_id: str, at: dict[str, Any], look: ChartStyle) -> list[alt.Chart]:
    if not run_id:
        return []
    chosen = points.transform_filter(alt.FieldEqualPredicate(field="run_id", equal=run_id))
    style: dict[str, Any] = {"align": "left", "dx": 11, "dy": 10, "fontSize": 12, "fontWeight": 600}
    words = {"text": alt.value("best")}
    ends = {"fill": look.colors["page"], "stroke": look.colors["soft"]}
    diamond = chosen.mark_point(shape="diamond", filled=True, size=150, strokeWidth=1.8, opacity=1, **ends)
    halo = chosen.mark_text(**style, stroke=look.colors["page"], strokeWidth=4)
    return [
        diamond.encode(**at),
        halo.encode(**at, **words),
        chosen.mark_text(**style, color=look.colors["ink"]).encode(**at, **words),
    ]


def _back(shares: Floats, found: RunCoordinates, side: int) -> Floats:
    """From a share of an axis to its values."""
    low, high = found.axis_limits[side]
    plain = low * (1 - shares) + high * shares
    return 10**plain if found.log_axes[side] else plain


def _along(channel: Any, name: str, found: RunCoordinates, side: int) -> Any:
    numbers = sorted({float(one) for one in _back(found.points[:, side], found, side)})
    few = _whole(numbers)
    ticks: dict[str, Any] = {"values": few, "format": ",d"} if few else {"tickCount": 6}
    look = alt.Axis(domain=False, ticks=False, grid=False, labelPadding=6, titlePadding=8, titleAnchor="end", **ticks)
    ends = [float(one) for one in _back(np.array([-AXIS_MARGIN, 1 + AXIS_MARGIN]), found, side)]
    scale = alt.Scale(type="log" if found.log_axes[side] else "linear", domain=ends, nice=False, zero=False)
    field = "xy"[side]
    return channel(f"{field}:Q", title=column_title(name) if side == 0 else None, axis=look, scale=scale)


def _whole(numbers: Sequence[float]) -> list[int]:
    """The numbers themselves as ticks, when they are few and whole."""
    near = sorted({round(one) for one in numbers if abs(one) < 1e15})
    fit = len(near) <= 8 and all(any(math.isclose(one, whole, abs_tol=1e-9) for whole in near) for one in numbers)
    return near if fit else []
