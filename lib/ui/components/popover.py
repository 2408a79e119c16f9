"""A popover that holds widgets: what is in it is drawn while it is open, and at no other time.

Two reasons. What session_state says about a widget in a closed popover never reaches the browser: opened later, the widget would
show what it showed last, and write that back. And what nobody sees costs no work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st


@contextmanager
def lazy_popover(key: str, label: str, **options: Any) -> Iterator[bool]:
    """A popover under this label, which may change while it is open: `with lazy_popover(…) as is_open: if is_open: …`.

    Whether it is open is kept in session_state under `key`.
    """
    with st.popover(label, key=key, on_change="rerun", **options) as popover:
        yield bool(popover.open)
