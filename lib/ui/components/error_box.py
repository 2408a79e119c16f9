"""The error box: what happened, what it means, what to do next. Shown where the error occurred, never over the page.

For a bug, a box shows an id; the traceback is logged under the same id.
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
    """Draw the box, with a link to Doctor or verification if relevant. Escapes all texts: they may contain names from the backend."""
    parts = [escape(part) for part in (error.what, error.means, error.next) if part]
    st.error(" ".join(parts), title=error.title, icon=":material/error:")
    if isinstance(error, LedgerBroken):
        page_link("Verify on the Audit page", "audit", icon="fingerprint", query={VERIFY_PARAMETER: "now"})
    if isinstance(error, BackendError):
        page_link("Open Doctor", "doctor", icon="stethoscope")


@contextmanager
def error_boundary() -> Iterator[None]:
    """Show a PodiumError raised inside as a box in place; any other exception propagates to the app frame."""
    try:
        yield
    except PodiumError as error:
        show_error(error)


_LOG = logging.getLogger("podium")


def show_crash_box(error: Exception) -> bool:
    """Draw the box instead of the exception, which Streamlit has already logged. Returns True so that Streamlit shows nothing itself."""
    if isinstance(error, PodiumError):
        show_error(error)
        return True
    error_id = secrets.token_hex(4)
    _LOG.error("error %s: %s, see the traceback above", error_id, type(error).__name__)
    st.error(
        f"This is a bug in Podium, not your mistake. Reload the page. If it happens again, report the id `{error_id}`; details are in the server log.",
        title="Something went wrong here",
        icon=":material/error:",
    )
    return True
