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

from lib.runs.analysis.grouping import values_of
from lib.runs.analysis.metric_direction import direction
from lib.runs.plots.axes import axis, is_log
from lib.runs.plots.box import MANY_POINTS, MOST_POINTS, clicked
from lib.runs.plots.style import PICKED, Look, frame, heading, lettered, quiet, sampled, shade, who
from lib.runs.table.number_format import figure, is_real, reals
from lib.runs.table.run_table import METRIC, metrics, subset, varying
from lib.runs.table.types import RunTable

LEAST_RUNS = 8
LEAST_VALUES = 3
MOST_PLACES = 900
"""Different places up to which each counts for itself; more are averaged in the cells of a 30 × 30 grid."""
CELLS, LINES, FRINGE = 60, 8, 0.04
_SMOOTHING = 0.02
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Places:
    """The runs that have all three numbers: their ids, where they stand (both axes from 0 to 1), and the metric's value."""

    run_ids: tuple[str, ...]
    ends: tuple[tuple[float, float], tuple[float, float]]
    bent: tuple[bool, bool]
    spots: Floats
    heights: Floats

    @property
    def shared(self) -> int:
        """How many runs stand where another one stands."""
        return len(self.spots) - len(np.unique(self.spots, axis=0)) if len(self.spots) else 0


@dataclass(frozen=True)
class Surface:
    """The interpolated heights over a square grid, NaN outside the hull; the same with what lies beyond, the hull's corners in
    order, and how many places were averaged into cells."""

    heights: Floats
    beyond: Floats
    hull: Floats
    averaged: int


def columns(table: RunTable) -> list[str]:
    """Columns that can be an axis: parameters, then metrics, with at least three different numbers."""
    return [name for name in [*varying(table), *metrics(table)] if _different(table, name) >= LEAST_VALUES]


def _different(table: RunTable, name: str) -> int:
    values = values_of(table, name)
    numbers = reals(values)
    return len(np.unique(numbers[~np.isnan(numbers)]))


def places(table: RunTable, axes: tuple[str, str], metric: str) -> Places:
    """Where the runs with all three numbers stand."""
    wanted = [list(values_of(table, name)) for name in (*axes, metric)]
    rows = [
        (run_id, *map(float, numbers))
        for run_id, *numbers in zip(table.ids, *wanted, strict=True)
        if all(is_real(number) for number in numbers)
    ]
    data = np.array([row[1:] for row in rows], dtype="float64").reshape(-1, 3)
    bent = (is_log(data[:, 0].tolist()), is_log(data[:, 1].tolist()))
    flat = [np.log10(data[:, side]) if bent[side] else data[:, side] for side in (0, 1)]
    ends = [(float(one.min()), float(one.max())) if len(one) else (0.0, 0.0) for one in flat]
    spots = np.column_stack([_share(one, end) for one, end in zip(flat, ends, strict=True)])
    return Places(tuple(row[0] for row in rows), (ends[0], ends[1]), bent, spots, data[:, 2])


def _share(values: Floats, ends: tuple[float, float]) -> Floats:
    low, high = ends
    half = (high / 2 - low / 2) or 1.0  # halves: the distance of two very large numbers does not fit
    return (values / 2 - low / 2) / half


def lacks(found: Places, axes: tuple[str, str]) -> str:
    """What these runs lack for a surface, in a sentence; an empty text when it can be drawn. Column names are left to the caller."""
    if len(found.run_ids) < LEAST_RUNS:
        return f"It takes at least {LEAST_RUNS} runs with a number in all three; here are {len(found.run_ids)}."
    few = [side for side in (0, 1) if len(np.unique(found.spots[:, side])) < LEAST_VALUES]
    if few or axes[0] == axes[1]:
        return f"It takes two different columns with at least {LEAST_VALUES} different numbers each."
    if not _spans(found.spots):
        return "All runs lie on one line: the two columns move together, so there is no surface between them."
    return "" if found.heights.min() < found.heights.max() else "The metric is the same in all these runs."


def _spans(spots: Floats) -> bool:
    sizes = np.linalg.svd(spots - spots.mean(axis=0), compute_uv=False)
    return bool(sizes[-1] > 1e-6 * sizes[0])


def surface(found: Places) -> Surface:
    """Thin-plate splines through the places (Duchon 1977), lightly smoothed, kept within the measured range, for places that span an area."""
    from scipy.interpolate import RBFInterpolator
    from scipy.spatial import ConvexHull

    scale = np.abs(found.heights).max()
    spots, heights = _averaged(found.spots, found.heights / scale)
    averaged = 0
    if len(spots) > MOST_PLACES:
        averaged = len(spots)
        spots, heights = _averaged(np.round(spots * 29) / 29, heights)
    steps = np.linspace(0, 1, CELLS)
    grid = np.column_stack([side.ravel() for side in np.meshgrid(steps, steps)])
    guessed = RBFInterpolator(spots, heights, smoothing=_SMOOTHING, kernel="thin_plate_spline")(grid)
    guessed = np.clip(guessed, heights.min(), heights.max()) * scale
    hull = ConvexHull(found.spots)
    inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1)
    square = (CELLS, CELLS)
    return Surface(
        np.where(inside, guessed, np.nan).reshape(square), guessed.reshape(square), found.spots[hull.vertices], averaged
    )


def _averaged(spots: Floats, heights: Floats) -> tuple[Floats, Floats]:
    places_, which = np.unique(spots, axis=0, return_inverse=True)
    return places_, np.bincount(which.ravel(), weights=heights) / np.bincount(which.ravel())


def best_of(found: Places, metric: str) -> str:
    """The run with the best value among these; an empty text when nobody can say which way is better."""
    towards = direction(metric.removeprefix(METRIC))
    if towards == "neither":
        return ""
    return found.run_ids[int(found.heights.argmin() if towards == "less" else found.heights.argmax())]


def contour(table: RunTable, axes: tuple[str, str], metric: str, look: Look) -> alt.LayerChart:
    """The surface, its lines, the runs, the best of them and the picked ones.

    The ramp spans the surface, which is flatter than the runs where it averages them; so the runs are drawn without a colour.
    """
    found, ink = places(table, axes, metric), look.ink
    made, best = surface(found), best_of(found, metric)
    runs = sampled(subset(table, found.run_ids), (*look.picked, best), MOST_POINTS)
    by = replace(look, tint="metric", color=metric, low=float(np.nanmin(made.heights)), high=float(np.nanmax(made.heights)))
    data = frame(runs, look).assign(**{key: list(values_of(runs, name)) for key, name in zip("xy", axes, strict=True)})
    data = data.assign(**{key: list(axis(runs, name).texts) for key, name in zip(_TIPS, (*axes, metric), strict=True)})
    at: dict[str, Any] = {"x": _along(alt.X, axes[0], found, 0), "y": _along(alt.Y, axes[1], found, 1)}
    tips = who(look)
    tips += [alt.Tooltip(f"{key}:N", title=heading(name)) for key, name in zip(_TIPS, (*axes, metric), strict=True)]
    points = alt.Chart(data)
    dots = points.mark_point(
        filled=True, size=34 if len(runs) <= MANY_POINTS else 14, opacity=1, stroke=ink["page"], strokeWidth=1
    )
    layers = [*_ground(made, found, at, by), clicked(dots.encode(**at, tooltip=tips, color=alt.value(ink["soft"])))]
    layers += _best(points, best, at, look) + lettered(points.transform_filter(PICKED), at | {"tooltip": tips}, ink)
    said = alt.TitleParams(heading(axes[1]), anchor="start", fontSize=11, fontWeight="normal", color=ink["soft"], offset=8)
    return quiet(layers, ink).properties(title=said)


_TIPS = ("across", "up", "height")


def _ground(made: Surface, found: Places, at: dict[str, Any], by: Look) -> list[alt.Chart]:
    """Cells that overlap by a little, since a seam would show through between them; what is outside the hull, hidden; lines."""
    steps, half = np.linspace(0, 1, CELLS), 0.5 / (CELLS - 1)
    rows, places_ = np.nonzero(_grown(~np.isnan(made.heights)))
    sides = {
        "x": _back(steps[places_] - half, found, 0),
        "x2": _back(steps[places_] + half * 1.4, found, 0),
        "y": _back(steps[rows] - half, found, 1),
        "y2": _back(steps[rows] + half * 1.4, found, 1),
    }
    heights = made.beyond[rows, places_]
    cells = pd.DataFrame(sides | {"shade": heights, "said": [figure(float(one)) for one in heights]})
    tip = [alt.Tooltip("said:N", title=f"{heading(by.color)} (interpolated)")]
    rects = alt.Chart(cells).mark_rect(clip=True).encode(**at, x2="x2:Q", y2="y2:Q", color=shade(by, "legend"), tooltip=tip)
    lines = alt.Chart(_lines(made, found)).mark_line(color=by.ink["page"], opacity=0.7, strokeWidth=1)
    outside = alt.Chart(_outside(made, found)).mark_line(fill=by.ink["page"], strokeWidth=0, interpolate="linear-closed")
    return [rects, lines.encode(**at, detail="line:N", order="step:Q"), outside.encode(**at, order="step:Q")]


def _grown(inside: "np.ndarray[Any, np.dtype[np.bool_]]") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """The cells and their neighbours, so that the hull cuts cells and no gap is left at its edge."""
    padded = np.pad(inside, 1)
    moves = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2)]
    return np.any([padded[down : down + CELLS, right : right + CELLS] for down, right in moves], axis=0)


def _outside(made: Surface, found: Places) -> pd.DataFrame:
    """One path round the picture and back round the hull the other way, which leaves the hull open."""
    low, high = -FRINGE, 1 + FRINGE
    corners = np.array([[low, low], [low, high], [high, high], [high, low], [low, low]])
    path = np.concatenate([corners, made.hull, made.hull[:1]])
    return pd.DataFrame({"x": _back(path[:, 0], found, 0), "y": _back(path[:, 1], found, 1), "step": range(len(path))})


def _lines(made: Surface, found: Places) -> pd.DataFrame:
    from contourpy import contour_generator

    steps = np.linspace(0, 1, CELLS)
    tracer = contour_generator(steps, steps, np.ma.masked_invalid(made.heights))
    levels = np.linspace(np.nanmin(made.heights), np.nanmax(made.heights), LINES + 2)[1:-1]
    traced = [np.asarray(line, dtype="float64") for level in levels for line in tracer.lines(float(level))]
    parts = [
        pd.DataFrame(
            {"line": number, "step": range(len(line)), "x": _back(line[:, 0], found, 0), "y": _back(line[:, 1], found, 1)}
        )
        for number, line in enumerate(traced)
    ]
    return pd.concat(parts) if parts else pd.DataFrame({"line": [], "step": [], "x": [], "y": []}, dtype="float64")


def _best(points: alt.Chart, run_id: str, at: dict[str, Any], look: Look) -> list[alt.Chart]:
    if not run_id:
        return []
    chosen = points.transform_filter(alt.FieldEqualPredicate(field="run_id", equal=run_id))
    style: dict[str, Any] = {"align": "left", "dx": 11, "dy": 10, "fontSize": 12, "fontWeight": 600}
    words = {"text": alt.value("best")}
    ends = {"fill": look.ink["page"], "stroke": look.ink["soft"]}
    diamond = chosen.mark_point(shape="diamond", filled=True, size=150, strokeWidth=1.8, opacity=1, **ends)
    halo = chosen.mark_text(**style, stroke=look.ink["page"], strokeWidth=4)
    return [
        diamond.encode(**at),
        halo.encode(**at, **words),
        chosen.mark_text(**style, color=look.ink["ink"]).encode(**at, **words),
    ]


def _back(shares: Floats, found: Places, side: int) -> Floats:
    """From a share of an axis to its values."""
    low, high = found.ends[side]
    plain = low * (1 - shares) + high * shares
    return 10**plain if found.bent[side] else plain


def _along(channel: Any, name: str, found: Places, side: int) -> Any:
    numbers = sorted({float(one) for one in _back(found.spots[:, side], found, side)})
    few = _whole(numbers)
    ticks: dict[str, Any] = {"values": few, "format": ",d"} if few else {"tickCount": 6}
    look = alt.Axis(domain=False, ticks=False, grid=False, labelPadding=6, titlePadding=8, titleAnchor="end", **ticks)
    ends = [float(one) for one in _back(np.array([-FRINGE, 1 + FRINGE]), found, side)]
    scale = alt.Scale(type="log" if found.bent[side] else "linear", domain=ends, nice=False, zero=False)
    field = "xy"[side]
    return channel(f"{field}:Q", title=heading(name) if side == 0 else None, axis=look, scale=scale)


def _whole(numbers: Sequence[float]) -> list[int]:
    """The numbers themselves as ticks, when they are few and whole."""
    near = sorted({round(one) for one in numbers if abs(one) < 1e15})
    fit = len(near) <= 8 and all(any(math.isclose(one, whole, abs_tol=1e-9) for whole in near) for one in numbers)
    return near if fit else []
