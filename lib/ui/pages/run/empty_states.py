"""Empty states and banners of the Run page: no run, a deleted run, or a run of the ledger."""

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
    """Return the run named in the URL; without one, show an empty state with a link to Compare and stop the page."""
    if not run_id:
        _show_no_run("No run selected", "Open a run from Compare or any page that links to one.")
        return None
    try:
        return queries.cached_run(backend, run_id)
    except NotFound as error:
        hint = "It may have been permanently deleted, or be on another backend."
        _show_no_run("Run not found", f"{escape(error.what)} {hint}")
        return None


def _show_no_run(title: str, text: str) -> None:
    with page_header("Run", "One run in detail"):
        pass
    with card(key="run.nothing"):
        show_empty_state("search_off", title, text)
        with st.container(horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", type="primary", key="run.compare"):
                switch_page("compare")
        st.space("small")


def show_run_banner(run: Run, experiment_ref: ExperimentRef) -> None:
    """Show a banner for a deleted run, with a button to restore it, or for a run of the ledger."""
    if experiment_ref.is_ledger:
        st.info("This run is part of the ledger. It cannot be edited or deleted.", icon=":material/lock:")
        return
    if run.lifecycle == "active":
        return
    with st.container(border=True, key="run.deleted"):
        experiment_note = (
            f" Its experiment {escape(experiment_ref.name)} was also deleted." if experiment_ref.lifecycle != "active" else ""
        )
        st.warning(
            f"It is hidden in MLflow, but no data is lost until it is permanently deleted.{experiment_note}",
            title="This run was deleted",
            icon=":material/delete:",
        )
        icon, button_kwargs = ":material/restore_from_trash:", write_button_kwargs(current_backend(), run.experiment_id)
        st.button(
            "Restore", icon=icon, key="run.restore", on_click=dialogs.open_run_dialog, args=("restore", run), **button_kwargs
        )
