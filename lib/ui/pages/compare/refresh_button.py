"""How old the reading of Compare is and how many runs came since, told again every few seconds without drawing the page anew."""

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.reading.run_reader import newer
from lib.runs.table.types import EPOCH, RunTable
from lib.ui.app.session import now
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import ago
from lib.ui.pages.compare.again import read_again

EVERY = "15s"


@st.fragment(run_every=EVERY)
def age(here: Backend, whole: RunTable) -> None:
    """The age, the number of new runs, and the button that takes them in."""
    with calm():
        new = _new(here, whole)
        said = f"Read {ago(whole.read_at or now(), now())}{f' · **{new:,} new**' if new else ''}"
        if st.button(said, icon=":material/refresh:", type="tertiary", key="compare.again", help="Read again"):
            read_again()
            st.rerun()


def _new(here: Backend, whole: RunTable) -> int:
    """Runs that started after the newest one of the reading. Of deleted runs nobody can tell: they did not start just now."""
    if whole.search.state == "deleted":
        return 0
    newest = whole.identity.started.max() if len(whole) else EPOCH
    return newer(here, whole.search, pd.Timestamp(newest).to_pydatetime()) if pd.notna(newest) else 0
