"""The columns of Compare's table: selection, order, formatting, and the best cells per metric."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis.metric_direction import Direction, MetricDirections
from lib.runs.reading.metric_history import read_sparklines
from lib.runs.table.number_format import finite_numbers, short_labels
from lib.runs.table.run_table import (
    METRIC_PREFIX,
    PARAM_PREFIX,
    PLAIN_COLUMNS,
    TAG_PREFIX,
    column_direction,
    column_values,
    metric_columns,
    varying_params,
)
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.text import strip_invisible
from lib.ui.components.badges import RUN_STATUS_BADGES, badge_column_options
from lib.ui.pages.compare.run_picker import MAX_CELL_LENGTH, distinct_cell_texts, heading_width, text_width
from lib.ui.pages.compare.view_state import column_label

IDENTITY_COLUMNS = ("started", "seconds", "status", "user", "experiment", "versions", "source", "git_commit")
"""Identity columns that a reader can choose; the name always comes first."""
CURVE_COLUMN = "curve"
MAX_SPARKLINE_ROWS = 500
"""Maximum rows with sparklines: each one sends up to thirty numbers to the browser."""
FINISHED = "FINISHED"
MAX_COLUMNS = 60
MAX_HIGHLIGHTED_ROWS = 500
"""Maximum rows for which the best cells are highlighted: beyond that the styles cost more than they are worth."""


def visible_columns(view: ViewState, table: RunTable) -> list[str]:
    """Return the columns in order: the existing ones from the URL, otherwise the defaults."""
    known = set(available_columns(table))
    selected_columns = [name for name in view.columns if name in known]
    return (selected_columns or _default_columns(view, table))[:MAX_COLUMNS]


def available_columns(table: RunTable) -> list[str]:
    """Return all columns: metrics, differing and constant parameters, identity columns, and tags other than MLflow's own."""
    params = [PARAM_PREFIX + str(name) for name in table.params]
    tags = [TAG_PREFIX + str(name) for name in table.tags if not str(name).startswith("mlflow.")]
    differing = varying_params(table)
    return [
        *metric_columns(table),
        CURVE_COLUMN,
        *differing,
        *(name for name in params if name not in differing),
        *IDENTITY_COLUMNS,
        *tags,
    ]


def sortable_columns(table: RunTable) -> list[str]:
    """Return the columns that rows can be sorted by."""
    return [*metric_columns(table), *varying_params(table), *PLAIN_COLUMNS]


def column_label_with_kind(name: str) -> str:
    """Return a column's label with its kind: metric, parameter, tag or fact."""
    kinds = {METRIC_PREFIX: "metric", PARAM_PREFIX: "parameter", TAG_PREFIX: "tag"}
    kind = next((label for prefix, label in kinds.items() if name.startswith(prefix)), "fact")
    return f"{column_label(name)} ({kind})"


def _default_columns(view: ViewState, table: RunTable) -> list[str]:
    """Return the colour metric, differing parameters, other metrics, times, and status, experiment and versions if informative."""
    special = [
        ("status", bool((table.identity.status != FINISHED).any())),
        ("experiment", table.identity.experiment.nunique() > 1),
    ]
    special.append(("versions", any(map(len, table.identity.versions))))
    other_metrics = [name for name in metric_columns(table) if name != view.color]
    facts = ["started", "seconds", *(name for name, is_informative in special if is_informative)]
    return [*([view.color] if view.color else []), *varying_params(table), *other_metrics, *facts]


def cell_values(table: RunTable, name: str, experiment_names: Mapping[str, str]) -> Any:
    """Return the cells of a column as an array or list. `experiment_names` maps ids to names."""
    values = column_values(table, name)
    if name.startswith(METRIC_PREFIX):
        return finite_numbers(values)
    if name == "status":
        return [[RUN_STATUS_BADGES.get(status, RUN_STATUS_BADGES[FINISHED])[2]] for status in values]
    if name == "experiment":
        return [strip_invisible(experiment_names.get(experiment_id, experiment_id)) for experiment_id in values]
    if name == "versions":
        return [", ".join(f"{strip_invisible(version.model)} v{version.version}" for version in versions) for versions in values]
    return values.array if pd.api.types.is_numeric_dtype(values) else distinct_cell_texts(values.array, MAX_CELL_LENGTH)


def sparkline_values(backend: Backend, view: ViewState, table: RunTable, run_ids: Sequence[str]) -> list[list[float]] | None:
    """Return a few values of the colour metric per run; None if no run logged it more than once or the table is too long.

    A server is queried only if the reader chose the column, and only for the first fifty runs: each curve costs a request.
    """
    is_visible = CURVE_COLUMN in view.columns or (backend.path is not None and not view.columns)
    if not is_visible or not view.color or len(run_ids) > MAX_SPARKLINE_ROWS:
        return None
    sparklines = _cached_sparklines(backend, tuple(run_ids), view.color.removeprefix(METRIC_PREFIX), table.read_at)
    return [sparklines.get(run_id, []) for run_id in run_ids] if any(len(values) > 1 for values in sparklines.values()) else None


@st.cache_data(ttl=600, max_entries=16, show_spinner=False)
def _cached_sparklines(
    backend: Backend, run_ids: tuple[str, ...], metric: str, read_at: datetime | None
) -> dict[str, list[float]]:
    return read_sparklines(backend, run_ids, metric)


def column_headings(names: Sequence[str], directions: MetricDirections) -> dict[str, str]:
    """Return a distinct heading per column, even for names with a common prefix or a metric and a parameter of the same name."""
    full = {
        name: directions.title(column_label(name)) if name.startswith(METRIC_PREFIX) else column_label(name) for name in names
    }
    repeated_titles = {title for title in full.values() if list(full.values()).count(title) > 1}
    titles = {name: column_label_with_kind(name) if title in repeated_titles else title for name, title in full.items()}
    short = short_labels(list(titles.values()), 26)
    return {name: short[title] for name, title in titles.items()}


def column_config(view: ViewState, table: RunTable, name: str, title: str) -> Any:
    """Return the column's format and width under this heading."""
    values, pinned = column_values(table, name), name in view.pin
    if name.startswith(METRIC_PREFIX):
        return _metric_column(
            values, title, pinned=pinned or name == view.color, bar=name == view.color and column_direction(table, name) == "more"
        )
    if name == "started":
        return st.column_config.DatetimeColumn(
            "Started (UTC)", format="D MMM YYYY, HH:mm", timezone="UTC", width=140, pinned=pinned
        )
    if name == "seconds":
        return st.column_config.NumberColumn("Duration", format="%.1f s", width=80, pinned=pinned)
    if name == "status":
        return st.column_config.MultiselectColumn("Status", width=110, pinned=pinned, **badge_column_options(RUN_STATUS_BADGES))
    return _plain_column(values, title, pinned=pinned)


def _plain_column(values: "pd.Series", title: str, *, pinned: bool) -> Any:
    if pd.api.types.is_numeric_dtype(values):
        return st.column_config.NumberColumn(title, width=heading_width(title, 60), pinned=pinned)
    return st.column_config.TextColumn(title, width=heading_width(title, text_width(values)), pinned=pinned)


def _metric_column(values: "pd.Series[float]", title: str, *, pinned: bool, bar: bool) -> Any:
    low, high = min_and_max(finite_numbers(values))
    number_format = "%.4f" if max(-low, high) <= 1 else "%.3f" if max(-low, high) < 100 else "%.1f"
    if bar and high > low:
        floor = low - (high - low) / 4
        note = f"The bar runs from {floor:.4g} to {high:.4g}."
        return st.column_config.ProgressColumn(
            title, min_value=floor, max_value=high, format=number_format, color="blue", width=146, pinned=pinned, help=note
        )
    return st.column_config.NumberColumn(title, format=number_format, width=heading_width(title, 78), pinned=pinned)


def best_rows(numbers: np.ndarray, direction: Direction) -> list[int]:
    """Return the rows with the best value of a metric, ignoring NaN; empty if no direction is known or all values are equal."""
    low, high = min_and_max(numbers)
    if direction == "neither" or low == high:
        return []
    return np.flatnonzero(numbers == (low if direction == "less" else high)).tolist()


def min_and_max(numbers: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest number, ignoring NaN; both are 0 if there are none."""
    real_numbers = numbers[~np.isnan(numbers)]
    return (float(real_numbers.min()), float(real_numbers.max())) if len(real_numbers) else (0.0, 0.0)
