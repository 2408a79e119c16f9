"""How a deed on Compare ended: said once, at the next run of the page."""

import streamlit as st

DONE = "compare.done"


def done(text: str) -> None:
    """Remember what was done, as Markdown, for the next run of the page."""
    st.session_state[DONE] = text


def show_done() -> None:
    """Say it once."""
    if text := st.session_state.pop(DONE, ""):
        st.success(text, icon=":material/check_circle:")
