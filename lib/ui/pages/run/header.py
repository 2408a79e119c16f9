"""The top of the Run page: its name and facts, what can be done with it, and the pulse of a run that is still going."""

from pathlib import PurePosixPath

import streamlit as st

from lib.backends.backend import Backend
from lib.registry.delete_run import RUNNING_STATUSES
from lib.runs.reading import run_reader
from lib.runs.reading.related_runs import ExperimentRef, RelatedRuns
from lib.runs.table.types import SOURCE_TAG, Run
from lib.ui.app.routes import page_link, switch_page
from lib.ui.app.session import current_backend, now
from lib.ui.components.badges import RUN_STATUS_BADGES, badge_markdown
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import NBSP, escape, format_duration, format_recent_age, format_time
from lib.ui.components.layout import card, page_header, show_facts
from lib.ui.components.write_access import record_button_kwargs, write_button_kwargs
from lib.ui.pages.run import dialogs, queries

MAX_TITLE_LENGTH = 90
MAX_PRESELECTED = 4
REFRESH_SECONDS = 5
"""Seconds between two looks at a running run."""


def show_header(run: Run, experiment_ref: ExperimentRef, related_runs: RelatedRuns, *, has_model: bool) -> None:
    """Name, one line of facts, and the deeds."""
    name = run.name or run.run_id
    title = name if len(name) <= MAX_TITLE_LENGTH else f"{name[:MAX_TITLE_LENGTH]}…"
    with page_header(escape(title), _line(run, experiment_ref)):
        if run.lifecycle == "active" and not experiment_ref.is_ledger:
            _deeds(run, related_runs, has_model=has_model)


def _line(of: Run, home: ExperimentRef) -> str:
    told = [
        badge_markdown(RUN_STATUS_BADGES, of.status) if of.status in RUN_STATUS_BADGES else escape(of.status),
        f"in {escape(home.name)}",
        f"started {format_recent_age(of.started, now())}" if of.started else "",
        f"by {escape(of.user)}" if of.user else "",
        "deleted" if of.lifecycle != "active" else "",
    ]
    return " · ".join(part for part in told if part)


def _deeds(of: Run, kin: RelatedRuns, *, has_model: bool) -> None:
    off = write_button_kwargs(current_backend(), of.experiment_id)
    ask = dialogs.open_run_dialog
    st.button("Rename", type="tertiary", icon=":material/edit:", key="run.rename", on_click=ask, args=("rename", of), **off)
    st.button("Delete", type="tertiary", icon=":material/delete:", key="run.delete", on_click=ask, args=("delete", of), **off)
    can = has_model and of.status not in RUNNING_STATUSES
    if can and st.button("Register", icon=":material/add_box:", key="run.register", **record_button_kwargs(current_backend())):
        switch_page("models", register=of.run_id)
    if st.button("Compare with its siblings", type="primary", icon=":material/compare_arrows:", key="run.siblings"):
        switch_page("compare", **compare_siblings_query(of, kin))


def compare_siblings_query(run: Run, related_runs: RelatedRuns) -> dict[str, str | list[str]]:
    """The address of Compare with a run among its siblings: few of them picked, many only listed.

    The siblings of a run without a parent are all runs of its experiment.
    """
    beside = [one.run_id for one in related_runs.siblings]
    picked = [run.run_id, *(beside if len(beside) < MAX_PRESELECTED else ())]
    return {"experiment": run.experiment_id, "parent": related_runs.parent_id if related_runs.siblings else "", "pick": picked}


def show_identity(run: Run, experiment_ref: ExperimentRef) -> None:
    """When, by whom, from which code; and the id to be copied."""
    with card("This run", key="run.identity"):
        show_facts({name: value for name, value in _facts(run, experiment_ref).items() if value})
        st.code(run.run_id, language=None)
        page_link(
            escape(experiment_ref.name) if experiment_ref.name else "Its experiment",
            "compare",
            icon="science",
            query={"experiment": run.experiment_id},
        )


def _facts(of: Run, home: ExperimentRef) -> dict[str, str]:
    took = format_duration(of.ended - of.started) if of.started and of.ended else ""
    long_name = escape(of.name) if len(of.name) > MAX_TITLE_LENGTH else ""
    return {
        "Name": long_name,
        "Experiment": "" if home.lifecycle == "active" else f"{escape(home.name)}, deleted",
        "Started": format_time(of.started) if of.started else "",
        "Ended": format_time(of.ended) if of.ended else "",
        "Took": took,
        "By": escape(of.user),
        "Source": escape(PurePosixPath(of.tags.get(SOURCE_TAG, "").replace("\\", "/")).name[:80]),
    }


def show_live_status(backend: Backend, run: Run) -> None:
    """Look at a running run every few seconds, and draw the page anew when it has something new to tell."""
    if run.status in RUNNING_STATUSES and run.lifecycle == "active":
        st.fragment(_beat, run_every=REFRESH_SECONDS)(backend, run)


def _beat(here: Backend, of: Run) -> None:
    since = f"Running for {format_duration(now() - of.started)}." if of.started else "Running."
    st.caption(f":blue[:material/progress_activity:] {since} Looks again every {REFRESH_SECONDS}{NBSP}s.")
    with error_boundary():
        if _news(run_reader.read_run(here, of.run_id)) != _news(of):
            queries.cached_run.clear(here, of.run_id)
            st.rerun()


def _news(of: Run) -> tuple[object, ...]:
    return of.status, of.lifecycle, sorted((name, str(value)) for name, value in of.metrics.items()), len(of.params), len(of.tags)
