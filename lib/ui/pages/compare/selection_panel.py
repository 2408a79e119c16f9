"""The runs that a selection in a plot holds: how many, a compact table to pick from, all of them picked at once, and the way back."""

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
    """What is selected: the runs, in words where ("in the ranges") and by what ("trees 5 to 15"), which columns to show, the way back.

    `conditions` are the same ranges as facets.
    """

    run_ids: tuple[str, ...]
    where_text: str
    range_texts: tuple[str, ...]
    columns: tuple[str, ...]
    clear: Callable[[], None]
    facets: tuple[str, ...] = ()


def show_plot_selection(context: PlotContext, selection: PlotSelection) -> None:
    """The selected runs under their plot."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{len(selection.run_ids):,} of {format_count(len(context.runs), 'run')} {selection.where_text}**", width="content"
        )
        st.caption(escape(" · ".join(selection.range_texts)), width="stretch")
        _deeds(selection)
    if selection.run_ids:
        _table(context, selection)


def _deeds(held: PlotSelection) -> None:
    first = held.run_ids[:MAX_PICKS_AT_ONCE]
    new = [run_id for run_id in first if run_id not in set(view_from_url().pick)]
    which = (
        "this run"
        if len(held.run_ids) == 1
        else "these"
        if len(held.run_ids) <= MAX_PICKS_AT_ONCE
        else f"the first {MAX_PICKS_AT_ONCE}"
    )
    st.button(
        f"Pick {which}", icon=":material/check_box:", key="compare.pick_these", on_click=_add, args=(new,), disabled=not new
    )
    if held.facets:
        st.button(
            "Keep only these",
            icon=":material/filter_alt:",
            type="tertiary",
            key="compare.keep_only",
            on_click=_narrow,
            args=(held,),
            help="Narrow the whole page to these ranges: they become conditions that you can take away one by one.",
        )
    st.button("Let go", type="tertiary", key="compare.let_go_of_range", on_click=held.clear, help="Clear what is selected here")


def _narrow(held: PlotSelection) -> None:
    update_url(facet=tuple(dict.fromkeys((*view_from_url().facet, *held.facets))))
    held.clear()


def _add(ids: Sequence[str]) -> None:
    update_url(pick=tuple(dict.fromkeys((*view_from_url().pick, *ids))))


def _table(scene: PlotContext, held: PlotSelection) -> None:
    sheet, look = _sheet(scene, held)
    said = f"The {len(held.run_ids)} selected runs"
    show_run_picker(scene.view, PickerTable("brushed", held.run_ids, sheet, look, MAX_VISIBLE_ROWS, said, {"width": "content"}))


def _sheet(scene: PlotContext, held: PlotSelection) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cells by column name, which no two columns share, and how each is headed and written."""
    part = subset(scene.all_runs, held.run_ids)
    cells: dict[str, Any] = {"run": run_names(part)}
    look: dict[str, Any] = {"run": st.column_config.TextColumn("Run", width=150, pinned=True)}
    if scene.style.experiment_names:
        cells["home"] = distinct_cell_texts(part.identity.experiment, MAX_CELL_LENGTH)
        look["home"] = st.column_config.TextColumn(
            "Experiment", width=heading_width("Experiment", text_width(part.identity.experiment))
        )
    titles = short_labels([column_title(name) for name in held.columns], 24)
    for name in held.columns:
        values = column_values(part, name)
        cells[name] = finite_numbers(values) if name.startswith(METRIC_PREFIX) else distinct_cell_texts(values, MAX_CELL_LENGTH)
        look[name] = _column(name, values, titles[column_title(name)])
    return pd.DataFrame(cells), look


def _column(name: str, values: "pd.Series", title: str) -> Any:
    note = escape(name) if "…" in title else None
    if not pd.api.types.is_numeric_dtype(values):
        return st.column_config.TextColumn(title, width=heading_width(title, text_width(values)), help=note)
    small = name.startswith(METRIC_PREFIX) and all(abs(value) <= 1 for value in values if is_finite_number(value))
    return st.column_config.NumberColumn(title, width=heading_width(title, 90), help=note, format="%.4f" if small else None)
