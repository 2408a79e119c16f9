"""The cards of Overview that speak of runs, of the backend and of its health. Those that speak of models are in `models`.

Cards load side by side: each in a fragment of its own that reads in a thread of its own, under bars that hold its place. What goes
wrong is said in the card that failed; the others are drawn all the same.
"""

import hashlib
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.backends.quick_summary import SummaryRow
from lib.doctor.check_runner import QUICK_CHECKS, run_checks
from lib.doctor.types import Finding, Report
from lib.runs.reading.latest_runs import LatestRun, headline_metric
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.app.session import now
from lib.ui.components.badges import HEALTH_BY_LEVEL, RUN_STATUS_BADGES, badge_column_options
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_duration, format_recent_age
from lib.ui.components.layout import card, show_checks, show_empty_state, table_height

ROW_HEIGHT = 34


def show_recent_runs(runs: Sequence[LatestRun]) -> None:
    """The latest runs as a table to read; comparing them is the other page's work."""
    with card("Recent runs", f"the latest {len(runs)}, newest first" if runs else "", key="overview.recent"):
        if not runs:
            show_empty_state("science", "No run yet", "A run appears here as soon as a demo or a script logs one.")
            return
        ids = [run.run_id for run in runs]
        button_key = "overview.open." + hashlib.sha256("|".join(ids).encode()).hexdigest()[:12]
        st.dataframe(
            _runs_frame(runs),
            hide_index=True,
            key="overview.runs",
            height=table_height(len(runs)),
            alt=f"The {len(runs)} latest runs, newest first",
            column_config={
                "run": st.column_config.TextColumn("Run", width=108),
                "experiment": st.column_config.TextColumn("Experiment", width=174),
                "status": st.column_config.MultiselectColumn("Status", width=80, **badge_column_options(RUN_STATUS_BADGES)),
                "score": st.column_config.ProgressColumn(
                    "Accuracy or AUC", min_value=0, max_value=1, format="%.4f", color="blue", width=118
                ),
                "started": st.column_config.DatetimeColumn("Started (UTC)", format="D MMM, HH:mm", width=100),
                "took": st.column_config.TextColumn("Took", width=48),
                "open": st.column_config.ButtonColumn("", type="tertiary", width=48, key=button_key),
            },
        )
        if click := st.session_state.get(button_key):
            switch_page("run", run=ids[click["row"]])
        page_link("Compare the runs", "compare", icon="compare_arrows")


def _runs_frame(runs: Sequence[LatestRun]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": [run.name for run in runs],
            "experiment": [run.experiment_name for run in runs],
            "status": [[RUN_STATUS_BADGES[run.status][2]] if run.status in RUN_STATUS_BADGES else [run.status] for run in runs],
            "score": [headline_metric(run.metrics) for run in runs],
            "started": [run.started.replace(tzinfo=None) for run in runs],
            "took": [format_duration(run.ended - run.started) if run.ended else "" for run in runs],
            "open": ["Open"] * len(runs),
        }
    )


def show_backend_checks(checks: Sequence[SummaryRow]) -> None:
    """What was checked about the backend, line by line."""
    with card("This backend", "checked just now", key="overview.backend"):
        show_checks([(check.state, escape(check.label), escape(check.value)) for check in checks])


def show_in_parallel(show_card: Callable[[Backend], None], backend: Backend, rows: int = 1) -> None:
    """Draw a card beside the others. `rows` lines of bars stand there until it is read."""

    @st.fragment(parallel=True)
    def _card() -> None:
        with error_boundary(), st.skeleton(height=ROW_HEIGHT * rows):
            show_card(backend)

    _card()


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def _cached_quick_report(backend: Backend) -> Report:
    """The doctor's cheap checks of a backend, asked at most every two minutes for all sessions together."""
    return run_checks(backend, now, checks=QUICK_CHECKS)


def show_health(backend: Backend) -> None:
    """What the Doctor's quick checks found, worst first; one line each. Fixes are on the Doctor page."""
    report = _cached_quick_report(backend)
    findings = [*report.problems_and_notices, *report.findings_with_level("fine"), *report.findings_with_level("skipped")]
    with card("Health", f"checked {format_recent_age(report.at, now())}", key="overview.health"):
        show_checks(
            [(HEALTH_BY_LEVEL[finding.level], escape(finding.title), escape(_finding_text(finding))) for finding in findings]
        )
        page_link("Open Doctor", "doctor", icon="stethoscope")


def _finding_text(finding: Finding) -> str:
    return finding.summary if finding.summary else "" if finding.level == "fine" else finding.level
