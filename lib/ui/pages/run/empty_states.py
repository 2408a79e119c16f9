"""What the Run page says when there is no run to show, when it was deleted, or when nobody may change it."""

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.runs.reading.related_runs import Home
from lib.runs.table.types import Run
from lib.ui.app.routes import goto
from lib.ui.app.session import backend
from lib.ui.components.formatting import md
from lib.ui.components.layout import card, empty, header
from lib.ui.components.write_access import for_writing
from lib.ui.pages.run import dialogs
from lib.ui.pages.run import queries as reads


def found(here: Backend, wanted: str) -> Run | None:
    """The run that the address names; without one, the page says so and leads to Compare."""
    if not wanted:
        _nothing("No run is chosen", "Open one from Compare, or from any page that names a run.")
        return None
    try:
        return reads.shown(here, wanted)
    except NotFound as error:
        gone = "It may have been removed for good, or be on another backend."
        _nothing("There is no such run here", f"{md(error.what)} {gone}")
        return None


def _nothing(title: str, text: str) -> None:
    with header("Run", "One run whole"):
        pass
    with card(key="run.nothing"):
        empty("search_off", title, text)
        with st.container(horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", type="primary", key="run.compare"):
                goto("compare")
        st.space("small")


def banner(of: Run, home: Home) -> None:
    """Deleted, or part of the record: said at the top, with the way back."""
    if home.is_record:
        st.info("This run is part of the record of who moved what. Nobody edits or deletes it.", icon=":material/lock:")
        return
    if of.lifecycle == "active":
        return
    with st.container(border=True, key="run.deleted"):
        also = f" Its experiment {md(home.name)} was deleted, too." if home.lifecycle != "active" else ""
        st.warning(
            f"MLflow hides it; nothing of it is lost until somebody removes it for good.{also}",
            title="This run was deleted",
            icon=":material/delete:",
        )
        look, off = ":material/restore_from_trash:", for_writing(backend(), of.experiment_id)
        st.button("Restore", icon=look, key="run.restore", on_click=dialogs.ask, args=("restore", of), **off)
