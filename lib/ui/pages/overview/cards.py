"""The cards of Overview that speak of runs and of the backend. Those that speak of models are in `models`."""

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from lib.backends.quick_summary import SummaryRow
from lib.runs.reading.latest_runs import LatestRun, headline_metric
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.components.badges import RUN_STATUS_BADGES, badge_column_options
from lib.ui.components.formatting import escape, format_duration
from lib.ui.components.layout import card, show_checks, show_empty_state


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
            height="content",
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
