"""What a person sees when Podium has a bug: one calm box with an id. The traceback goes to the log under the same id."""

import logging
import secrets

import streamlit as st

from lib.errors import PodiumError
from lib.ui.components.error_box import show_error

_LOG = logging.getLogger("podium")


def show_crash_box(error: Exception) -> bool:
    """Draw the box in place of the exception, which Streamlit has logged already. True: Streamlit shows nothing itself."""
    if isinstance(error, PodiumError):
        show_error(error)
        return True
    error_id = secrets.token_hex(4)
    _LOG.error("error %s: %s, see the traceback above", error_id, type(error).__name__)
    st.error(
        f"This is a fault in Podium, not in what you did. Reload the page; if it comes back, report id `{error_id}`, which stands in the server's log.",
        title="Something went wrong here",
        icon=":material/error:",
    )
    return True
