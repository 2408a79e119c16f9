"""The chart card of Compare: draws the plot named in the URL."""

from collections.abc import Callable, Mapping

import streamlit as st

from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.layout import card, show_empty_state
from lib.ui.pages.compare import (
    plot_artifacts,
    plot_box,
    plot_contour,
    plot_curves,
    plot_differences,
    plot_groups,
    plot_importance,
    plot_parallel,
    plot_scatter,
)
from lib.ui.pages.compare.empty_states import launch_button
from lib.ui.pages.compare.plot_context import PlotContext, build_plot_context
from lib.ui.pages.compare.view_state import plottable_columns, update_url

PlotFunction = Callable[[PlotContext], None]
"""Draws a plot with its controls and footer."""
PLOT_FUNCTIONS: Mapping[str, PlotFunction] = {
    "Parallel": plot_parallel.draw,
    "Scatter": plot_scatter.draw,
    "Box": plot_box.draw,
    "Contour": plot_contour.draw,
    "Curves": plot_curves.draw,
    "Groups": plot_groups.draw,
    "Importance": plot_importance.draw,
    "Differences": plot_differences.draw,
    "Artifacts": plot_artifacts.draw,
}
PLOTS_OF_ONE_RUN = ("Curves", "Differences", "Artifacts")
"""Plots that work for a single run or for runs with identical final values."""


def show_plot_card(view: ViewState, listed_runs: RunTable, all_runs: RunTable, experiment_names: Mapping[str, str]) -> None:
    """Draw the plot that the URL requests. `experiment_names` maps ids to names."""
    context = build_plot_context(view, listed_runs, all_runs, experiment_names)
    with card(key="compare-chart"):
        if view.plot not in PLOTS_OF_ONE_RUN and not plottable_columns(context.runs):
            _show_nothing_to_draw(view, listed_runs)
        else:
            PLOT_FUNCTIONS[view.plot](context)


def _show_nothing_to_draw(view: ViewState, table: RunTable) -> None:
    if view.only:
        show_empty_state("scatter_plot", "The picked runs do not differ", "They have the same parameters and metrics.")
        with st.container(horizontal_alignment="center"):
            st.button("Draw all runs", key="compare.draw_all", on_click=update_url, kwargs={"only": ""})
    elif len(table) == 1:
        show_empty_state("scatter_plot", "Only one run to show", "Log a second run with other parameters to compare.")
        launch_button("Start a demo", "secondary")
    else:
        show_empty_state("scatter_plot", "Nothing to plot yet", "No parameter or metric differs between these runs.")
