"""What Compare shows when there is nothing to compare: why, and the next step as a button."""

from typing import Literal

import streamlit as st

from lib.ui.app.routes import switch_page
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import ExperimentList, SearchResult
from lib.ui.pages.compare.view_state import ViewState, update_url


def show_no_experiment() -> None:
    """The backend has no experiment yet."""
    with page_header("Compare", "No experiment yet"):
        pass
    with card():
        show_empty_state("science", "No experiment yet", "An experiment is made by the first run that asks for it.")
        launch_button("Train the first forest")


def show_no_run(view: ViewState) -> None:
    """The experiment is there, but nothing ran in it, or nothing of it was deleted."""
    if view.state == "deleted":
        with card():
            show_empty_state("delete", "No deleted run", "Nothing in this experiment was deleted.")
            _to_take_away("Show the active runs", state="")
        return
    with card():
        show_empty_state("play_circle", "No run yet", "Start a demo, or log a run from your own script, then read again.")
        launch_button("Start a demo")


def show_no_match(view: ViewState) -> None:
    """The filter, or what stands under Refine, leaves no run."""
    why = [f"The filter {escape(view.filter)}"] * bool(view.filter) + ["what is set under Refine"] * bool(count_conditions(view))
    with card():
        show_empty_state("search_off", "No run matches", f"{_sentence(' together with '.join(why))} leaves nothing.")
        if count_conditions(view):
            _to_take_away("Clear all conditions", filter="", facet=(), since="", until="", parent="", children="")
        else:
            _to_take_away("Clear the filter", filter="")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _to_take_away(label: str, **changes: object) -> None:
    with st.container(horizontal_alignment="center"):
        st.button(label, type="primary", key="compare.clear", on_click=update_url, kwargs=changes)
    st.space("small")


def launch_button(label: str, kind: Literal["primary", "secondary"] = "primary") -> None:
    """The button that leads to where runs come from."""
    with st.container(horizontal_alignment="center"):
        if st.button(label, type=kind, icon=":material/play_arrow:", key="compare.launch"):
            switch_page("launch")
    st.space("small")


def show_missing_experiments(requested_view: ViewState, view: ViewState, experiment_list: ExperimentList) -> None:
    """Name what a link asked for and this backend does not have."""
    shown = experiment_list.select(view.experiment)
    missing = [one for one in requested_view.experiment if one not in view.experiment]
    if missing and shown:
        names = ", ".join(escape(one.name) for one in shown)
        st.info(
            f"Experiment {', '.join(map(escape, missing))} is not on this backend, or was deleted. Showing {names}"
            f"{'' if set(requested_view.experiment) & set(view.experiment) else ' instead'}.",
            icon=":material/info:",
        )


def show_missing_runs(requested_view: ViewState, result: SearchResult) -> None:
    """Name the picked runs that are not in this experiment."""
    missing = [run_id for run_id in requested_view.pick if run_id not in result.all_runs.identity.index]
    if missing:
        names = ", ".join(escape(run_id[:12]) for run_id in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        st.markdown(f":small[:orange[:material/info: Picked in this link, but not in this experiment: {names}{more}.]]")
