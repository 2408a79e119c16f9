"""What the statistical plots of Compare share: the metric they judge, and a choice that the address carries under another plot's name."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from lib.runs.analysis.grouping import TAG
from lib.runs.plots.box import PICK
from lib.runs.table.number_format import reals, short_labels
from lib.runs.table.run_table import column, metrics
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import md
from lib.ui.components.layout import empty
from lib.ui.pages.compare.view_state import View, asked, bound, keep, said, told_apart

PICKS = "Click a run to pick it, once more to let it go."


def measurable(runs: RunTable) -> list[str]:
    """The metrics of which at least one of these runs has a number."""
    return [name for name in metrics(runs) if not np.isnan(reals(column(runs, name))).all()]


def judged(view: View, runs: RunTable) -> str:
    """The metric that `y` in the address names, else the one that colours, else the first; "" when there is none."""
    names = measurable(runs)
    return next((name for name in (view.y, view.color, *names) if name in names), "")


def choose_metric(view: View, runs: RunTable, label: str) -> str:
    """The metric that `y` in the address names, else the one that colours, to be changed by a select box. "" when there is none."""
    chosen = judged(view, runs)
    if chosen:
        select(label, measurable(runs), bound("y", chosen))
    else:
        empty("query_stats", "No metric to show", "None of these runs has a number in a metric. Log one, or change the filter.")
    return chosen


def select(label: str, names: Sequence[str], binding: dict[str, Any]) -> None:
    """A select box for a column, with the word for what it does in the option; two long names never look alike."""
    full = told_apart(names, called)
    short = short_labels(list(full.values()), 23)
    st.selectbox(
        label,
        names,
        format_func=lambda name: f"{label}: {short[full[name]]}",
        label_visibility="collapsed",
        width=240,
        **binding,
    )


def pickable(name: str, picked: Sequence[str]) -> dict[str, Any]:
    """Key and callback of a chart of which a click on a run picks it, and a click on a picked run lets it go.

    The picks are part of the key: a chart that kept its selection would not notice a second click on the same run.
    """
    key = f"compare.{name}." + hashlib.sha256("\n".join(picked).encode()).hexdigest()[:16]
    return {"key": key, "selection_mode": PICK, "on_select": lambda: _turn(key)}


def _turn(key: str) -> None:
    chosen = [row["run_id"] for row in st.session_state[key]["selection"].get(PICK, []) if "run_id" in row]
    before = asked().pick
    keep(pick=(*(run_id for run_id in before if run_id not in chosen), *(one for one in chosen if one not in before)))


def called(name: str) -> str:
    """A column without its kind; a tag keeps the word, since a parameter may have the same name."""
    return f"tag {name.removeprefix(TAG)}" if name.startswith(TAG) else said(name)


def listed(names: Sequence[str], most: int = 6) -> str:
    """Columns in a sentence, as Markdown; the first few and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(md(called(name)) for name in names[:most]) + more
