"""What the Run page says when there is no run to show, when it was deleted, or when nobody may change it."""

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.runs.reading.related_runs import ExperimentRef
from lib.runs.table.types import Run
from lib.ui.app.page_links import switch_page
from lib.ui.app.session import current_backend
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.components.write_access import write_button_kwargs
from lib.ui.pages.run import dialogs, queries


def load_run(backend: Backend, run_id: str) -> Run | None:
    """The run that the address names; without one, the page says so and leads to Compare."""
    if not run_id:
        _show_no_run("No run is chosen", "Open one from Compare, or from any page that names a run.")
        return None
    try:
        return queries.cached_run(backend, run_id)
    except NotFound as error:
        hint = "It may have been removed for good, or be on another backend."
        _show_no_run("There is no such run here", f"{escape(error.what)} {hint}")
        return None


def _show_no_run(title: str, text: str) -> None:
    with page_header("Run", "One run whole"):
        pass
    with card(key="run.nothing"):
        show_empty_state("search_off", title, text)
        with st.container(horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", type="primary", key="run.compare"):
                switch_page("compare")
        st.space("small")


def show_run_banner(run: Run, experiment_ref: ExperimentRef) -> None:
    """Deleted, or part of the record: said at the top, with the way back."""
    if experiment_ref.is_ledger:
        st.info("This run is part of the record of who moved what. Nobody edits or deletes it.", icon=":material/lock:")
        return
    if run.lifecycle == "active":
        return
    with st.container(border=True, key="run.deleted"):
        experiment_note = (
            f" Its experiment {escape(experiment_ref.name)} was deleted, too." if experiment_ref.lifecycle != "active" else ""
        )
        st.warning(
            f"MLflow hides it; nothing of it is lost until somebody removes it for good.{experiment_note}",
            title="This run was deleted",
            icon=":material/delete:",
        )
        icon, button_kwargs = ":material/restore_from_trash:", write_button_kwargs(current_backend(), run.experiment_id)
        st.button(
            "Restore", icon=icon, key="run.restore", on_click=dialogs.open_run_dialog, args=("restore", run), **button_kwargs
        )
