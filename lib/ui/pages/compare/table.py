"""Compare's run table: rows map to run ids, picks are stored in the URL by id, children follow their parents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from lib.backends.backend import Backend
from lib.runs.analysis.run_tree import TreeRow, build_run_tree
from lib.runs.table.run_table import METRIC_PREFIX, ConstantParam, column_direction, constant_params, sort_runs, subset
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, lazy_popover
from lib.ui.pages.compare.columns import (
    CURVE_COLUMN,
    MAX_HIGHLIGHTED_ROWS,
    available_columns,
    best_rows,
    cell_values,
    column_config,
    column_headings,
    column_label_with_kind,
    sortable_columns,
    sparkline_values,
    visible_columns,
)
from lib.ui.pages.compare.run_picker import PickerTable, run_names, show_run_picker
from lib.ui.pages.compare.view_state import bind_widget, column_label, unique_labels, update_url

MAX_VISIBLE_ROWS = 10
MAX_CONSTANTS = 6
BEST_CELL_STYLE = {"font-weight": "700", "background-color": "rgba(31, 95, 191, 0.12)"}
MAX_DRAWN_ROWS = 5000
"""Maximum rows sent to the browser; the number of omitted rows is shown."""
CHILD_INDENT = "\N{NO-BREAK SPACE}" * 2 + "└ "


def sorted_rows(view: ViewState, table: RunTable) -> list[TreeRow]:
    """Return the rows in the order from the URL; without children if they are hidden."""
    rows = build_run_tree(table, sort_runs(table, view.sort, descending=view.order == "falling"))
    return [row for row in rows if not row.depth or view.children != "hidden"]


def show_run_table(
    backend: Backend, view: ViewState, table: RunTable, rows: Sequence[TreeRow], experiment_names: Mapping[str, str]
) -> None:
    """Show the card with the table and a line with the constant parameters. `experiment_names` maps ids to names."""
    selected_run_ids = [row.run_id for row in rows if row.run_id in view.pick]
    title = format_count(len(rows), "run") + (f", {len(selected_run_ids)} picked" if selected_run_ids else "")
    drawn_rows = rows[:MAX_DRAWN_ROWS]
    with card():
        _show_heading(view, table, title)
        run_ids = [row.run_id for row in drawn_rows]
        cells, config = _build_table(view, table, drawn_rows, experiment_names)
        if sparklines := sparkline_values(backend, view, table, run_ids):
            config |= _add_sparkline_column(cells, sparklines)
        alt = (
            f"{len(run_ids)} runs, sorted by {column_label(view.sort)}. Arrow keys move through the rows, Shift+Space picks a run"
        )
        styled_cells = _highlight_best(cells, table) if 1 < len(run_ids) <= MAX_HIGHLIGHTED_ROWS else cells
        show_run_picker(view, PickerTable("table", tuple(run_ids), styled_cells, config, MAX_VISIBLE_ROWS, alt))
        _show_footer(table, omitted_count=len(rows) - len(drawn_rows))


def _show_heading(view: ViewState, table: RunTable, title: str) -> None:
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
            help=f"{'Highest' if falling else 'Lowest'} first. Click to reverse.",
            on_click=update_url,
            kwargs={"order": "rising" if falling else "falling", "sort": view.sort},
        )
        _show_column_select(view, table)
        st.space("stretch")  # the table's own toolbar overlaps the right end of this line


def _show_column_select(view: ViewState, table: RunTable) -> None:
    """Let the reader choose columns, their order, and which ones are pinned on the left."""
    with lazy_popover("compare.drawer.columns", "Columns", icon=":material/view_column:") as is_open:
        if not is_open:
            return
        column_names = visible_columns(view, table)
        options = {"options": available_columns(table), "format_func": column_label_with_kind}
        st.multiselect("Columns, in this order", placeholder="Default columns", **options, **bind_widget("columns", column_names))
        st.multiselect(
            "Pin on the left",
            column_names,
            format_func=column_label_with_kind,
            **bind_widget("pin", [name for name in view.pin if name in column_names]),
        )
        st.button(
            "Reset to default columns",
            type="tertiary",
            key="compare.usual",
            disabled=not view.columns,
            on_click=update_url,
            kwargs={"columns": (), "pin": ()},
        )


def _build_table(
    view: ViewState, table: RunTable, rows: Sequence[TreeRow], experiment_names: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the cells and configuration of every column; highlights the best cells of each metric, up to 500 rows."""
    run_ids = [row.run_id for row in rows]
    listed_runs = subset(table, run_ids)
    cells: dict[str, Any] = {
        "name": [CHILD_INDENT * row.depth + name for row, name in zip(rows, run_names(listed_runs), strict=True)]
    }
    config: dict[str, Any] = {"name": st.column_config.TextColumn("Run", width=150, pinned=True)}
    titles = column_headings([name for name in visible_columns(view, table) if name != CURVE_COLUMN], table.directions)
    for name, title in titles.items():
        cells[name] = cell_values(listed_runs, name, experiment_names)
        config[name] = column_config(view, listed_runs, name, title)
    cells["open"] = [f"run?run={run_id}" for run_id in run_ids]
    config["open"] = st.column_config.LinkColumn(" ", display_text="Open", width=56)
    return pd.DataFrame(cells), config


def _add_sparkline_column(frame: pd.DataFrame, sparklines: list[list[float]]) -> dict[str, Any]:
    """Insert the sparklines after the first two columns. Returns their configuration."""
    frame.insert(min(2, frame.shape[1]), CURVE_COLUMN, sparklines)
    return {CURVE_COLUMN: st.column_config.LineChartColumn("Curve", width=90, help="The colour metric over its steps.")}


def _highlight_best(cells: pd.DataFrame, table: RunTable) -> Styler:
    style = cells.style
    for name in cells:
        if str(name).startswith(METRIC_PREFIX) and (
            rows := best_rows(cells[name].to_numpy(), column_direction(table, str(name)))
        ):
            style = style.set_properties(subset=(rows, [name]), **BEST_CELL_STYLE)
    return style


def _show_footer(table: RunTable, *, omitted_count: int) -> None:
    """Show the number of omitted rows and the constant parameters in one line; a long list continues in a popover."""
    omission_note = (
        f"Showing the first {MAX_DRAWN_ROWS:,} of {format_count(MAX_DRAWN_ROWS + omitted_count, 'run')} in this order."
        if omitted_count
        else ""
    )
    params = sorted(constant_params(table), key=lambda param: param.missing_count > 0)
    if len(params) <= MAX_CONSTANTS + 1:
        st.caption(f"{omission_note} {_constants_text(params)}")
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small", wrap=False):
        st.caption(f"{omission_note} {_constants_text(params[:MAX_CONSTANTS])}", width="stretch")
        with st.popover(f"{len(params) - MAX_CONSTANTS} more", type="tertiary"):
            st.caption(_constants_text(params[MAX_CONSTANTS:]))


def _constants_text(params: Sequence[ConstantParam]) -> str:
    complete = [f"{escape(param.name)} {escape(param.value[:60])}" for param in params if not param.missing_count]
    partial = [f"{escape(param.name)} {escape(param.value[:60])}" for param in params if param.missing_count]
    parts = [("Same in all runs: ", complete), ("Same in all runs that have it: ", partial)]
    return " ".join(f"{label}{' · '.join(texts)}." for label, texts in parts if texts)
