"""The runs of Compare as a table: rows stand for run ids, picks go into the address by id, children stand below their parents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from lib.backends.backend import Backend
from lib.runs.analysis.run_tree import TreeRow, build_run_tree
from lib.runs.table.run_table import METRIC_PREFIX, ConstantParam, constant_params, sort_runs, subset
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card
from lib.ui.components.popover import lazy_popover
from lib.ui.pages.compare.columns import (
    MAX_HIGHLIGHTED_ROWS,
    available_columns,
    best_rows,
    cell_values,
    column_config,
    column_headings,
    column_label_with_kind,
    sortable_columns,
    visible_columns,
)
from lib.ui.pages.compare.run_picker import PickerTable, run_names, show_run_picker
from lib.ui.pages.compare.sparklines import CURVE_COLUMN, sparkline_values
from lib.ui.pages.compare.view_state import ViewState, bind_widget, column_label, unique_labels, update_url

MAX_VISIBLE_ROWS = 10
MAX_CONSTANTS = 6
BEST_CELL_STYLE = {"font-weight": "700", "background-color": "rgba(31, 95, 191, 0.12)"}
MAX_DRAWN_ROWS = 5000
"""Rows that the browser takes at once; more are said, not drawn."""
CHILD_INDENT = "\N{NO-BREAK SPACE}" * 2 + "└ "


def sorted_rows(view: ViewState, table: RunTable) -> list[TreeRow]:
    """The rows in the order that the address asks for; without the children when they are folded away."""
    made = build_run_tree(table, sort_runs(table, view.sort, descending=view.order == "falling"))
    return [line for line in made if not line.depth or view.children != "hidden"]


def show_run_table(
    backend: Backend, view: ViewState, table: RunTable, rows: Sequence[TreeRow], experiment_names: Mapping[str, str]
) -> None:
    """The card with the table, and the parameters that are the same everywhere in one line below it. `names` of the experiments."""
    picked = [line.run_id for line in rows if line.run_id in view.pick]
    title = format_count(len(rows), "run") + (f", {len(picked)} picked" if picked else "")
    drawn = rows[:MAX_DRAWN_ROWS]
    with card():
        _head(view, table, title)
        ids = [line.run_id for line in drawn]
        sheet, look = _sheet(view, table, drawn, experiment_names)
        if small := sparkline_values(backend, view, table, ids):
            look |= add_sparkline_column(sheet, small)
        said_ = f"{len(ids)} runs, sorted by {column_label(view.sort)}. The arrows go through them, Shift and Space pick one"
        marked = _marked(sheet) if 1 < len(ids) <= MAX_HIGHLIGHTED_ROWS else sheet
        show_run_picker(view, PickerTable("table", tuple(ids), marked, look, MAX_VISIBLE_ROWS, said_))
        _foot(table, left_out=len(rows) - len(drawn))


def _head(view: ViewState, table: RunTable, title: str) -> None:
    falling, options = view.order == "falling", unique_labels(sortable_columns(table))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False, width="content")
        st.selectbox(
            "Sort by",
            list(options),
            format_func=lambda name: f"Sort: {options[name]}",
            label_visibility="collapsed",
            width=180,
            **bind_widget("sort", view.sort),
        )
        st.button(
            "Highest" if falling else "Lowest",
            icon=f":material/{'arrow_downward' if falling else 'arrow_upward'}:",
            key="compare.turn",
            help=f"{'Highest' if falling else 'Lowest'} first. Click to turn the order round.",
            on_click=update_url,
            kwargs={"order": "rising" if falling else "falling", "sort": view.sort},
        )
        _columns(view, table)
        st.space("stretch")  # the table's own toolbar appears over the right end of this line


def _columns(view: ViewState, table: RunTable) -> None:
    """Which columns, in which order, and which of them stay at the left while the others move."""
    with lazy_popover("columns", "Columns", icon=":material/view_column:") as is_open:
        if not is_open:
            return
        shown = visible_columns(view, table)
        kind = {"options": available_columns(table), "format_func": column_label_with_kind}
        st.multiselect("Columns, in this order", placeholder="The usual ones", **kind, **bind_widget("columns", shown))
        st.multiselect(
            "Stay at the left",
            shown,
            format_func=column_label_with_kind,
            **bind_widget("pin", [n for n in view.pin if n in shown]),
        )
        st.button(
            "The usual columns",
            type="tertiary",
            key="compare.usual",
            disabled=not view.columns,
            on_click=update_url,
            kwargs={"columns": (), "pin": ()},
        )


def _sheet(
    view: ViewState, table: RunTable, rows: Sequence[TreeRow], names: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cells and the look of every column; the best cells of each metric are bold on a tint, up to 500 rows."""
    ids = [line.run_id for line in rows]
    part = subset(table, ids)
    made: dict[str, Any] = {"name": [CHILD_INDENT * line.depth + name for line, name in zip(rows, run_names(part), strict=True)]}
    look: dict[str, Any] = {"name": st.column_config.TextColumn("Run", width=150, pinned=True)}
    titles = column_headings([name for name in visible_columns(view, table) if name != CURVE_COLUMN])
    for name, title in titles.items():
        made[name] = cell_values(part, name, names)
        look[name] = column_config(view, part, name, title)
    made["open"] = [f"run?run={run_id}" for run_id in ids]
    look["open"] = st.column_config.LinkColumn(" ", display_text="Open", width=56)
    return pd.DataFrame(made), look


def add_sparkline_column(frame: pd.DataFrame, sparklines: list[list[float]]) -> dict[str, Any]:
    """Put the small curves behind the first two columns, and say how they look."""
    frame.insert(min(2, frame.shape[1]), CURVE_COLUMN, sparklines)
    return {
        CURVE_COLUMN: st.column_config.LineChartColumn("Curve", width=90, help="How the metric that colours went over its steps.")
    }


def _marked(sheet: pd.DataFrame) -> Styler:
    style = sheet.style
    for name in sheet:
        if str(name).startswith(METRIC_PREFIX) and (rows := best_rows(sheet[name].to_numpy(), str(name))):
            style = style.set_properties(subset=(rows, [name]), **BEST_CELL_STYLE)
    return style


def _foot(table: RunTable, *, left_out: int) -> None:
    """What is not drawn, and the parameters with one value in one line; the whole list a click away when it is long."""
    age = (
        f"Showing the first {MAX_DRAWN_ROWS:,} of {format_count(MAX_DRAWN_ROWS + left_out, 'run')} in this order."
        if left_out
        else ""
    )
    found = sorted(constant_params(table), key=lambda one: one.missing_count > 0)
    if len(found) <= MAX_CONSTANTS + 1:
        st.caption(f"{age} {_same(found)}")
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small", wrap=False):
        st.caption(f"{age} {_same(found[:MAX_CONSTANTS])}", width="stretch")
        with st.popover(f"{len(found) - MAX_CONSTANTS} more", type="tertiary"):
            st.caption(_same(found[MAX_CONSTANTS:]))


def _same(found: Sequence[ConstantParam]) -> str:
    everywhere = [f"{escape(one.name)} {escape(one.value[:60])}" for one in found if not one.missing_count]
    somewhere = [f"{escape(one.name)} {escape(one.value[:60])}" for one in found if one.missing_count]
    parts = [("The same in all: ", everywhere), ("The same in all that have it: ", somewhere)]
    return " ".join(f"{said_}{' · '.join(texts)}." for said_, texts in parts if texts)
