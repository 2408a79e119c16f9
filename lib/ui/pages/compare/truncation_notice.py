"""What Compare says where only the newest runs were read: how many of how many, what the filter searched, and the way to more."""

import streamlit as st

from lib.runs.table.types import MAX_RUNS
from lib.ui.components.formatting import format_count
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import ViewState, update_url

LIMIT_FACTOR = 5
"""How many times as many runs the next reading takes."""


def show_truncation_notice(view: ViewState, result: SearchResult) -> None:
    """The sentence and the button; nothing where all runs were read."""
    if not result.newest_count:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[:material/info: {truncation_text(view, result)}]]", width="content")
        more = min(result.newest_count * LIMIT_FACTOR, result.all_runs.total or MAX_RUNS, MAX_RUNS)
        if more > result.newest_count:
            label = f"Read the newest {more:,}" if more != result.all_runs.total else f"Read all {more:,}"
            st.button(label, type="tertiary", key="compare.more", on_click=update_url, kwargs={"limit": str(more)})


def truncation_text(view: ViewState, result: SearchResult) -> str:
    """What is shown of how many, and what the conditions were held against."""
    matching, newest = result.filter_matches, result.newest_count
    every = f"all {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "all runs"
    if not view.filter.strip() or matching is None:
        of = f"of {format_count(result.all_runs.total, 'run')}" if result.all_runs.total else "runs; there are more"
        said = f"Showing the newest {newest:,} {of}. A filter searches all of them."
    elif matching.is_complete:
        said = f"The filter searched {every}, not only the newest {newest:,}."
    else:
        of = f"of {format_count(matching.total, 'run')} that it finds" if matching.total else "that it finds; there are more"
        said = f"The filter searched {every}. Showing the newest {len(matching):,} {of}."
    return said + (" What is set under Refine narrows these." if count_conditions(view) else "")
