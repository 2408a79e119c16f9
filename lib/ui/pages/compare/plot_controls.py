"""Controls shared by Compare's statistical plots: metric and column selectors, run clicks, and column labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from lib.runs.analysis.grouping import TAG_PREFIX
from lib.runs.plots.box import POINT_SELECTION
from lib.runs.table.number_format import finite_numbers, short_labels
from lib.runs.table.run_table import column_values, metric_columns
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.data_table import hashed_key
from lib.ui.components.formatting import escape
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare.view_state import bind_widget, column_label, unique_labels, update_url, view_from_url

PICK_HINT = "Click a run to select it; click again to deselect."


def measurable_metrics(runs: RunTable) -> list[str]:
    """Return the metrics in which at least one of these runs has a number."""
    return [name for name in metric_columns(runs) if not np.isnan(finite_numbers(column_values(runs, name))).all()]


def resolve_metric(view: ViewState, runs: RunTable) -> str:
    """Return the metric from the URL parameter `y`, otherwise the colour metric, otherwise the first; "" if there is none."""
    names = measurable_metrics(runs)
    return next((name for name in (view.y, view.color, *names) if name in names), "")


def show_metric_selector(view: ViewState, runs: RunTable, label: str) -> str:
    """Show a select box for the metric and return the current one (see `resolve_metric`); "" if there is none."""
    metric = resolve_metric(view, runs)
    if metric:
        column_selectbox(label, measurable_metrics(runs), bind_widget("y", metric))
    else:
        show_empty_state(
            "query_stats", "No metric to show", "None of these runs has a numeric metric. Log one, or change the filter."
        )
    return metric


def column_selectbox(label: str, names: Sequence[str], widget_kwargs: dict[str, Any]) -> None:
    """Show a select box for a column; its purpose is part of each option, and long names are shortened to distinct labels."""
    full = unique_labels(names, column_label_with_tag)
    short = short_labels(list(full.values()), 23)
    st.selectbox(
        label,
        names,
        format_func=lambda name: f"{label}: {short[full[name]]}",
        label_visibility="collapsed",
        width=240,
        **widget_kwargs,
    )


def run_click_kwargs(name: str, selected_run_ids: Sequence[str]) -> dict[str, Any]:
    """Return key and callback of a chart in which a click on a run picks or unpicks it.

    The picks are part of the key, because a chart that keeps its selection does not report a second click on the same run.
    """
    key = hashed_key(f"compare.{name}", *selected_run_ids)
    return {"key": key, "selection_mode": POINT_SELECTION, "on_select": lambda: _on_run_click(key)}


def _on_run_click(key: str) -> None:
    clicked_run_ids = [row["run_id"] for row in st.session_state[key]["selection"].get(POINT_SELECTION, []) if "run_id" in row]
    selected_run_ids = view_from_url().pick
    update_url(
        pick=(
            *(run_id for run_id in selected_run_ids if run_id not in clicked_run_ids),
            *(run_id for run_id in clicked_run_ids if run_id not in selected_run_ids),
        )
    )


def column_label_with_tag(name: str) -> str:
    """Return a column's label without its kind, except for a tag, since a parameter may have the same name."""
    return f"tag {name.removeprefix(TAG_PREFIX)}" if name.startswith(TAG_PREFIX) else column_label(name)


def column_list_text(names: Sequence[str], max_names: int = 6) -> str:
    """Return columns as a Markdown list in a sentence: the first few and the number of others."""
    more_text = f" and {len(names) - max_names} more" if len(names) > max_names else ""
    return ", ".join(escape(column_label_with_tag(name)) for name in names[:max_names]) + more_text
