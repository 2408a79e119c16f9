"""The one calm error box: what happened, what it means, what to do. It stands where the thing failed, never over the page."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from lib.errors import BackendError, LedgerBroken, PodiumError
from lib.ui.app.routes import link
from lib.ui.components.formatting import md


def show(error: PodiumError) -> None:
    """Draw the box; below it the way on: to the doctor, when the backend is at fault, to verify, when the record is. Every part of the error is foreign text, because names from the backend stand in it."""
    parts = [md(part) for part in (error.what, error.means, error.next) if part]
    st.error(" ".join(parts), title=error.title, icon=":material/error:")
    if isinstance(error, LedgerBroken):
        link("Verify on the Audit page", "audit", icon="fingerprint")
    if isinstance(error, BackendError):
        link("Open Doctor", "doctor", icon="stethoscope")


@contextmanager
def calm() -> Iterator[None]:
    """Show a PodiumError raised inside as a box in this place; a bug goes on and reaches the frame."""
    try:
        yield
    except PodiumError as error:
        show(error)
