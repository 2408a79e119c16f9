"""Metric directions in Compare: those set on its experiments, and the arrow button next to the colour metric."""

from collections.abc import Sequence

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import DirectionStatement
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, metric_columns
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components import flash
from lib.ui.components.metric_direction_popover import (
    DirectionScope,
    popover_key,
    session_statements,
    show_direction_popover,
)
from lib.ui.queries.runs import ExperimentList, cached_experiments

PAGE = "compare"


def direction_statements(
    backend: Backend, experiment_list: ExperimentList, experiment_ids: Sequence[str]
) -> tuple[DirectionStatement, ...]:
    """Return the directions from the tags of these experiments and from this browser session."""
    of_experiments = (statement for experiment in experiment_list.select(experiment_ids) for statement in experiment.directions)
    return (*of_experiments, *session_statements(backend, experiment_ids))


def show_direction_button(backend: Backend, view: ViewState, all_runs: RunTable) -> None:
    """Show the arrow of the colour metric; it opens a popover that sets the direction of any metric."""
    metrics = [name.removeprefix(METRIC_PREFIX) for name in metric_columns(all_runs)]
    if view.color and metrics:
        scope = DirectionScope(PAGE, backend, view.experiment, all_runs.directions)
        show_direction_popover(scope, metrics, view.color.removeprefix(METRIC_PREFIX), _on_change)


def _on_change(text: str) -> None:
    cached_experiments.clear()
    if text:
        flash.set_flash(flash.COMPARE, text, "warning")


def is_unknown(view: ViewState, table: RunTable) -> bool:
    """Return whether the colour metric has no known direction."""
    return bool(view.color) and column_direction(table, view.color) == "neither"


def ask_direction() -> None:
    """Open the direction popover. Call from a callback."""
    st.session_state[popover_key(PAGE)] = True
