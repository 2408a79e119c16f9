"""Flash messages: the result of an action, shown once on the next run of a page. Each page has its own session key."""

from typing import Literal

import streamlit as st

FlashKind = Literal["success", "warning"]
COMPARE, RUN, MODELS, CORRECTION, SETTINGS = "compare.done", "run.done", "models.done", "audit.correct.done", "settings.done"


def set_flash(key: str, text: str, kind: FlashKind = "success") -> None:
    """Store a Markdown message for the next run of the page."""
    st.session_state[key] = (kind, text)


def show_flash(key: str) -> None:
    """Show and clear the message stored under this key."""
    kind, text = st.session_state.pop(key, ("success", ""))
    if text and kind == "success":
        st.success(text, icon=":material/check_circle:")
    elif text:
        st.warning(text, icon=":material/warning:")
