"""Overview cards for runs, the backend and its health. The cards for models are in `models`.

Cards load in parallel: each is a fragment that reads in its own thread and shows a placeholder until then. An error is shown in
the card that failed; the others are drawn anyway.
"""

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
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_duration, format_recent_age
from lib.ui.components.layout import card, show_checks, show_empty_state

ROW_HEIGHT = 34


def show_recent_runs(runs: Sequence[LatestRun]) -> None:
    """Show the latest runs in a read-only table, with a link to Compare."""
    with card("Recent runs", f"the latest {len(runs)}, newest first" if runs else "", key="overview.recent"):
        if not runs:
            show_empty_state("science", "No runs yet", "Runs appear here as soon as a demo or script logs them.")
            return
        ids = [run.run_id for run in runs]
        button_key = hashed_key("overview.open", *ids)
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
        page_link("Compare runs", "compare", icon="compare_arrows")


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
    """Show the quick checks of the backend."""
    with card("This backend", "checked just now", key="overview.backend"):
        show_checks([(check.state, escape(check.label), escape(check.value)) for check in checks])


def show_in_parallel(show_card: Callable[[Backend], None], backend: Backend, rows: int = 1) -> None:
    """Load and draw a card in parallel with the others, with `rows` placeholder bars until it is ready."""

    @st.fragment(parallel=True)
    def _card() -> None:
        with error_boundary(), st.skeleton(height=ROW_HEIGHT * rows):
            show_card(backend)

    _card()


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def _cached_quick_report(backend: Backend) -> Report:
    """Return the Doctor's quick checks of a backend, run at most every two minutes across all sessions."""
    return run_checks(backend, now, checks=QUICK_CHECKS)


def show_health(backend: Backend) -> None:
    """Show the findings of the Doctor's quick checks, worst first, one line each. Fixes are on the Doctor page."""
    report = _cached_quick_report(backend)
    findings = [*report.problems_and_notices, *report.findings_with_level("fine"), *report.findings_with_level("skipped")]
    with card("Health", f"checked {format_recent_age(report.at, now())}", key="overview.health"):
        show_checks(
            [(HEALTH_BY_LEVEL[finding.level], escape(finding.title), escape(_finding_text(finding))) for finding in findings]
        )
        page_link("Open Doctor", "doctor", icon="stethoscope")


def _finding_text(finding: Finding) -> str:
    return finding.summary if finding.summary else "" if finding.level == "fine" else finding.level
