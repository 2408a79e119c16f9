"""How old the reading of Compare is and how many runs came since, told again every few seconds without drawing the page anew."""

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.reading.run_reader import count_newer_runs
from lib.runs.table.types import EPOCH, RunTable
from lib.ui.app.session import now
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import format_age
from lib.ui.pages.compare.again import clear_run_caches

REFRESH_INTERVAL = "15s"


@st.fragment(run_every=REFRESH_INTERVAL)
def refresh_button(backend: Backend, all_runs: RunTable) -> None:
    """The age, the number of new runs, and the button that takes them in."""
    with error_boundary():
        new = _new(backend, all_runs)
        said = f"Read {format_age(all_runs.read_at or now(), now())}{f' · **{new:,} new**' if new else ''}"
        if st.button(said, icon=":material/refresh:", type="tertiary", key="compare.again", help="Read again"):
            clear_run_caches()
            st.rerun()


def _new(here: Backend, whole: RunTable) -> int:
    """Runs that started after the newest one of the reading. Of deleted runs nobody can tell: they did not start just now."""
    if whole.search.state == "deleted":
        return 0
    newest = whole.identity.started.max() if len(whole) else EPOCH
    return count_newer_runs(here, whole.search, pd.Timestamp(newest).to_pydatetime()) if pd.notna(newest) else 0
