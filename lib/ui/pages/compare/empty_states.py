"""Empty states of Compare: why there is nothing to show, and a button for the next step."""

from typing import Literal

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import NoAnswer, PodiumError
from lib.runs.reading.traces import has_traces
from lib.runs.table.view import ViewState
from lib.ui.app.page_links import switch_page
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.pages.compare.filter_panel import count_conditions
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.view_state import update_url
from lib.ui.queries.runs import ExperimentList


def show_no_experiment() -> None:
    """Show that the backend has no experiment yet."""
    with page_header("Compare", "No experiments yet"):
        pass
    with card():
        show_empty_state("science", "No experiments yet", "Your first run creates an experiment.")
        launch_button("Launch a demo")


def show_no_run(backend: Backend, view: ViewState) -> None:
    """Show why the experiment has no run to list: none logged, none deleted, or traces only."""
    if view.state == "deleted":
        with card():
            show_empty_state("delete", "No deleted runs", "No run in this experiment was deleted.")
            _clear_button("Show active runs", state="")
        return
    if _holds_traces(backend, view.experiment):
        with card():
            show_empty_state(
                "account_tree",
                "Traces only, no runs",
                "This experiment contains only traces. Podium compares runs; view traces in the MLflow UI.",
            )
            st.space("small")
        return
    with card():
        show_empty_state("play_circle", "No runs yet", "Start a demo, or log a run from your own script and refresh.")
        launch_button("Start a demo")


@st.cache_data(ttl="1min", max_entries=64, show_spinner=False)
def _holds_traces(backend: Backend, experiment_ids: tuple[str, ...]) -> bool:
    """Return whether the experiments contain traces; False if the backend does not support traces. Raises NoAnswer."""
    try:
        return has_traces(backend, experiment_ids)
    except NoAnswer:
        raise
    except PodiumError:
        return False


def show_no_match(view: ViewState) -> None:
    """Show that the filter, or the conditions under Refine, match no run."""
    reasons = [f"the filter {escape(view.filter)}"] * bool(view.filter) + ["the conditions under Refine"] * bool(
        count_conditions(view)
    )
    subject = " and ".join(reasons)
    with card():
        show_empty_state("search_off", "No matching runs", f"No run matches {subject}.")
        if count_conditions(view):
            _clear_button("Clear all conditions", filter="", facet=(), since="", until="", parent="", children="")
        else:
            _clear_button("Clear filter", filter="")


def _clear_button(label: str, **changes: object) -> None:
    with st.container(horizontal_alignment="center"):
        st.button(label, type="primary", key="compare.clear", on_click=update_url, kwargs=changes)
    st.space("small")


def launch_button(label: str, kind: Literal["primary", "secondary"] = "primary") -> None:
    """Show the button that opens the Launch page."""
    with st.container(horizontal_alignment="center"):
        if st.button(label, type=kind, icon=":material/play_arrow:", key="compare.launch"):
            switch_page("launch")
    st.space("small")


def show_missing_experiments(requested_view: ViewState, view: ViewState, experiment_list: ExperimentList) -> None:
    """List the experiments in the link that this backend does not have."""
    experiments = experiment_list.select(view.experiment)
    missing = [experiment_id for experiment_id in requested_view.experiment if experiment_id not in view.experiment]
    if missing and experiments:
        names = ", ".join(escape(experiment.name) for experiment in experiments)
        st.info(
            f"Experiment {', '.join(map(escape, missing))} does not exist on this backend or was deleted. Showing {names}"
            f"{'' if set(requested_view.experiment) & set(view.experiment) else ' instead'}.",
            icon=":material/info:",
        )


def show_missing_runs(requested_view: ViewState, result: SearchResult) -> None:
    """List the picked runs that are not in this experiment."""
    missing = [run_id for run_id in requested_view.pick if run_id not in result.all_runs.identity.index]
    if missing:
        names = ", ".join(escape(run_id[:12]) for run_id in missing[:5])
        more_text = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        st.markdown(f":small[:orange[:material/info: Picked in the link but not in this experiment: {names}{more_text}.]]")
