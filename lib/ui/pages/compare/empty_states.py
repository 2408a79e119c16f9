"""What Compare shows when there is nothing to compare: why, and the next step as a button."""

from typing import Literal

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NoAnswer, PodiumError
from lib.runs.reading.traces import has_traces
from lib.ui.app.page_links import switch_page
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import ViewState, update_url
from lib.ui.queries.runs import ExperimentList


def show_no_experiment() -> None:
    """The backend has no experiment yet."""
    with page_header("Compare", "No experiment yet"):
        pass
    with card():
        show_empty_state("science", "No experiment yet", "An experiment is made by the first run that asks for it.")
        launch_button("Train the first forest")


def show_no_run(backend: Backend, view: ViewState) -> None:
    """The experiment is there, but nothing ran in it, or nothing of it was deleted, or it holds traces only."""
    if view.state == "deleted":
        with card():
            show_empty_state("delete", "No deleted run", "Nothing in this experiment was deleted.")
            _clear_button("Show the active runs", state="")
        return
    if _holds_traces(backend, view.experiment):
        with card():
            show_empty_state(
                "account_tree",
                "Traces, and no run",
                "This experiment holds traces only: MLflow's own page of the experiment shows them. Podium compares runs.",
            )
            st.space("small")
        return
    with card():
        show_empty_state("play_circle", "No run yet", "Start a demo, or log a run from your own script, then read again.")
        launch_button("Start a demo")


@st.cache_data(ttl="1min", max_entries=64, show_spinner=False)
def _holds_traces(backend: Backend, experiment_ids: tuple[str, ...]) -> bool:
    """False also on a backend that knows no traces. Raises NoAnswer."""
    try:
        return has_traces(backend, experiment_ids)
    except NoAnswer:
        raise
    except PodiumError:
        return False


def show_no_match(view: ViewState) -> None:
    """The filter, or what stands under Refine, leaves no run."""
    reasons = [f"The filter {escape(view.filter)}"] * bool(view.filter) + ["what is set under Refine"] * bool(
        count_conditions(view)
    )
    subject = " together with ".join(reasons)
    with card():
        show_empty_state("search_off", "No run matches", f"{subject[:1].upper()}{subject[1:]} leaves nothing.")
        if count_conditions(view):
            _clear_button("Clear all conditions", filter="", facet=(), since="", until="", parent="", children="")
        else:
            _clear_button("Clear the filter", filter="")


def _clear_button(label: str, **changes: object) -> None:
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
    experiments = experiment_list.select(view.experiment)
    missing = [experiment_id for experiment_id in requested_view.experiment if experiment_id not in view.experiment]
    if missing and experiments:
        names = ", ".join(escape(experiment.name) for experiment in experiments)
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
        more_text = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        st.markdown(f":small[:orange[:material/info: Picked in this link, but not in this experiment: {names}{more_text}.]]")
