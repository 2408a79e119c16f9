"""Common style of all run plots: colours by role, selected runs, the colour ramp of a metric, the plain frame. Pure.

More ink is better: the best run is the darkest (the lightest on a dark page). Selected runs are ink, each with a dash pattern and a
letter. Names from a backend are used in data and JSON-quoted labels only, never unquoted in an expression.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from lib.runs.analysis.metric_direction import NO_STATEMENTS, MetricDirections
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
"""Maximum experiments with a colour of their own: not everyone can distinguish more than six."""
IS_SELECTED_EXPR = "isValid(datum.letter)"


@dataclass(frozen=True)
class ChartStyle:
    """How runs look in every plot: the colour metric ("" for none), its range over all runs, the selected runs, the colours.

    The range covers the complete experiment, so a run keeps its colour when a filter removes others. `experiment_names` are set for several
    experiments. `directions` are the metrics' directions. With `color_by` "experiment" the experiment sets the colour, not the metric.
    """

    colors: ChartColors
    color_column: str = ""
    color_low: float | None = None
    color_high: float | None = None
    selected_run_ids: tuple[str, ...] = ()
    experiment_names: tuple[str, ...] = ()
    directions: MetricDirections = NO_STATEMENTS
    color_by: Literal["metric", "experiment"] = "metric"

    @property
    def colored_experiments(self) -> tuple[str, ...]:
        """The experiments with a colour of their own; none if a metric sets the colour."""
        return self.experiment_names[:MAX_COLORED_EXPERIMENTS] if self.color_by == "experiment" else ()


def chart_style(all_runs: RunTable, color_column: str, selected_run_ids: Sequence[str], colors: ChartColors) -> ChartStyle:
    """Return the common style for all plots of these runs."""
    low, high = _finite_range(all_runs, color_column) if color_column else (None, None)
    return ChartStyle(colors, color_column, low, high, tuple(selected_run_ids), directions=all_runs.directions)


@memoize_by_table
def _finite_range(table: RunTable, name: str) -> tuple[float | None, float | None]:
    """Return the smallest and largest finite number of a column."""
    numbers = finite_numbers(column_values(table, name))
    numbers = numbers[~np.isnan(numbers)]
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)


def sample_runs(table: RunTable, required_run_ids: Sequence[str], max_runs: int) -> RunTable:
    """Return at most `max_runs` runs: the required ones and a reproducible, unordered sample of the others."""
    if len(table) <= max_runs:
        return table
    required = set(required_run_ids)
    ordered_ids = sorted(table.ids, key=lambda run_id: (run_id not in required, zlib.crc32(run_id[::-1].encode())))
    sampled_ids = set(ordered_ids[:max_runs])
    return subset(table, [run_id for run_id in table.ids if run_id in sampled_ids])


def letter_layers(
    selected_points: alt.Chart, encoding: dict[str, Any], colors: ChartColors, ring_size: int = 130
) -> list[alt.Chart]:
    """Return a ring of this size and a letter with a halo for each selected run."""
    text_options: dict[str, Any] = {"align": "left", "dx": 9, "dy": -7, "fontSize": 13, "fontWeight": 700}
    ring = selected_points.mark_point(filled=False, size=ring_size, strokeWidth=2, stroke=colors["ink"], opacity=1)
    halo = selected_points.mark_text(**text_options, stroke=colors["page"], strokeWidth=4)
    letter = selected_points.mark_text(**text_options, color=colors["ink"])
    return [
        ring.encode(**encoding, strokeDash=dash_encoding()),
        halo.encode(**encoding, text="letter:N"),
        letter.encode(**encoding, text="letter:N"),
    ]


def column_title(name: str, directions: MetricDirections) -> str:
    """Return the display title of a column: its name without the kind, a metric with its arrow."""
    metric = name.removeprefix(METRIC_PREFIX)
    return directions.title(metric) if name.startswith(METRIC_PREFIX) else name.partition(".")[2] or name


def y_title(column_name: str, style: ChartStyle, limit: Any = alt.Undefined) -> alt.TitleParams:
    """Return the title of the vertical axis, above the plot; `limit` is its maximum width in pixels."""
    return alt.TitleParams(
        column_title(column_name, style.directions),
        anchor="start",
        fontSize=11,
        fontWeight="normal",
        color=style.colors["soft"],
        offset=8,
        limit=limit,
    )


def chart_data(table: RunTable, style: ChartStyle) -> pd.DataFrame:
    """Return one row per run: run_id, run, letter (of a selected run), shade (the colour value), shaded (the same as text).

    For several experiments also home (the name of the run's experiment) and tint (its index among those with a colour).
    """
    letters = dict(zip(style.selected_run_ids, LETTERS, strict=False))
    shades = finite_numbers(column_values(table, style.color_column)) if style.color_column else [None] * len(table)
    data = pd.DataFrame(
        {
            "run_id": list(table.ids),
            "run": [name or run_id for run_id, name in table.identity.name.items()],
            "letter": [letters.get(run_id) for run_id in table.ids],
            "shade": pd.Series(shades, dtype="float64"),
            "shaded": list(build_axis(table, style.color_column).texts) if style.color_column else "",
        }
    )
    if not style.experiment_names:
        return data
    experiments = list(table.identity.experiment)
    color_index = {experiment: index for index, experiment in enumerate(style.colored_experiments)}
    return data.assign(
        home=experiments, tint=pd.Series([color_index.get(experiment) for experiment in experiments], dtype="Int64")
    )


def run_tooltips(style: ChartStyle) -> list[alt.Tooltip]:
    """Return the first tooltip fields: the run, and its experiment if there are several."""
    return [alt.Tooltip("run:N", title="Run"), *([alt.Tooltip("home:N", title="Experiment")] if style.experiment_names else [])]


def color_encoding(style: ChartStyle, legend: Literal["legend", "no legend"]) -> Any:
    """Return the colour by metric, with a legend for filled points; a flat colour for fewer than two values; gray for runs without it.

    Colour by experiment if the style requires it.
    """
    if style.colored_experiments:
        return _experiment_color(style, legend)
    if style.color_low is None or style.color_high is None or style.color_low == style.color_high:
        return alt.value(style.colors["ramp3"])
    color_title = column_title(style.color_column, style.directions)
    title = short_labels([color_title], 20)[color_title]
    ramp = [style.colors[f"ramp{number}"] for number in range(1, 6)]
    color_range = ramp[::-1] if style.directions.of(style.color_column.removeprefix(METRIC_PREFIX)) == "less" else ramp
    scale = alt.Scale(domain=[style.color_low, style.color_high], range=color_range)
    by_value = alt.Color(
        "shade:Q",
        title=title,
        scale=scale,
        legend=_ramp_legend(style.color_low, style.color_high) if legend == "legend" else None,
    )
    return alt.when("isValid(datum.shade)").then(by_value).otherwise(alt.value(style.colors["past"]))


def _experiment_color(style: ChartStyle, legend: Literal["legend", "no legend"]) -> Any:
    """Return the colour by experiment. Names are shortened in the middle but stay unique; experiments without a colour are gray."""
    labels = short_labels(style.colored_experiments, 22)
    label_texts = json.dumps([labels[name] for name in style.colored_experiments])
    scale = alt.Scale(
        domain=list(range(len(style.colored_experiments))),
        range=[style.colors[f"kind{index + 1}"] for index in range(len(style.colored_experiments))],
    )
    experiment_legend = alt.Legend(
        orient="right",
        symbolType="circle",
        symbolSize=90,
        symbolOpacity=1,
        symbolStrokeWidth=0,
        labelExpr=f"{label_texts}[datum.value]",
        labelLimit=0,
    )
    by_experiment = alt.Color("tint:N", title="Experiment", scale=scale, legend=experiment_legend if legend == "legend" else None)
    return alt.when("isValid(datum.tint)").then(by_experiment).otherwise(alt.value(style.colors["past"]))


def _ramp_legend(low: float, high: float) -> alt.Legend:
    """Return the ramp in thirteen steps. Vega's own gradient is bound to the page address and turns white when that changes."""
    steps = [high - (high - low) * (step / (LEGEND_STEPS - 1)) for step in range(LEGEND_STEPS)]
    number_format = ".3f" if max(abs(low), abs(high)) <= 10 else "~s"
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
        labelExpr=f"indexof({[steps[0], steps[LEGEND_STEPS // 2], steps[-1]]}, datum.value) < 0 ? '' : format(datum.value, '{number_format}')",
    )


def dash_encoding() -> alt.StrokeDash:
    """Return the dash patterns: A solid, B dashed, C dotted, D dash-dotted."""
    return alt.StrokeDash("letter:N", legend=None, scale=alt.Scale(domain=list(LETTERS), range=list(DASHES)))


def combine_layers(layers: Sequence[Any], colors: ChartColors) -> alt.LayerChart:
    """Combine the layers in a plain frame: hairlines, soft labels, no box."""
    chart = alt.layer(*layers).resolve_scale(color="independent", strokeDash="independent")
    return (
        chart.properties(height=HEIGHT, padding={"left": 0, "right": 4, "top": 2, "bottom": 5})
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
