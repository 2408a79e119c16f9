"""Overview's cards load side by side: each in a fragment of its own that reads in a thread of its own, under bars that hold its place.

What goes wrong is said in the card that failed; the others are drawn all the same.
"""

from collections.abc import Callable

import streamlit as st

from lib.backends.backend import Backend
from lib.ui.components.error_box import error_boundary

ROW_HEIGHT = 34


def show_in_parallel(show_card: Callable[[Backend], None], backend: Backend, rows: int = 1) -> None:
    """Draw a card beside the others. `rows` lines of bars stand there until it is read."""

    @st.fragment(parallel=True)
    def _card() -> None:
        with error_boundary(), st.skeleton(height=ROW_HEIGHT * rows):
            show_card(backend)

    _card()
