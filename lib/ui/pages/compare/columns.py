"""The columns of Compare's table: which ones, in which order, how each one looks, and which cells are the best of their metric."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lib.runs.analysis.metric_direction import direction, titled
from lib.runs.table.number_format import reals, short_labels
from lib.runs.table.run_table import METRIC, PARAM, PLAIN, TAG, column, metrics, varying
from lib.runs.table.types import RunTable
from lib.ui.components.badges import RUN, pills
from lib.ui.components.formatting import plain
from lib.ui.pages.compare.run_picker import LETTERS, uncut, width_of, width_of_texts
from lib.ui.pages.compare.sparklines import CURVE
from lib.ui.pages.compare.view_state import View, said

FACTS = ("started", "seconds", "status", "user", "experiment", "versions", "source", "git_commit")
"""Columns of the identity that a reader may choose; the name always stands first."""
FINISHED = "FINISHED"
MOST_COLUMNS = 60
MOST_MARKED = 500
"""Rows up to which the best cells are marked: a style for each of more would cost more than it tells."""


def chosen(view: View, table: RunTable) -> list[str]:
    """The columns in their order: those of the address that are there, else those worth showing."""
    known = set(choices(table))
    asked = [name for name in view.columns if name in known]
    return (asked or usual(view, table))[:MOST_COLUMNS]


def choices(table: RunTable) -> list[str]:
    """Every column there is: metrics, parameters that differ and those that do not, facts, tags that are not MLflow's own."""
    params = [PARAM + str(name) for name in table.params]
    tags = [TAG + str(name) for name in table.tags if not str(name).startswith("mlflow.")]
    differing = varying(table)
    return [*metrics(table), CURVE, *differing, *(name for name in params if name not in differing), *FACTS, *tags]


def sortable(table: RunTable) -> list[str]:
    """What the rows can be sorted by."""
    return [*metrics(table), *varying(table), *PLAIN]


def titled_with_kind(name: str) -> str:
    """A column as a list of all columns names it: what it is called, and whether it is a metric, a parameter or a tag."""
    kinds = {METRIC: "metric", PARAM: "parameter", TAG: "tag"}
    kind = next((word for prefix, word in kinds.items() if name.startswith(prefix)), "fact")
    return f"{said(name)} ({kind})"


def usual(view: View, table: RunTable) -> list[str]:
    """The metric that colours, differing parameters, the other metrics, times; status, experiment and versions if they tell something."""
    special = [
        ("status", bool((table.identity.status != FINISHED).any())),
        ("experiment", table.identity.experiment.nunique() > 1),
    ]
    special.append(("versions", any(map(len, table.identity.versions))))
    scores = [name for name in metrics(table) if name != view.color]
    facts = ["started", "seconds", *(name for name, tells in special if tells)]
    return [*([view.color] if view.color else []), *varying(table), *scores, *facts]


def cells(table: RunTable, name: str, names: Mapping[str, str]) -> Any:
    """What stands in a column, an array or a list; `names` are those of the experiments."""
    values = column(table, name)
    if name.startswith(METRIC):
        return reals(values)
    if name == "status":
        return [[RUN.get(status, RUN[FINISHED])[2]] for status in values]
    if name == "experiment":
        return [plain(names.get(one, one)) for one in values]
    if name == "versions":
        return [", ".join(f"{plain(one.model)} v{one.version}" for one in held) for held in values]
    return values.array if pd.api.types.is_numeric_dtype(values) else uncut(values.array, LETTERS)


def headings(names: Sequence[str]) -> dict[str, str]:
    """A heading for each column: two with the same beginning stay two, and so do a metric and a parameter of one name."""
    full = {name: titled(said(name)) if name.startswith(METRIC) else said(name) for name in names}
    twice = {title for title in full.values() if list(full.values()).count(title) > 1}
    told = {name: titled_with_kind(name) if title in twice else title for name, title in full.items()}
    short = short_labels(list(told.values()), 26)
    return {name: short[title] for name, title in told.items()}


def looks(view: View, table: RunTable, name: str, title: str) -> Any:
    """The column's format and width under this heading."""
    values, pinned = column(table, name), name in view.pin
    if name.startswith(METRIC):
        return _metric(name, values, title, pinned=pinned or name == view.color, bar=name == view.color)
    if name == "started":
        return st.column_config.DatetimeColumn(
            "Started (UTC)", format="D MMM YYYY, HH:mm", timezone="UTC", width=140, pinned=pinned
        )
    if name == "seconds":
        return st.column_config.NumberColumn("Took", format="%.1f s", width=70, pinned=pinned)
    if name == "status":
        return st.column_config.MultiselectColumn("Status", width=110, pinned=pinned, **pills(RUN))
    return _plain(values, title, pinned=pinned)


def _plain(values: "pd.Series", title: str, *, pinned: bool) -> Any:
    if pd.api.types.is_numeric_dtype(values):
        return st.column_config.NumberColumn(title, width=width_of(title, 60), pinned=pinned)
    return st.column_config.TextColumn(title, width=width_of(title, width_of_texts(values)), pinned=pinned)


def _metric(name: str, values: "pd.Series[float]", title: str, *, pinned: bool, bar: bool) -> Any:
    low, high = ends(reals(values))
    form = "%.4f" if max(-low, high) <= 1 else "%.3f" if max(-low, high) < 100 else "%.1f"
    if bar and high > low and direction(said(name)) == "more":
        floor = low - (high - low) / 4
        note = f"The bar runs from {floor:.4g} to {high:.4g}."
        return st.column_config.ProgressColumn(
            title, min_value=floor, max_value=high, format=form, color="blue", width=146, pinned=pinned, help=note
        )
    return st.column_config.NumberColumn(title, format=form, width=width_of(title, 78), pinned=pinned)


def best_rows(numbers: np.ndarray, name: str) -> list[int]:
    """The rows with the best value of a metric, NaN being none; no row where neither way is better or all are the same."""
    towards = direction(name.removeprefix(METRIC))
    low, high = ends(numbers)
    if towards == "neither" or low == high:
        return []
    return np.flatnonzero(numbers == (low if towards == "less" else high)).tolist()


def ends(numbers: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number, NaN left out; both are 0 where there is none."""
    there = numbers[~np.isnan(numbers)]
    return (float(there.min()), float(there.max())) if len(there) else (0.0, 0.0)
