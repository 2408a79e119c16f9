"""The runs selected in a plot: their number, a compact table to pick from, and buttons to pick all or clear the selection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.plots.style import column_title
from lib.runs.table.number_format import finite_numbers, is_finite_number, short_labels
from lib.runs.table.run_table import METRIC_PREFIX, column_values, subset
from lib.ui.components.formatting import escape, format_count
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.run_picker import (
    MAX_CELL_LENGTH,
    PickerTable,
    distinct_cell_texts,
    heading_width,
    run_names,
    show_run_picker,
    text_width,
)
from lib.ui.pages.compare.view_state import update_url, view_from_url

MAX_VISIBLE_ROWS = 6
MAX_PICKS_AT_ONCE = 50


@dataclass(frozen=True)
class PlotSelection:
    """The selection: runs, where ("in the ranges"), by what ("trees 5 to 15"), table columns, and how to clear it.

    `facets` are the same ranges as URL facets.
    """

    run_ids: tuple[str, ...]
    where_text: str
    range_texts: tuple[str, ...]
    columns: tuple[str, ...]
    clear: Callable[[], None]
    facets: tuple[str, ...] = ()


def show_plot_selection(context: PlotContext, selection: PlotSelection) -> None:
    """Show the selected runs below their plot."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{len(selection.run_ids):,} of {format_count(len(context.runs), 'run')} {selection.where_text}**", width="content"
        )
        st.caption(escape(" · ".join(selection.range_texts)), width="stretch")
        _show_actions(selection)
    if selection.run_ids:
        _show_selected_runs(context, selection)


def _show_actions(selection: PlotSelection) -> None:
    first_run_ids = selection.run_ids[:MAX_PICKS_AT_ONCE]
    new_run_ids = [run_id for run_id in first_run_ids if run_id not in set(view_from_url().pick)]
    runs_text = (
        "this run"
        if len(selection.run_ids) == 1
        else "these"
        if len(selection.run_ids) <= MAX_PICKS_AT_ONCE
        else f"the first {MAX_PICKS_AT_ONCE}"
    )
    st.button(
        f"Pick {runs_text}",
        icon=":material/check_box:",
        key="compare.pick_these",
        on_click=_add_picks,
        args=(new_run_ids,),
        disabled=not new_run_ids,
    )
    if selection.facets:
        st.button(
            "Keep only these",
            icon=":material/filter_alt:",
            type="tertiary",
            key="compare.keep_only",
            on_click=_add_facets,
            args=(selection,),
            help="Filter the page by these ranges. They become conditions that you can remove one by one.",
        )
    st.button(
        "Clear selection", type="tertiary", key="compare.let_go_of_range", on_click=selection.clear, help="Clear this selection"
    )


def _add_facets(selection: PlotSelection) -> None:
    update_url(facet=tuple(dict.fromkeys((*view_from_url().facet, *selection.facets))))
    selection.clear()


def _add_picks(run_ids: Sequence[str]) -> None:
    update_url(pick=tuple(dict.fromkeys((*view_from_url().pick, *run_ids))))


def _show_selected_runs(context: PlotContext, selection: PlotSelection) -> None:
    cells, column_config = _build_table(context, selection)
    alt = f"The {len(selection.run_ids)} selected runs"
    show_run_picker(
        context.view, PickerTable("brushed", selection.run_ids, cells, column_config, MAX_VISIBLE_ROWS, alt, {"width": "content"})
    )


def _build_table(context: PlotContext, selection: PlotSelection) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the cells by unique column name, and the column configuration."""
    selected_runs = subset(context.all_runs, selection.run_ids)
    cells: dict[str, Any] = {"run": run_names(selected_runs)}
    column_config: dict[str, Any] = {"run": st.column_config.TextColumn("Run", width=150, pinned=True)}
    if context.style.experiment_names:
        cells["home"] = distinct_cell_texts(selected_runs.identity.experiment, MAX_CELL_LENGTH)
        column_config["home"] = st.column_config.TextColumn(
            "Experiment", width=heading_width("Experiment", text_width(selected_runs.identity.experiment))
        )
    full_titles = {name: column_title(name, context.style.directions) for name in selection.columns}
    titles = short_labels(list(full_titles.values()), 24)
    for name in selection.columns:
        values = column_values(selected_runs, name)
        cells[name] = finite_numbers(values) if name.startswith(METRIC_PREFIX) else distinct_cell_texts(values, MAX_CELL_LENGTH)
        column_config[name] = _column_config(name, values, titles[full_titles[name]])
    return pd.DataFrame(cells), column_config


def _column_config(name: str, values: "pd.Series", title: str) -> Any:
    note = escape(name) if "…" in title else None
    if not pd.api.types.is_numeric_dtype(values):
        return st.column_config.TextColumn(title, width=heading_width(title, text_width(values)), help=note)
    is_fraction = name.startswith(METRIC_PREFIX) and all(abs(value) <= 1 for value in values if is_finite_number(value))
    return st.column_config.NumberColumn(title, width=heading_width(title, 90), help=note, format="%.4f" if is_fraction else None)
