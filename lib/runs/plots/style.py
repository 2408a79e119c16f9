"""What all pictures of runs share: the colours by role, who is picked, the ramp of a metric, the quiet frame. Pure.

More ink is better: the best run is the darkest (the lightest on a dark page). Picked runs are ink, told apart by their dash and
their letter. Names from a backend go into data and into JSON-quoted labels only, never into an expression as they are.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import direction, titled
from lib.runs.plots.axes import axis
from lib.runs.table.memo import remembered
from lib.runs.table.number_format import reals, short_labels
from lib.runs.table.run_table import METRIC, column, subset
from lib.runs.table.types import RunTable

Ink = Mapping[str, str]
"""Colours by role: ink, soft, hair, page, past, brush, ramp1 (worst) to ramp5 (best), and kind1 to kind6 for kinds without an order."""
LETTERS = "ABCD"
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3])
HEIGHT = 300
STEPS = 13
MOST_TINTED = 6
"""Experiments that have a colour of their own: more colours than six cannot be told apart by everybody."""
PICKED = "isValid(datum.letter)"


@dataclass(frozen=True)
class Look:
    """How runs look in every picture: the metric column that colours ("" for none), its range over all runs, who is picked, the ink.

    The range is that of the whole experiment, so that a run keeps its colour when a filter takes others away. `homes` are the names of
    the experiments where there are several; with the tint "experiment" they colour instead of the metric.
    """

    ink: Ink
    color: str = ""
    low: float | None = None
    high: float | None = None
    picked: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    tint: Literal["metric", "experiment"] = "metric"

    @property
    def tinted(self) -> tuple[str, ...]:
        """The experiments that have a colour of their own; none where a metric colours."""
        return self.homes[:MOST_TINTED] if self.tint == "experiment" else ()


def look(whole: RunTable, color: str, picked: Sequence[str], ink: Ink) -> Look:
    """The look that all pictures of these runs share."""
    low, high = _ends(whole, color) if color else (None, None)
    return Look(ink, color, low, high, tuple(picked))


@remembered
def _ends(table: RunTable, name: str) -> tuple[float | None, float | None]:
    """The smallest and the largest real number of a column."""
    real = reals(column(table, name))
    real = real[~np.isnan(real)]
    return (float(real.min()), float(real.max())) if len(real) else (None, None)


def sampled(table: RunTable, kept: Sequence[str], most: int) -> RunTable:
    """At most `most` runs: the `kept` ones and a sample of the others, which is the same each time and follows no order."""
    if len(table) <= most:
        return table
    wanted = set(kept)
    first = sorted(table.ids, key=lambda run_id: (run_id not in wanted, zlib.crc32(run_id[::-1].encode())))
    chosen = set(first[:most])
    return subset(table, [run_id for run_id in table.ids if run_id in chosen])


def lettered(chosen: alt.Chart, at: dict[str, Any], ink: Ink, ring: int = 130) -> list[alt.Chart]:
    """A ring of this size and a letter for each picked run, the letter with a halo."""
    style: dict[str, Any] = {"align": "left", "dx": 9, "dy": -7, "fontSize": 13, "fontWeight": 700}
    around = chosen.mark_point(filled=False, size=ring, strokeWidth=2, stroke=ink["ink"], opacity=1)
    halo = chosen.mark_text(**style, stroke=ink["page"], strokeWidth=4)
    letter = chosen.mark_text(**style, color=ink["ink"])
    return [around.encode(**at, strokeDash=dash()), halo.encode(**at, text="letter:N"), letter.encode(**at, text="letter:N")]


def heading(name: str) -> str:
    """A column as people read it: its name without the kind, a metric with its arrow."""
    short = name.removeprefix(METRIC)
    return titled(short) if name.startswith(METRIC) else name.partition(".")[2] or name


def frame(table: RunTable, by: Look) -> pd.DataFrame:
    """One row per run: run_id, run, letter (of a picked run), shade (the number that colours), shaded (as text).

    Where there are several experiments also home (the name of the run's own) and tint (its place among those that have a colour).
    """
    letters = dict(zip(by.picked, LETTERS, strict=False))
    shades = reals(column(table, by.color)) if by.color else [None] * len(table)
    made = pd.DataFrame(
        {
            "run_id": list(table.ids),
            "run": [name or run_id for run_id, name in table.identity.name.items()],
            "letter": [letters.get(run_id) for run_id in table.ids],
            "shade": pd.Series(shades, dtype="float64"),
            "shaded": list(axis(table, by.color).texts) if by.color else "",
        }
    )
    if not by.homes:
        return made
    homes, places = list(table.identity.experiment), {home: place for place, home in enumerate(by.tinted)}
    return made.assign(home=homes, tint=pd.Series([places.get(home) for home in homes], dtype="Int64"))


def who(by: Look) -> list[alt.Tooltip]:
    """How a tooltip begins: which run, and of which experiment where there are several."""
    return [alt.Tooltip("run:N", title="Run"), *([alt.Tooltip("home:N", title="Experiment")] if by.homes else [])]


def shade(by: Look, legend: Literal["legend", "no legend"]) -> Any:
    """Colour by a metric, for filled points with a legend; one flat colour where it has fewer than two values; gray for a run without it.

    Or by experiment, where the look says so.
    """
    if by.tinted:
        return _tinted(by, legend)
    if by.low is None or by.high is None or by.low == by.high:
        return alt.value(by.ink["ramp3"])
    title = short_labels([heading(by.color)], 20)[heading(by.color)]
    ramp = [by.ink[f"ramp{number}"] for number in range(1, 6)]
    turned = ramp[::-1] if direction(by.color.removeprefix(METRIC)) == "less" else ramp
    scale = alt.Scale(domain=[by.low, by.high], range=turned)
    by_value = alt.Color("shade:Q", title=title, scale=scale, legend=_legend(by.low, by.high) if legend == "legend" else None)
    return alt.when("isValid(datum.shade)").then(by_value).otherwise(alt.value(by.ink["past"]))


def _tinted(by: Look, legend: Literal["legend", "no legend"]) -> Any:
    """Colour by experiment. Names are cut in the middle, and no two read the same; experiments without a colour are gray."""
    short = short_labels(by.tinted, 22)
    said = json.dumps([short[name] for name in by.tinted])
    scale = alt.Scale(domain=list(range(len(by.tinted))), range=[by.ink[f"kind{n + 1}"] for n in range(len(by.tinted))])
    shown = alt.Legend(
        orient="right",
        symbolType="circle",
        symbolSize=90,
        symbolOpacity=1,
        symbolStrokeWidth=0,
        labelExpr=f"{said}[datum.value]",
        labelLimit=0,
    )
    by_home = alt.Color("tint:N", title="Experiment", scale=scale, legend=shown if legend == "legend" else None)
    return alt.when("isValid(datum.tint)").then(by_home).otherwise(alt.value(by.ink["past"]))


def _legend(low: float, high: float) -> alt.Legend:
    """The ramp in thirteen steps. Vega's own gradient is fixed to the page's address and goes white when that changes."""
    steps = [high - (high - low) * (step / (STEPS - 1)) for step in range(STEPS)]
    form = ".3f" if max(abs(low), abs(high)) <= 10 else "~s"
    return alt.Legend(
        type="symbol",
        orient="right",
        values=steps,
        symbolSize=14**2,
        symbolType="M-0.57,-1.05h1.14v2.1h-1.14z",
        symbolStrokeWidth=0,
        symbolOpacity=1,
        rowPadding=0,
        labelOffset=2,
        labelExpr=f"indexof({[steps[0], steps[STEPS // 2], steps[-1]]}, datum.value) < 0 ? '' : format(datum.value, '{form}')",
    )


def dash() -> alt.StrokeDash:
    """A solid, B dashed, C dotted, D dash-dotted."""
    return alt.StrokeDash("letter:N", legend=None, scale=alt.Scale(domain=list(LETTERS), range=list(DASHES)))


def quiet(layers: Sequence[Any], ink: Ink) -> alt.LayerChart:
    """The layers in one frame without a frame: hairlines, soft labels, no box."""
    drawn = alt.layer(*layers).resolve_scale(color="independent", strokeDash="independent")
    return (
        drawn.properties(height=HEIGHT, padding={"left": 0, "right": 4, "top": 2, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=ink["hair"],
            gridColor=ink["hair"],
            labelColor=ink["soft"],
            titleColor=ink["soft"],
            titleFontWeight="normal",
            labelFontSize=11,
            titleFontSize=11,
        )
        .configure_legend(labelColor=ink["soft"], titleColor=ink["soft"], labelFontSize=11, titleFontSize=11)
    )
