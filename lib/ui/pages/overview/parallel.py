"""Overview's cards load side by side: each in a fragment of its own that reads in a thread of its own, under bars that hold its place.

What goes wrong is said in the card that failed; the others are drawn all the same.
"""

from collections.abc import Callable

import streamlit as st

from lib.backends.backend import Backend
from lib.ui.components.error_box import calm

ROW = 34


def beside(draw: Callable[[Backend], None], backend: Backend, rows: int = 1) -> None:
    """Draw a card beside the others. `rows` lines of bars stand there until it is read."""

    @st.fragment(parallel=True)
    def _card() -> None:
        with calm(), st.skeleton(height=ROW * rows):
            draw(backend)

    _card()
