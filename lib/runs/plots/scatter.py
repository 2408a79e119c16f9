"""Scatter: a point per run at two columns, coloured by a metric. Pure."""

import json
from typing import Any

import altair as alt
import pandas as pd

from lib.runs.figures import is_real, short_labels
from lib.runs.plots.axes import NO_VALUE, axis, is_log
from lib.runs.plots.charts import PICKED, Ink, Look, dash, frame, heading, quiet, shade
from lib.runs.table import column
from lib.runs.values import RunTable

MOST_POINTS = 5000
_LOOK: dict[str, Any] = {
    "domain": False,
    "ticks": False,
    "grid": True,
    "gridDash": [2, 3],
    "labelPadding": 6,
    "titlePadding": 8,
    "titleAnchor": "end",
}


def scatter(table: RunTable, places: tuple[str, str], look: Look) -> alt.LayerChart:
    """The runs at the columns `places` (across, up); those without both values are not drawn: see `unplaced`."""
    (across, up), ink = places, look.ink
    data = frame(table, look).assign(x=_values(table, across), y=_values(table, up))
    data = data.assign(across=list(axis(table, across).texts), up=list(axis(table, up).texts)).dropna(subset=["x", "y"])
    at = {"x": alt.X(**_axis(table, across, "x"), title=heading(across)), "y": alt.Y(**_axis(table, up, "y"), title=None)}
    at |= {"tooltip": _tooltip(places, look.color)}
    base = alt.Chart(data)
    points = base.mark_point(filled=True, size=80, opacity=0.85, stroke=ink["page"], strokeWidth=0.8)
    said = alt.TitleParams(heading(up), anchor="start", fontSize=11, fontWeight="normal", color=ink["soft"], offset=8)
    layers = [points.encode(**at, color=shade(look, "legend")), *_picked(base.transform_filter(PICKED), at, ink)]
    return quiet(layers, ink).properties(title=said)


def unplaced(table: RunTable, places: tuple[str, str]) -> int:
    """How many runs a scatter cannot draw, because one of the two values is missing or no number."""
    pairs = zip(_values(table, places[0]), _values(table, places[1]), strict=True)
    return sum(None in pair for pair in pairs)


def _picked(chosen: alt.Chart, at: dict[str, Any], ink: Ink) -> list[alt.Chart]:
    """A ring and a letter for each picked run, the letter with a halo."""
    ring = chosen.mark_point(filled=False, size=170, strokeWidth=2, stroke=ink["ink"], opacity=1)
    style: dict[str, Any] = {"align": "left", "dx": 10, "dy": -8, "fontSize": 13, "fontWeight": 700}
    halo = chosen.mark_text(**style, stroke=ink["page"], strokeWidth=4)
    letter = chosen.mark_text(**style, color=ink["ink"])
    return [ring.encode(**at, strokeDash=dash()), halo.encode(**at, text="letter:N"), letter.encode(**at, text="letter:N")]


def _values(table: RunTable, name: str) -> list[Any]:
    """Numbers that can be placed, or texts; None for everything else."""
    values = column(table, name)
    if pd.api.types.is_numeric_dtype(values):
        return [float(value) if is_real(value) else None for value in values]
    return [str(value) if pd.notna(value) else None for value in values]


def _tooltip(places: tuple[str, str], color: str) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("run:N", title="Run")]
    tips += [alt.Tooltip(f"{key}:N", title=heading(name)) for key, name in zip(("across", "up"), places, strict=True)]
    return tips + ([alt.Tooltip("shaded:N", title=heading(color))] if color and color not in places else [])


def _axis(table: RunTable, name: str, field: str) -> dict[str, Any]:
    """Field, scale and look of one of the two axes: a log scale where the values span decades, a lane per text."""
    if not pd.api.types.is_numeric_dtype(column(table, name)):
        return _lanes(table, name, field)
    real = [value for value in _values(table, name) if value is not None]
    kind = "log" if is_log(real) else "linear"
    few = len(set(real)) <= 8 and all(value.is_integer() for value in real)
    ticks: dict[str, Any] = {"values": sorted(set(real)), "format": ",d"} if few else {"tickCount": 6}
    return {
        "shorthand": f"{field}:Q",
        "axis": alt.Axis(**_LOOK, **ticks),
        "scale": alt.Scale(type=kind, zero=False, nice=False, padding=14),
    }


def _lanes(table: RunTable, name: str, field: str) -> dict[str, Any]:
    lanes = [tick.label for tick in axis(table, name).ticks if tick.label != NO_VALUE]
    said = json.dumps(short_labels(lanes, 20))
    look = alt.Axis(**_LOOK, labelAngle=0, labelLimit=0, labelExpr=f"{said}[datum.value]")
    order = lanes if field == "x" else lanes[::-1]
    return {"shorthand": f"{field}:N", "sort": order, "axis": look, "scale": alt.Scale(type="point", padding=0.6)}
