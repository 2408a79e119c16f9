"""The result of a job: its runs with metrics, search trials ranked best first, and links to compare them."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.jobs.job_folder import Job
from lib.jobs.job_runs import RunSummary, find_job_runs
from lib.ui.app.backend_selection import resolve_session_backend
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.components.badges import RUN_STATUS_BADGES, badge_column_options
from lib.ui.components.data_table import table_height
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_count

FIRST_METRICS = ("accuracy", "precision", "recall", "f1", "auc")
TRIAL_METRIC = "mean_cv_accuracy"
ROWS_WITHOUT_SCROLLING = 6
MAX_RUN_LINKS = 4


def show_result(job: Job, backend: Backend) -> None:
    """Show the runs of a finished job. Its backend is queried at most every 30 s."""
    with error_boundary():
        job_backend = backend if job.backend.is_same_store(backend) else resolve_session_backend(job.backend)
        runs = _cached_runs(job_backend, job.id)
        if not runs:
            st.caption("This job logged no runs.")
            return
        top_runs, trials = [run for run in runs if not run.parent_run_id], [run for run in runs if run.parent_run_id]
        _show_next_step(top_runs, len(trials), job_backend, backend)
        _show_metrics(top_runs)
        _show_trials(trials)
        _show_run_links(top_runs, job_backend, backend)


@st.cache_data(ttl=30, show_spinner="Reading runs…")
def _cached_runs(backend: Backend, job_id: str) -> tuple[RunSummary, ...]:
    return find_job_runs(backend, job_id)


def _show_metrics(runs: Sequence[RunSummary]) -> None:
    """Show every metric of the runs that are not trials, common metrics first."""
    names = sorted({name for run in runs for name in run.metrics}, key=lambda name: (*_metric_rank(name), name))
    table = pd.DataFrame(
        {
            "run": [run.name for run in runs],
            "status": [[RUN_STATUS_BADGES[run.status][2]] if run.status in RUN_STATUS_BADGES else [run.status] for run in runs],
        }
        | {name: [run.metrics.get(name) for run in runs] for name in names}
    )
    columns = {
        name: st.column_config.NumberColumn(name, format="%.4f", width=76 if len(name) < 11 else 8 * len(name)) for name in names
    }
    st.dataframe(
        table,
        hide_index=True,
        key="launch.metrics",
        height=table_height(len(table)),
        alt="The runs of this job and their metrics",
        column_config={
            "run": st.column_config.TextColumn("Run", width=104),
            "status": st.column_config.MultiselectColumn("Status", width=80, **badge_column_options(RUN_STATUS_BADGES)),
            **columns,
        },
    )


def _metric_rank(name: str) -> tuple[int, int]:
    return (0, FIRST_METRICS.index(name)) if name in FIRST_METRICS else (1, 0)


def _show_trials(runs: Sequence[RunSummary]) -> None:
    """Show the trials of a search, best first: differing parameters, then scores."""
    if not runs:
        return
    sorted_runs = sorted(runs, key=lambda run: (-run.metrics.get(TRIAL_METRIC, float("-inf")), run.name))
    varied_params = [name for name in sorted_runs[0].params if len({run.params.get(name) for run in runs}) > 1]
    scores = [run.metrics[TRIAL_METRIC] for run in runs if TRIAL_METRIC in run.metrics] or [0.0, 1.0]
    low, high = _bar_minimum(min(scores), max(scores)), max(scores)
    st.caption(f"{format_count(len(runs), 'trial')}, best first; bars range from {low:.3f} to {high:.4f}")
    st.dataframe(
        _trial_table(sorted_runs, varied_params),
        hide_index=True,
        key="launch.trials",
        height=table_height(len(runs), ROWS_WITHOUT_SCROLLING),
        alt="The trials of the search, best first",
        column_config=_trial_columns(varied_params, low, high),
    )


def _trial_table(runs: Sequence[RunSummary], varied_params: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"trial": [run.name for run in runs]}
        | {name: [run.params.get(name) for run in runs] for name in varied_params}
        | {
            "score": [run.metrics.get(TRIAL_METRIC) for run in runs],
            "spread": [run.metrics.get("std_cv_accuracy") for run in runs],
        }
    )


def _trial_columns(varied_params: Sequence[str], low: float, high: float) -> dict[str, object]:
    return {
        "trial": st.column_config.TextColumn("Trial", width=72),
        **{name: st.column_config.TextColumn(name, width=96) for name in varied_params},
        "score": st.column_config.ProgressColumn(
            "Mean accuracy", min_value=low, max_value=high, format="%.4f", color="blue", width=176
        ),
        "spread": st.column_config.NumberColumn("Fold spread", format="± %.3f", width=104),
    }


def _bar_minimum(low: float, high: float) -> float:
    """Return the lower bound of the bars: below the worst score, so that it still has a bar."""
    return max(0.0, low - max(high - low, 0.01) / 2)


def _show_next_step(top_runs: Sequence[RunSummary], trial_count: int, backend: Backend, session_backend: Backend) -> None:
    """Show the next step after a job as the card's primary button."""
    if backend != session_backend:
        st.caption(f"These runs are on another backend: {escape(backend.name)}, {escape(backend.label)}.")
        return
    run_ids = [run.run_id for run in top_runs] if len(top_runs) > 1 else []
    label = "Compare runs" if trial_count or run_ids else "Compare with other runs of the experiment"
    if st.button(label, type="primary", icon=":material/compare_arrows:", key="launch.compare"):
        query: dict[str, str | list[str]] = {"experiment": top_runs[0].experiment_id} | ({"pick": run_ids} if run_ids else {})
        switch_page("compare", **query)


def _show_run_links(top_runs: Sequence[RunSummary], backend: Backend, session_backend: Backend) -> None:
    if backend == session_backend:
        for run in top_runs[:MAX_RUN_LINKS]:
            page_link(f"Open {escape(run.name)}", "run", icon="science", query={"run": run.run_id})
