"""The top of the Run page: name, facts and actions, and live updates for an active run."""

from pathlib import PurePosixPath

import streamlit as st

from lib.backends.backend import Backend
from lib.registry.delete_run import RUNNING_STATUSES
from lib.runs.reading import run_reader
from lib.runs.reading.related_runs import ExperimentRef, RelatedRuns
from lib.runs.table.types import SOURCE_TAG, Run
from lib.ui.app.page_links import page_link, switch_page
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
"""Seconds between two reads of an active run."""


def show_header(run: Run, experiment_ref: ExperimentRef, related_runs: RelatedRuns, *, has_model: bool) -> None:
    """Show name, facts and actions."""
    name = run.name or run.run_id
    title = name if len(name) <= MAX_TITLE_LENGTH else f"{name[:MAX_TITLE_LENGTH]}…"
    with page_header(escape(title), _facts_line(run, experiment_ref)):
        if run.lifecycle == "active" and not experiment_ref.is_ledger:
            _show_actions(run, related_runs, has_model=has_model)


def _facts_line(run: Run, experiment_ref: ExperimentRef) -> str:
    parts = [
        badge_markdown(RUN_STATUS_BADGES, run.status) if run.status in RUN_STATUS_BADGES else escape(run.status),
        f"in {escape(experiment_ref.name)}",
        f"started {format_recent_age(run.started, now())}" if run.started else "",
        f"by {escape(run.user)}" if run.user else "",
        "deleted" if run.lifecycle != "active" else "",
    ]
    return " · ".join(part for part in parts if part)


def _show_actions(run: Run, related_runs: RelatedRuns, *, has_model: bool) -> None:
    button_kwargs = write_button_kwargs(current_backend(), run.experiment_id)
    open_dialog = dialogs.open_run_dialog
    st.button(
        "Rename",
        type="tertiary",
        icon=":material/edit:",
        key="run.rename",
        on_click=open_dialog,
        args=("rename", run),
        **button_kwargs,
    )
    st.button(
        "Delete",
        type="tertiary",
        icon=":material/delete:",
        key="run.delete",
        on_click=open_dialog,
        args=("delete", run),
        **button_kwargs,
    )
    can_register = has_model and run.status not in RUNNING_STATUSES
    if can_register and st.button(
        "Register", icon=":material/add_box:", key="run.register", **record_button_kwargs(current_backend())
    ):
        switch_page("models", register=run.run_id)
    if st.button("Compare with siblings", type="primary", icon=":material/compare_arrows:", key="run.siblings"):
        switch_page("compare", **compare_siblings_query(run, related_runs))


def compare_siblings_query(run: Run, related_runs: RelatedRuns) -> dict[str, str | list[str]]:
    """Return the Compare query for a run and its siblings: a few are picked, many are only listed.

    A run without a parent has all runs of its experiment as siblings.
    """
    sibling_ids = [sibling.run_id for sibling in related_runs.siblings]
    selected_run_ids = [run.run_id, *(sibling_ids if len(sibling_ids) < MAX_PRESELECTED else ())]
    return {
        "experiment": run.experiment_id,
        "parent": related_runs.parent_id if related_runs.siblings else "",
        "pick": selected_run_ids,
    }


def show_identity(run: Run, experiment_ref: ExperimentRef) -> None:
    """Show time, user, source, and the id to copy."""
    with card("This run", key="run.identity"):
        show_facts({name: value for name, value in _facts(run, experiment_ref).items() if value})
        st.code(run.run_id, language=None)
        page_link(
            escape(experiment_ref.name) if experiment_ref.name else "Experiment",
            "compare",
            icon="science",
            query={"experiment": run.experiment_id},
        )


def _facts(run: Run, experiment_ref: ExperimentRef) -> dict[str, str]:
    duration = format_duration(run.ended - run.started) if run.started and run.ended else ""
    long_name = escape(run.name) if len(run.name) > MAX_TITLE_LENGTH else ""
    return {
        "Name": long_name,
        "Experiment": "" if experiment_ref.lifecycle == "active" else f"{escape(experiment_ref.name)}, deleted",
        "Started": format_time(run.started) if run.started else "",
        "Ended": format_time(run.ended) if run.ended else "",
        "Duration": duration,
        "By": escape(run.user),
        "Source": escape(PurePosixPath(run.tags.get(SOURCE_TAG, "").replace("\\", "/")).name[:80]),
    }


def show_live_status(backend: Backend, run: Run) -> None:
    """Read an active run every few seconds, and rerun the page if it changed."""
    if run.status in RUNNING_STATUSES and run.lifecycle == "active":
        st.fragment(_refresh_live_status, run_every=REFRESH_SECONDS)(backend, run)


def _refresh_live_status(backend: Backend, run: Run) -> None:
    since = f"Running for {format_duration(now() - run.started)}." if run.started else "Running."
    st.caption(f":blue[:material/progress_activity:] {since} Refreshes every {REFRESH_SECONDS}{NBSP}s.")
    with error_boundary():
        if _run_fingerprint(run_reader.read_run(backend, run.run_id)) != _run_fingerprint(run):
            queries.cached_run.clear(backend, run.run_id)
            st.rerun()


def _run_fingerprint(run: Run) -> tuple[object, ...]:
    return (
        run.status,
        run.lifecycle,
        sorted((name, str(value)) for name, value in run.metrics.items()),
        len(run.params),
        len(run.tags),
    )
