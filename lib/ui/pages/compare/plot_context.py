"""The input of every Compare plot: the view, the runs to draw, all runs, and the shared run style."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lib.runs.plots.style import ChartStyle, chart_style
from lib.runs.table.run_table import subset, with_experiment_names
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.text import strip_invisible
from lib.ui.components.badges import chart_colors
from lib.ui.pages.compare.view_state import COLOR_BY_EXPERIMENT, has_flag


@dataclass(frozen=True)
class PlotContext:
    """`runs` are the matching or the picked runs; `all_runs` are all runs that were read."""

    view: ViewState
    runs: RunTable
    all_runs: RunTable
    style: ChartStyle


def runs_to_draw(view: ViewState, listed_runs: RunTable, all_runs: RunTable) -> RunTable:
    """Return the runs to draw: those in the table, or the picked ones even if the filter hides them."""
    return subset(all_runs, view.pick) if view.only and view.pick else listed_runs


def build_plot_context(
    view: ViewState, listed_runs: RunTable, all_runs: RunTable, experiment_names: Mapping[str, str]
) -> PlotContext:
    """Build the context of a view with the runs in the table, or the picked ones even if the filter hides them.

    With several experiments, runs carry the experiment name so that equal names stay distinct. `experiment_names` maps ids to names.
    """
    runs, style = runs_to_draw(view, listed_runs, all_runs), chart_style(all_runs, view.color, view.pick, chart_colors())
    if len(view.experiment) < 2:
        return PlotContext(view, runs, all_runs, style)
    experiment_labels = tuple(
        (experiment_id, strip_invisible(experiment_names.get(experiment_id, experiment_id))) for experiment_id in view.experiment
    )
    color_by: Literal["metric", "experiment"] = "experiment" if has_flag(view, COLOR_BY_EXPERIMENT) else "metric"
    style = replace(style, experiment_names=tuple(name for _, name in experiment_labels), color_by=color_by)
    return PlotContext(
        view, with_experiment_names(runs, experiment_labels), with_experiment_names(all_runs, experiment_labels), style
    )
