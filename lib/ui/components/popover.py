"""A popover of Compare that holds widgets: what is in it is drawn while it is open, and at no other time.

Two reasons. What session_state says about a widget in a closed popover never reaches the browser: opened later, the widget would
show what it showed last, and write that back. And what nobody sees costs no work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st


@contextmanager
def lazy_popover(name: str, label: str, **options: Any) -> Iterator[bool]:
    """A popover under this label, which may change while it is open: `with drawer(…) as is_open: if is_open: …`."""
    with st.popover(label, key=popover_key(name), on_change="rerun", **options) as popover:
        yield bool(popover.open)


def popover_key(name: str) -> str:
    """Where session_state keeps whether a drawer is open."""
    return f"compare.drawer.{name}"
