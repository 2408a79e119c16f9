"""The place above a page where Podium says that a record is not the one seen before.

What is known is drawn before the page, because nothing can be drawn after `st.stop`; it is brought up to date after the page, so that the
page does not wait. Only the first page of a process, and the first one after an action, wait for the reading.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.scriptrunner import StopException


@contextmanager
def alarms_above_page() -> Iterator[None]:
    """Draw a page below this place. Runs the page once more where the reading after it gave something else than was drawn."""
    from lib.ui.components.head_alarms import refresh_alarms, show_known_alarms  # they need MLflow, which the gate has waited for

    with st.container(key="shell.alarms", gap="small"):
        alarms = show_known_alarms()
    try:
        yield
    except StopException:
        refresh_alarms()
        raise
    if refresh_alarms() != alarms:
        st.rerun()
