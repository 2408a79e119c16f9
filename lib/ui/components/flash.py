"""A flash message: how an action ended, shown once, at the next run of a page. Each page has its own key in the session."""

from typing import Literal

import streamlit as st

FlashKind = Literal["success", "warning"]
COMPARE, RUN, MODELS, CORRECTION, SETTINGS = "compare.done", "run.done", "models.done", "audit.correct.done", "settings.done"


def set_flash(key: str, text: str, kind: FlashKind = "success") -> None:
    """Remember a message, as Markdown, for the next run of the page."""
    st.session_state[key] = (kind, text)


def show_flash(key: str) -> None:
    """Show the message that waits under this key, once."""
    kind, text = st.session_state.pop(key, ("success", ""))
    if text and kind == "success":
        st.success(text, icon=":material/check_circle:")
    elif text:
        st.warning(text, icon=":material/warning:")
