"""The chart card of Compare: one plot of the runs, chosen by its name in the address."""

from collections.abc import Callable, Mapping

import streamlit as st

from lib.runs.table.types import RunTable
from lib.ui.components.layout import card, empty
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
from lib.ui.pages.compare.empty_states import to_launch
from lib.ui.pages.compare.plot_context import Scene, scene
from lib.ui.pages.compare.view_state import View, drawable, keep

Draw = Callable[[Scene], None]
"""Draws a plot, what stands around it, and its foot."""
PLOTS: Mapping[str, Draw] = {
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
ALONE = ("Curves", "Differences", "Artifacts")
"""Plots that have something to show of one run, or of runs that end alike."""


def chart(view: View, table: RunTable, whole: RunTable, names: Mapping[str, str]) -> None:
    """The plot that the address asks for. `names` are those of the experiments, by id."""
    drawn = scene(view, table, whole, names)
    with card(key="compare-chart"):
        if view.plot not in ALONE and not drawable(drawn.runs):
            _nothing_to_draw(view, table)
        else:
            PLOTS[view.plot](drawn)


def _nothing_to_draw(view: View, table: RunTable) -> None:
    if view.only:
        empty("scatter_plot", "Nothing differs between the picked runs", "They have the same parameters and the same metrics.")
        with st.container(horizontal_alignment="center"):
            st.button("Draw all runs", key="compare.draw_all", on_click=keep, kwargs={"only": ""})
    elif len(table) == 1:
        empty("scatter_plot", "One run has nothing to compare with", "Train a second one with other parameters.")
        to_launch("Start a demo", "secondary")
    else:
        empty("scatter_plot", "Nothing to draw yet", "These runs have no parameter or metric that differs.")
