"""Metric directions of a run: those set on its experiment, and the arrow button that sets them."""

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.direction_tags import OPTUNA_TAG, optuna_statements
from lib.runs.analysis.metric_direction import MetricDirections, order_metric_names
from lib.runs.reading.related_runs import ExperimentRef
from lib.runs.table.types import Run
from lib.ui.components import flash
from lib.ui.components.metric_direction_popover import DirectionScope, session_statements, show_direction_popover
from lib.ui.pages.run import queries
from lib.ui.queries.runs import cached_experiments


def run_directions(backend: Backend, run: Run, experiment_ref: ExperimentRef) -> MetricDirections:
    """Return the directions of the run's metrics from its tag, its experiment and this browser session."""
    own_statements = optuna_statements([(run.tags.get(OPTUNA_TAG, ""), tuple(run.metrics))])
    return MetricDirections((*own_statements, *experiment_ref.directions, *session_statements(backend, (run.experiment_id,))))


def show_direction_button(backend: Backend, run: Run, directions: MetricDirections, metric: str) -> None:
    """Show the arrow of the selected metric; it opens a popover that sets the direction of any metric of the experiment."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        scope = DirectionScope("run", backend, (run.experiment_id,), directions)
        show_direction_popover(scope, order_metric_names(run.metrics), metric, _on_change)
        st.caption("The direction of a metric applies to the entire experiment.")


def _on_change(text: str) -> None:
    queries.cached_experiment_ref.clear()
    cached_experiments.clear()
    if text:
        flash.set_flash(flash.RUN, text, "warning")
