"""The small curves in Compare's table: how the metric that colours went in each run."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.reading.metric_history import read_sparklines
from lib.runs.table.run_table import METRIC_PREFIX
from lib.runs.table.types import RunTable
from lib.ui.pages.compare.view_state import ViewState

CURVE_COLUMN = "curve"
MAX_SPARKLINE_ROWS = 500
"""Rows up to which curves are drawn in the table: each is up to thirty numbers to be sent."""


def sparkline_values(backend: Backend, view: ViewState, table: RunTable, run_ids: Sequence[str]) -> list[list[float]] | None:
    """A few values of the metric per run; None when no run logged it more than once, or for a table that is too long.

    A server is asked only when the reader chose the column, and then for the first fifty runs: each curve costs it a request.
    """
    wanted = CURVE_COLUMN in view.columns or (backend.path is not None and not view.columns)
    if not wanted or not view.color or len(run_ids) > MAX_SPARKLINE_ROWS:
        return None
    found = _read(backend, tuple(run_ids), view.color.removeprefix(METRIC_PREFIX), table.read_at)
    return [found.get(run_id, []) for run_id in run_ids] if any(len(values) > 1 for values in found.values()) else None


@st.cache_data(ttl=600, max_entries=16, show_spinner=False)
def _read(here: Backend, ids: tuple[str, ...], metric: str, read_at: datetime | None) -> dict[str, list[float]]:
    return read_sparklines(here, ids, metric)
