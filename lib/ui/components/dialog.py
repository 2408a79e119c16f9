"""Dialogs with a state: at most one is open per browser session, and only on the page that opened it.

Cancel, Escape and the close button discard the dialog and everything typed in it. The error of a failed action appears inside it, and the
inputs stay.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Generic, Literal, TypeVar, cast

import streamlit as st

from lib.errors import PodiumError
from lib.ui.components.error_box import show_error
from lib.ui.components.layout import show_table

OPEN_KEY = "dialog.open"
"""Session key of the open dialog: its key and its state."""
_PAGE_KEY, _DRAWN_KEY = "dialog.page", "dialog.drawn"
State = TypeVar("State")


@dataclass(frozen=True)
class Dialog(Generic[State]):
    """A dialog whose widget keys start with `key`. Closing it also removes `link_parameter`, which may have opened it, from the URL."""

    key: str
    link_parameter: str = ""

    @property
    def state(self) -> State | None:
        """The state, if the dialog is open; otherwise None."""
        key, state = st.session_state.get(OPEN_KEY, ("", None))
        return cast("State", state) if key == self.key else None

    def open(self, state: State) -> None:
        """Open the dialog, or replace its state. Closes any other dialog. It appears when the page calls `show`."""
        st.session_state[OPEN_KEY] = (self.key, state)

    def close(self) -> None:
        """Close the dialog if it is open."""
        if self.state is not None:
            del st.session_state[OPEN_KEY]
            st.query_params.pop(self.link_parameter, None)

    def close_and_rerun(self) -> None:
        """Close the dialog and run the page again."""
        self.close()
        st.rerun()

    def show(self, body: Callable[[State], None], title: str, *, icon: str, width: Literal["medium", "large"] = "medium") -> None:
        """Draw the dialog if it is open. The title is Markdown, the icon a Material name. The body gets the state as of each rerun."""
        if self.state is None or st.session_state.get(_DRAWN_KEY, self.key) != self.key:
            return
        st.session_state[_DRAWN_KEY] = self.key

        @wraps(body)  # Streamlit tells dialogs apart by the name of this function
        def draw_body() -> None:
            state = self.state
            if state is not None:  # None after a click that closed the dialog just before
                body(state)

        st.dialog(title, width=width, icon=f":material/{icon}:", on_dismiss=self.close)(draw_body)()

    def action_row(self, label: str, missing: str = "", *, icon: str = "check", name: str = "confirm") -> bool:
        """Draw Cancel and the action's button, and return whether the action was confirmed. `name` is the end of the button's key.

        `missing` (Markdown) disables the button and is shown next to it.
        """
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
            if missing:
                st.caption(f":orange[:material/edit: {missing}]", width="content")
            if st.button("Cancel", key=f"{self.key}.cancel"):
                self.close_and_rerun()
            return st.button(label, key=f"{self.key}.{name}", type="primary", icon=f":material/{icon}:", disabled=bool(missing))

    @contextmanager
    def action(self, progress_text: str, clear_cache: Callable[[], None]) -> Iterator[None]:
        """Carry out the action in the block, then close the dialog and run the page again.

        A PodiumError is shown inside the dialog instead. Clears the cache in any case: a failed action may have been partly applied.
        """
        try:
            try:
                with st.spinner(progress_text):
                    yield
            finally:
                clear_cache()
        except PodiumError as error:
            show_error(error)
        else:
            self.close_and_rerun()


def show_steps(steps: Sequence[str]) -> None:
    """Show what the action will do as a numbered table. Steps are Markdown."""
    st.markdown("This is exactly what will happen:")
    show_table([(str(number), step) for number, step in enumerate(steps, 1)])


@contextmanager
def dialog_scope(page: str) -> Iterator[None]:
    """Run a page in the block. Closes a dialog that another page opened, or that this page no longer draws.

    A run that is interrupted or stopped closes none: it may have ended before the dialog.
    """
    if st.session_state.get(_PAGE_KEY, page) != page:
        st.session_state.pop(OPEN_KEY, None)
    st.session_state[_PAGE_KEY] = page
    st.session_state.pop(_DRAWN_KEY, None)
    yield
    if _DRAWN_KEY not in st.session_state:
        st.session_state.pop(OPEN_KEY, None)
