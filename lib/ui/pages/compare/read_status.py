"""What Compare says about what it read: how old it is, how many runs of how many, and what is wrong with the filter."""

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.reading.run_reader import count_newer_runs
from lib.runs.table.types import EPOCH, MAX_RUNS, RunTable
from lib.ui.app.session import now
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_age, format_count
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import ViewState, update_url
from lib.ui.queries.runs import clear_run_caches

REFRESH_INTERVAL = "15s"
LIMIT_FACTOR = 5
"""How many times as many runs the next reading takes."""


@st.fragment(run_every=REFRESH_INTERVAL)
def refresh_button(backend: Backend, all_runs: RunTable) -> None:
    """The age, the number of new runs, and the button that takes them in. Redrawn every few seconds without the rest of the page."""
    with error_boundary():
        new_count = _count_new_runs(backend, all_runs)
        label = f"Read {format_age(all_runs.read_at or now(), now())}{f' · **{new_count:,} new**' if new_count else ''}"
        if st.button(label, icon=":material/refresh:", type="tertiary", key="compare.again", help="Read again"):
            clear_run_caches()
            st.rerun()


def _count_new_runs(backend: Backend, all_runs: RunTable) -> int:
    """Runs that started after the newest one of the table. None for deleted runs: they did not start just now."""
    if all_runs.search.state == "deleted":
        return 0
    newest = all_runs.identity.started.max() if len(all_runs) else EPOCH
    return count_newer_runs(backend, all_runs.search, pd.Timestamp(newest).to_pydatetime()) if pd.notna(newest) else 0


def show_truncation_notice(view: ViewState, result: SearchResult) -> None:
    """How many runs were read, and the button that reads more; nothing where all were read."""
    if not result.newest_count:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[:material/info: {_truncation_text(view, result)}]]", width="content")
        limit = min(result.newest_count * LIMIT_FACTOR, result.all_runs.total or MAX_RUNS, MAX_RUNS)
        if limit > result.newest_count:
            label = f"Read the newest {limit:,}" if limit != result.all_runs.total else f"Read all {limit:,}"
            st.button(label, type="tertiary", key="compare.more", on_click=update_url, kwargs={"limit": str(limit)})


def _truncation_text(view: ViewState, result: SearchResult) -> str:
    """How many runs are shown of how many, and which of them the filter searched."""
    matching, newest = result.filter_matches, result.newest_count
    all_text = f"all {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "all runs"
    if not view.filter.strip() or matching is None:
        total_text = f"of {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "runs; there are more"
        text = f"Showing the newest {newest:,} {total_text}. A filter searches all of them."
    elif matching.is_complete:
        text = f"The filter searched {all_text}, not only the newest {newest:,}."
    else:
        total_text = (
            f"of {format_count(matching.total, 'run')} that it finds" if matching.total else "that it finds; there are more"
        )
        text = f"The filter searched {all_text}. Showing the newest {len(matching):,} {total_text}."
    return text + (" What is set under Refine narrows these." if count_conditions(view) else "")


def show_filter_messages(result: SearchResult) -> None:
    """What is wrong with the filter, or which of its names no run has. Calm: a half-typed filter is no failure."""
    if result.problem:
        parts = " ".join(escape(part) for part in (result.problem.what, result.problem.means, result.problem.next))
        st.markdown(f":small[:orange[:material/info: {parts}]]")
    for note in result.notes:
        st.markdown(f":small[:orange[:material/info: {escape(note)}]]")
