"""Messages around a page: alarms about changed records above it, and unreadable folders of a file store below it.

Known alarms are drawn before the page, because nothing can be drawn after `st.stop`, and refreshed after it, so that the page does not
wait. Only the first page of a process, and the first one after an action, wait for the check.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from lib.ui.app.session import current_backend
from lib.ui.components.formatting import escape

MAX_LEFT_OUT = 10


@contextmanager
def alarms_above_page() -> Iterator[None]:
    """Draw known alarms, then the page. Reruns the page if the check after it has a different result."""
    from lib.ui.components.head_alarms import refresh_alarms, show_known_alarms  # need MLflow, which the gate has loaded

    with st.container(key="shell.alarms", gap="small"):
        result, is_fresh = show_known_alarms()
    try:
        yield
    except StopException:
        if not is_fresh:
            refresh_alarms()
        raise
    if not is_fresh and refresh_alarms() != result:
        st.rerun()


@contextmanager
def left_out_below_page() -> Iterator[None]:
    """Draw the page, then list folders of a file store that could not be read."""
    folder = current_backend().folder
    try:
        yield
    finally:
        if folder is not None:
            _show_left_out(folder)


def _show_left_out(folder: Path) -> None:
    from lib.backends.file_store import damaged_folders

    damaged = damaged_folders(folder)
    if damaged:
        lines = [f"* {escape(entry.path.relative_to(folder))}: {escape(entry.reason)}" for entry in damaged[:MAX_LEFT_OUT]]
        more = f"\n\n{len(damaged) - MAX_LEFT_OUT:,} more. Doctor lists all of them." if len(damaged) > MAX_LEFT_OUT else ""
        st.warning("\n".join(lines) + more, title="Skipped because they cannot be read", icon=":material/warning:")
