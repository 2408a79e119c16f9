"""Compare's read status: age of the data, truncation, and problems with the filter."""

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.reading.run_reader import count_newer_runs
from lib.runs.table.types import EPOCH, MAX_RUNS, RunTable
from lib.runs.table.view import ViewState
from lib.ui.app.session import now
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_age, format_count
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import update_url
from lib.ui.queries.runs import clear_run_caches

REFRESH_INTERVAL = "15s"
LIMIT_FACTOR = 5
"""Factor by which "Read the newest …" raises the limit."""


@st.fragment(run_every=REFRESH_INTERVAL)
def refresh_button(backend: Backend, all_runs: RunTable) -> None:
    """Show the age of the data and the number of new runs on a refresh button. Redraws itself every few seconds."""
    with error_boundary():
        new_count = _count_new_runs(backend, all_runs)
        label = f"Read {format_age(all_runs.read_at or now(), now())}{f' · **{new_count:,} new**' if new_count else ''}"
        if st.button(label, icon=":material/refresh:", type="tertiary", key="compare.again", help="Refresh"):
            clear_run_caches()
            st.rerun()


def _count_new_runs(backend: Backend, all_runs: RunTable) -> int:
    """Return the number of runs started after the newest one in the table; 0 for deleted runs, which have not just started."""
    if all_runs.search.state == "deleted":
        return 0
    newest = all_runs.identity.started.max() if len(all_runs) else EPOCH
    return count_newer_runs(backend, all_runs.search, pd.Timestamp(newest).to_pydatetime()) if pd.notna(newest) else 0


def show_truncation_notice(view: ViewState, result: SearchResult) -> None:
    """Show how many runs were read and a button to read more; nothing if all were read."""
    if not result.newest_count:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[:material/info: {_truncation_text(view, result)}]]", width="content")
        limit = min(result.newest_count * LIMIT_FACTOR, result.all_runs.total or MAX_RUNS, MAX_RUNS)
        if limit > result.newest_count:
            label = f"Read the newest {limit:,}" if limit != result.all_runs.total else f"Read all {limit:,}"
            st.button(label, type="tertiary", key="compare.more", on_click=update_url, kwargs={"limit": str(limit)})


def _truncation_text(view: ViewState, result: SearchResult) -> str:
    """Return how many runs are shown and which of them the filter searched."""
    matching, newest = result.filter_matches, result.newest_count
    all_text = f"all {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "all runs"
    if matching is None or not matching.search.filter.text:
        total_text = f"of {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "runs; there are more"
        text = f"Showing the newest {newest:,} {total_text}. Filters search all of them."
    elif matching.is_complete:
        text = f"The filter searched {all_text}, not only the newest {newest:,}."
    else:
        total_text = f"of {format_count(matching.total, 'matching run')}" if matching.total else "matching runs; there are more"
        text = f"The filter searched {all_text}. Showing the newest {len(matching):,} {total_text}."
    return text + (" Conditions under Refine apply to these runs only." if count_conditions(view) else "")


def show_filter_messages(result: SearchResult) -> None:
    """Show problems with the filter and unknown names as notes: a half-typed filter is not an error."""
    if result.problem:
        parts = " ".join(escape(part) for part in (result.problem.what, result.problem.means, result.problem.next))
        st.markdown(f":small[:orange[:material/info: {parts}]]")
    for note in result.notes:
        st.markdown(f":small[:orange[:material/info: {escape(note)}]]")
