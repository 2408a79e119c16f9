"""What Compare says where only the newest runs were read: how many of how many, what the filter searched, and the way to more."""

import streamlit as st

from lib.runs.table.types import MOST_RUNS
from lib.ui.components.formatting import count
from lib.ui.pages.compare.filter_panel import how_many
from lib.ui.pages.compare.queries import Found
from lib.ui.pages.compare.view_state import View, keep

MORE = 5
"""How many times as many runs the next reading takes."""


def cut(view: View, found: Found) -> None:
    """The sentence and the button; nothing where all runs were read."""
    if not found.newest:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[:material/info: {told(view, found)}]]", width="content")
        more = min(found.newest * MORE, found.whole.total or MOST_RUNS, MOST_RUNS)
        if more > found.newest:
            label = f"Read the newest {more:,}" if more != found.whole.total else f"Read all {more:,}"
            st.button(label, type="tertiary", key="compare.more", on_click=keep, kwargs={"limit": str(more)})


def told(view: View, found: Found) -> str:
    """What is shown of how many, and what the conditions were held against."""
    matching, newest = found.matching, found.newest
    every = f"all {count(found.whole.total, 'run')}" if found.whole.total else "all runs"
    if not view.filter.strip() or matching is None:
        of = f"of {count(found.whole.total, 'run')}" if found.whole.total else "runs; there are more"
        said = f"Showing the newest {newest:,} {of}. A filter searches all of them."
    elif matching.is_whole:
        said = f"The filter searched {every}, not only the newest {newest:,}."
    else:
        of = f"of {count(matching.total, 'run')} that it finds" if matching.total else "that it finds; there are more"
        said = f"The filter searched {every}. Showing the newest {len(matching):,} {of}."
    return said + (" What is set under Refine narrows these." if how_many(view) else "")
