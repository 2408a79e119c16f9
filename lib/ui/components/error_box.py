"""The one calm error box: what happened, what it means, what to do. It stands where the thing failed, never over the page.

For a bug there is a box with an id; the traceback goes to the log under the same id.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from lib.errors import BackendError, LedgerBroken, PodiumError
from lib.ui.app.page_links import VERIFY_PARAMETER, page_link
from lib.ui.components.formatting import escape


def show_error(error: PodiumError) -> None:
    """Draw the box; below it the way on: to the doctor, when the backend is at fault, to verify, when the record is. Every part of the error is foreign text, because names from the backend stand in it."""
    parts = [escape(part) for part in (error.what, error.means, error.next) if part]
    st.error(" ".join(parts), title=error.title, icon=":material/error:")
    if isinstance(error, LedgerBroken):
        page_link("Verify on the Audit page", "audit", icon="fingerprint", query={VERIFY_PARAMETER: "now"})
    if isinstance(error, BackendError):
        page_link("Open Doctor", "doctor", icon="stethoscope")


@contextmanager
def error_boundary() -> Iterator[None]:
    """Show a PodiumError raised inside as a box in this place; a bug goes on and reaches the frame."""
    try:
        yield
    except PodiumError as error:
        show_error(error)


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
