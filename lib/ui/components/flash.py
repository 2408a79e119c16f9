"""How a deed on Compare ended: said once, at the next run of the page."""

import streamlit as st

FLASH_KEY = "compare.done"


def set_flash(text: str) -> None:
    """Remember what was done, as Markdown, for the next run of the page."""
    st.session_state[FLASH_KEY] = text


def show_flash() -> None:
    """Say it once."""
    if text := st.session_state.pop(FLASH_KEY, ""):
        st.success(text, icon=":material/check_circle:")
