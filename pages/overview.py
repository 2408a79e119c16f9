"""Overview: what is in Production, what ran, and what to do next. Its cards load in parallel."""

import streamlit as st

from lib.backends.quick_summary import read_quick_summary
from lib.runs.reading.latest_runs import read_latest_runs
from lib.ui.app.page_links import switch_page
from lib.ui.app.session import current_backend, now
from lib.ui.components.formatting import escape, format_recent_age
from lib.ui.components.layout import page_header
from lib.ui.pages.overview.cards import show_backend_checks, show_health, show_in_parallel, show_recent_runs
from lib.ui.pages.overview.first_steps import launch_wine_demo, show_first_steps
from lib.ui.pages.overview.models import show_champions, show_latest_entries, show_summary
from lib.ui.queries.registry import model_names

backend = current_backend()
runs, has_models = read_latest_runs(backend, 6), bool(model_names(backend))
is_new = not runs and not has_models
summary = read_quick_summary(backend) if is_new else None
age = f" · created {format_recent_age(summary.created, now())}" if summary and summary.created else ""

with page_header("Overview", f"{escape(backend.name)} · {escape(backend.label)}{age}"):
    if runs and st.button("Launch a demo", icon=":material/play_arrow:", key="overview.launch"):
        switch_page("launch")

if has_models:
    show_in_parallel(show_summary, backend)
else:
    st.space("small")
    show_first_steps(2 if runs else 1, lambda: launch_wine_demo(backend))
    st.space("xsmall")

if summary:
    show_backend_checks(summary.rows)
    st.stop()

left_column, right_column = st.columns([13, 7], gap="medium")
with left_column:
    if has_models:
        show_in_parallel(show_champions, backend, rows=6)
    show_recent_runs(runs)
with right_column:
    if has_models:
        show_in_parallel(show_latest_entries, backend, rows=6)
    show_in_parallel(show_health, backend, rows=7)
