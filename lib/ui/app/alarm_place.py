"""The place above a page where Podium says that a record is not the one seen before; filled after the page, so that no page waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.scriptrunner import StopException


@contextmanager
def alarms_above_page() -> Iterator[None]:
    """Draw a page below this place, then fill it. A page that ended early has its alarms, one that reruns leaves them to its next run."""
    place = st.container(key="shell.alarms", gap="small")
    try:
        yield
    except StopException:
        with place:
            _show_alarms()
        raise
    with place:
        _show_alarms()


def _show_alarms() -> None:
    from lib.ui.components.head_alarms import show_head_alarms  # it needs MLflow, which the first page does not wait for

    show_head_alarms()
