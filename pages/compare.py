"""Compare: the runs of one experiment, searched, drawn, listed, and the picked ones side by side."""

from dataclasses import replace

import streamlit as st

from lib.runs.table.run_table import subset
from lib.ui.app.session import current_backend
from lib.ui.pages.compare import empty_states, queries
from lib.ui.pages.compare.differences import show_differences
from lib.ui.pages.compare.plot_card import show_plot_card
from lib.ui.pages.compare.table import show_run_table, sorted_rows
from lib.ui.pages.compare.toolbar import show_header, show_toolbar
from lib.ui.pages.compare.view_state import resolve_view, update_url, view_from_url

# Choose
here, wish = current_backend(), view_from_url()
with queries.keep_header_on_error():
    catalogue = queries.cached_experiments(here)
    there = tuple(one.experiment_id for one in catalogue.select(wish.experiment))
    view = replace(wish, experiment=there or (catalogue.newest_id,) * bool(catalogue.newest_id))
    found = queries.search_runs(here, view) if view.experiment else None
if found is None:
    empty_states.show_no_experiment()
    st.stop()
update_url(experiment=view.experiment)
view = resolve_view(view, found.all_runs)
show_header(here, view, catalogue, found)
empty_states.show_missing_experiments(wish, view, catalogue)
show_toolbar(view, catalogue, found)
empty_states.show_missing_runs(wish, found)

# Look
if not len(found.all_runs):
    empty_states.show_no_run(view)
    st.stop()
if not len(found.runs):
    empty_states.show_no_match(view)
    st.stop()
rows = sorted_rows(view, found.runs)
listed = [line.run_id for line in rows]
show_plot_card(view, subset(found.runs, listed), found.all_runs, catalogue.names_by_id)
left, right = st.columns([13, 7], gap="medium")
with left:
    show_run_table(here, view, found.runs, rows, catalogue.names_by_id)

# Act: the deed of this page stands in its header, what it is decided by stands here
with right:
    show_differences(view, found.all_runs, listed, catalogue.names_by_id)
