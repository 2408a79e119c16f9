"""What all pictures of runs share: the colours by role, who is picked, the ramp of a metric, the quiet frame. Pure.

More ink is better: the best run is the darkest (the lightest on a dark page). Picked runs are ink, told apart by their dash and
their letter. Names from a backend go into data and into JSON-quoted labels only, never into an expression as they are.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import metric_direction, metric_title
from lib.runs.plots.axes import build_axis
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.number_format import finite_numbers, short_labels
from lib.runs.table.run_table import METRIC_PREFIX, column_values, subset
from lib.runs.table.types import RunTable
from lib.theme import ChartColors

LETTERS = "ABCD"
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3])
HEIGHT = 300
LEGEND_STEPS = 13
MAX_COLORED_EXPERIMENTS = 6
"""Experiments that have a colour of their own: more colours than six cannot be told apart by everybody."""
IS_SELECTED_EXPR = "isValid(datum.letter)"


@dataclass(frozen=True)
class ChartStyle:
    """How runs look in every picture: the metric column that colours ("" for none), its range over all runs, who is picked, the ink.

    The range is that of the whole experiment, so that a run keeps its colour when a filter takes others away. `homes` are the names of
    the experiments where there are several; with the tint "experiment" they colour instead of the metric.
    """

    colors: ChartColors
    color_column: str = ""
    color_low: float | None = None
    color_high: float | None = None
    selected_run_ids: tuple[str, ...] = ()
    experiment_names: tuple[str, ...] = ()
    color_by: Literal["metric", "experiment"] = "metric"

    @property
    def colored_experiments(self) -> tuple[str, ...]:
        """The experiments that have a colour of their own; none where a metric colours."""
        return self.experiment_names[:MAX_COLORED_EXPERIMENTS] if self.color_by == "experiment" else ()


def chart_style(all_runs: RunTable, color_column: str, selected_run_ids: Sequence[str], colors: ChartColors) -> ChartStyle:
    """The look that all pictures of these runs share."""
    low, high = _ends(all_runs, color_column) if color_column else (None, None)
    return ChartStyle(colors, color_column, low, high, tuple(selected_run_ids))


@memoize_by_table
def _ends(table: RunTable, name: str) -> tuple[float | None, float | None]:
    """The smallest and the largest real number of a column."""
    real = finite_numbers(column_values(table, name))
    real = real[~np.isnan(real)]
    return (float(real.min()), float(real.max())) if len(real) else (None, None)


def sample_runs(table: RunTable, required_run_ids: Sequence[str], max_runs: int) -> RunTable:
    """At most `most` runs: the `kept` ones and a sample of the others, which is the same each time and follows no order."""
    if len(table) <= max_runs:
        return table
    wanted = set(required_run_ids)
    first = sorted(table.ids, key=lambda run_id: (run_id not in wanted, zlib.crc32(run_id[::-1].encode())))
    chosen = set(first[:max_runs])
    return subset(table, [run_id for run_id in table.ids if run_id in chosen])


def letter_layers(
    selected_points: alt.Chart, encoding: dict[str, Any], colors: ChartColors, ring_size: int = 130
) -> list[alt.Chart]:
    """A ring of this size and a letter for each picked run, the letter with a halo."""
    style: dict[str, Any] = {"align": "left", "dx": 9, "dy": -7, "fontSize": 13, "fontWeight": 700}
    around = selected_points.mark_point(filled=False, size=ring_size, strokeWidth=2, stroke=colors["ink"], opacity=1)
    halo = selected_points.mark_text(**style, stroke=colors["page"], strokeWidth=4)
    letter = selected_points.mark_text(**style, color=colors["ink"])
    return [
        around.encode(**encoding, strokeDash=dash_encoding()),
        halo.encode(**encoding, text="letter:N"),
        letter.encode(**encoding, text="letter:N"),
    ]


def column_title(name: str) -> str:
    """A column as people read it: its name without the kind, a metric with its arrow."""
    short = name.removeprefix(METRIC_PREFIX)
    return metric_title(short) if name.startswith(METRIC_PREFIX) else name.partition(".")[2] or name


def y_title(column_name: str, colors: ChartColors, limit: Any = alt.Undefined) -> alt.TitleParams:
    """The title of the vertical axis, above the plot; `limit` is its greatest width in pixels."""
    return alt.TitleParams(
        column_title(column_name), anchor="start", fontSize=11, fontWeight="normal", color=colors["soft"], offset=8, limit=limit
    )


def chart_data(table: RunTable, style: ChartStyle) -> pd.DataFrame:
    """One row per run: run_id, run, letter (of a picked run), shade (the number that colours), shaded (as text).

    Where there are several experiments also home (the name of the run's own) and tint (its place among those that have a colour).
    """
    letters = dict(zip(style.selected_run_ids, LETTERS, strict=False))
    shades = finite_numbers(column_values(table, style.color_column)) if style.color_column else [None] * len(table)
    made = pd.DataFrame(
        {
            "run_id": list(table.ids),
            "run": [name or run_id for run_id, name in table.identity.name.items()],
            "letter": [letters.get(run_id) for run_id in table.ids],
            "shade": pd.Series(shades, dtype="float64"),
            "shaded": list(build_axis(table, style.color_column).texts) if style.color_column else "",
        }
    )
    if not style.experiment_names:
        return made
    homes, places = list(table.identity.experiment), {home: place for place, home in enumerate(style.colored_experiments)}
    return made.assign(home=homes, tint=pd.Series([places.get(home) for home in homes], dtype="Int64"))


def run_tooltips(style: ChartStyle) -> list[alt.Tooltip]:
    """How a tooltip begins: which run, and of which experiment where there are several."""
    return [alt.Tooltip("run:N", title="Run"), *([alt.Tooltip("home:N", title="Experiment")] if style.experiment_names else [])]


def color_encoding(style: ChartStyle, legend: Literal["legend", "no legend"]) -> Any:
    """Colour by a metric, for filled points with a legend; one flat colour where it has fewer than two values; gray for a run without it.

    Or by experiment, where the look says so.
    """
    if style.colored_experiments:
        return _tinted(style, legend)
    if style.color_low is None or style.color_high is None or style.color_low == style.color_high:
        return alt.value(style.colors["ramp3"])
    title = short_labels([column_title(style.color_column)], 20)[column_title(style.color_column)]
    ramp = [style.colors[f"ramp{number}"] for number in range(1, 6)]
    turned = ramp[::-1] if metric_direction(style.color_column.removeprefix(METRIC_PREFIX)) == "less" else ramp
    scale = alt.Scale(domain=[style.color_low, style.color_high], range=turned)
    by_value = alt.Color(
        "shade:Q", title=title, scale=scale, legend=_legend(style.color_low, style.color_high) if legend == "legend" else None
    )
    return alt.when("isValid(datum.shade)").then(by_value).otherwise(alt.value(style.colors["past"]))


def _tinted(by: ChartStyle, legend: Literal["legend", "no legend"]) -> Any:
    """Colour by experiment. Names are cut in the middle, and no two read the same; experiments without a colour are gray."""
    short = short_labels(by.colored_experiments, 22)
    said = json.dumps([short[name] for name in by.colored_experiments])
    scale = alt.Scale(
        domain=list(range(len(by.colored_experiments))),
        range=[by.colors[f"kind{n + 1}"] for n in range(len(by.colored_experiments))],
    )
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
    return alt.when("isValid(datum.tint)").then(by_home).otherwise(alt.value(by.colors["past"]))


def _legend(low: float, high: float) -> alt.Legend:
    """The ramp in thirteen steps. Vega's own gradient is fixed to the page's address and goes white when that changes."""
    steps = [high - (high - low) * (step / (LEGEND_STEPS - 1)) for step in range(LEGEND_STEPS)]
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
        labelExpr=f"indexof({[steps[0], steps[LEGEND_STEPS // 2], steps[-1]]}, datum.value) < 0 ? '' : format(datum.value, '{form}')",
    )


def dash_encoding() -> alt.StrokeDash:
    """A solid, B dashed, C dotted, D dash-dotted."""
    return alt.StrokeDash("letter:N", legend=None, scale=alt.Scale(domain=list(LETTERS), range=list(DASHES)))


def combine_layers(layers: Sequence[Any], colors: ChartColors) -> alt.LayerChart:
    """The layers in one frame without a frame: hairlines, soft labels, no box."""
    drawn = alt.layer(*layers).resolve_scale(color="independent", strokeDash="independent")
    return (
        drawn.properties(height=HEIGHT, padding={"left": 0, "right": 4, "top": 2, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=colors["hair"],
            gridColor=colors["hair"],
            labelColor=colors["soft"],
            titleColor=colors["soft"],
            titleFontWeight="normal",
            labelFontSize=11,
            titleFontSize=11,
        )
        .configure_legend(labelColor=colors["soft"], titleColor=colors["soft"], labelFontSize=11, titleFontSize=11)
    )
