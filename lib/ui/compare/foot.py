"""The line below every plot of Compare: what it leaves out, how to read it, and whether only the picked runs are drawn."""

import streamlit as st

from lib.runs.values import RunTable
from lib.ui.compare.view import View, bound, keep
from lib.ui.text import count


def capped(drawn: RunTable, runs: RunTable) -> str:
    """How many of the runs are drawn; nothing to say when all are."""
    return f"Showing the newest {len(drawn):,} of {count(len(runs), 'run')}." if len(drawn) < len(runs) else ""


def foot(view: View, notes: list[str]) -> None:
    """The notes in one line, empty ones left out."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        if len(view.pick) > 1:
            st.toggle("Only the picked runs", **(bound("only", bool(view.only)) | {"on_change": _only, "args": ()}))


def _only() -> None:
    keep(only="picked" if st.session_state["compare.only"] else "")
