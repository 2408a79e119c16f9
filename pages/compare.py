"""Compare: search, plot and list the runs of experiments, and compare picked runs side by side."""

from dataclasses import replace

import streamlit as st

from lib.runs.table.run_table import subset
from lib.ui.app.session import current_backend
from lib.ui.pages.compare import empty_states, metric_direction, queries
from lib.ui.pages.compare.plot_card import show_plot_card
from lib.ui.pages.compare.side_by_side import show_differences
from lib.ui.pages.compare.table import show_run_table, sorted_rows
from lib.ui.pages.compare.toolbar import show_header, show_toolbar
from lib.ui.pages.compare.view_state import resolve_view, update_url, view_from_url
from lib.ui.queries.runs import cached_experiments

# Choose
backend, requested_view = current_backend(), view_from_url()
with queries.keep_header_on_error():
    experiment_list = cached_experiments(backend)
    experiment_ids = tuple(experiment.experiment_id for experiment in experiment_list.select(requested_view.experiment))
    view = replace(requested_view, experiment=experiment_ids or (experiment_list.newest_id,) * bool(experiment_list.newest_id))
    statements = metric_direction.direction_statements(backend, experiment_list, view.experiment)
    result = queries.search_runs(backend, view, statements) if view.experiment else None
if result is None:
    empty_states.show_no_experiment()
    st.stop()
update_url(experiment=view.experiment)
view = resolve_view(view, result.all_runs)
show_header(backend, view, experiment_list, result)
empty_states.show_missing_experiments(requested_view, view, experiment_list)
show_toolbar(backend, view, experiment_list, result)
empty_states.show_missing_runs(requested_view, result)

# Look
if not len(result.all_runs):
    empty_states.show_no_run(backend, view)
    st.stop()
if not len(result.runs):
    empty_states.show_no_match(view)
    st.stop()
rows = sorted_rows(view, result.runs)
listed_run_ids = [row.run_id for row in rows]
show_plot_card(view, subset(result.runs, listed_run_ids), result.all_runs, experiment_list.names_by_id)
left, right = st.columns([13, 7], gap="medium")
with left:
    show_run_table(backend, view, result.runs, rows, experiment_list.names_by_id)

# Act: this page's action is in its header; the evidence for it is here
with right:
    show_differences(view, result.all_runs, listed_run_ids, experiment_list.names_by_id)
