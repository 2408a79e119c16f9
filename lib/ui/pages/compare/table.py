"""The runs of Compare as a table: rows stand for run ids, picks go into the address by id, children stand below their parents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from lib.backends.backend import Backend
from lib.runs.analysis.run_tree import Line, tree
from lib.runs.table.run_table import METRIC, Constant, constants, ordered, subset
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import card
from lib.ui.components.popover import drawer
from lib.ui.pages.compare.columns import (
    MOST_MARKED,
    best_rows,
    cells,
    choices,
    chosen,
    headings,
    looks,
    sortable,
    titled_with_kind,
)
from lib.ui.pages.compare.run_picker import Ticked, names_of, ticked
from lib.ui.pages.compare.sparklines import CURVE, curves
from lib.ui.pages.compare.view_state import View, bound, keep, said, told_apart

MOST_ROWS = 10
MOST_CONSTANTS = 6
BEST = {"font-weight": "700", "background-color": "rgba(31, 95, 191, 0.12)"}
MOST_DRAWN = 5000
"""Rows that the browser takes at once; more are said, not drawn."""
CHILD = "\N{NO-BREAK SPACE}" * 2 + "└ "


def lines(view: View, table: RunTable) -> list[Line]:
    """The rows in the order that the address asks for; without the children when they are folded away."""
    made = tree(table, ordered(table, view.sort, falling=view.order == "falling"))
    return [line for line in made if not line.depth or view.children != "hidden"]


def runs_table(here: Backend, view: View, table: RunTable, rows: Sequence[Line], names: Mapping[str, str]) -> None:
    """The card with the table, and the parameters that are the same everywhere in one line below it. `names` of the experiments."""
    picked = [line.run_id for line in rows if line.run_id in view.pick]
    title = count(len(rows), "run") + (f", {len(picked)} picked" if picked else "")
    drawn = rows[:MOST_DRAWN]
    with card():
        _head(view, table, title)
        ids = [line.run_id for line in drawn]
        sheet, look = _sheet(view, table, drawn, names)
        if small := curves(here, view, table, ids):
            look |= curve_look(sheet, small)
        said_ = f"{len(ids)} runs, sorted by {said(view.sort)}. The arrows go through them, Shift and Space pick one"
        marked = _marked(sheet) if 1 < len(ids) <= MOST_MARKED else sheet
        ticked(view, Ticked("table", tuple(ids), marked, look, MOST_ROWS, said_))
        _foot(table, left_out=len(rows) - len(drawn))


def _head(view: View, table: RunTable, title: str) -> None:
    falling, options = view.order == "falling", told_apart(sortable(table))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False, width="content")
        st.selectbox(
            "Sort by",
            list(options),
            format_func=lambda name: f"Sort: {options[name]}",
            label_visibility="collapsed",
            width=180,
            **bound("sort", view.sort),
        )
        st.button(
            "Highest" if falling else "Lowest",
            icon=f":material/{'arrow_downward' if falling else 'arrow_upward'}:",
            key="compare.turn",
            help=f"{'Highest' if falling else 'Lowest'} first. Click to turn the order round.",
            on_click=keep,
            kwargs={"order": "rising" if falling else "falling", "sort": view.sort},
        )
        _columns(view, table)
        st.space("stretch")  # the table's own toolbar appears over the right end of this line


def _columns(view: View, table: RunTable) -> None:
    """Which columns, in which order, and which of them stay at the left while the others move."""
    with drawer("columns", "Columns", icon=":material/view_column:") as is_open:
        if not is_open:
            return
        shown = chosen(view, table)
        kind = {"options": choices(table), "format_func": titled_with_kind}
        st.multiselect("Columns, in this order", placeholder="The usual ones", **kind, **bound("columns", shown))
        st.multiselect(
            "Stay at the left", shown, format_func=titled_with_kind, **bound("pin", [n for n in view.pin if n in shown])
        )
        st.button(
            "The usual columns",
            type="tertiary",
            key="compare.usual",
            disabled=not view.columns,
            on_click=keep,
            kwargs={"columns": (), "pin": ()},
        )


def _sheet(view: View, table: RunTable, rows: Sequence[Line], names: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cells and the look of every column; the best cells of each metric are bold on a tint, up to 500 rows."""
    ids = [line.run_id for line in rows]
    part = subset(table, ids)
    made: dict[str, Any] = {"name": [CHILD * line.depth + name for line, name in zip(rows, names_of(part), strict=True)]}
    look: dict[str, Any] = {"name": st.column_config.TextColumn("Run", width=150, pinned=True)}
    titles = headings([name for name in chosen(view, table) if name != CURVE])
    for name, title in titles.items():
        made[name] = cells(part, name, names)
        look[name] = looks(view, part, name, title)
    made["open"] = [f"run?run={run_id}" for run_id in ids]
    look["open"] = st.column_config.LinkColumn(" ", display_text="Open", width=56)
    return pd.DataFrame(made), look


def curve_look(sheet: pd.DataFrame, small: list[list[float]]) -> dict[str, Any]:
    """Put the small curves behind the first two columns, and say how they look."""
    sheet.insert(min(2, sheet.shape[1]), CURVE, small)
    return {CURVE: st.column_config.LineChartColumn("Curve", width=90, help="How the metric that colours went over its steps.")}


def _marked(sheet: pd.DataFrame) -> Styler:
    style = sheet.style
    for name in sheet:
        if str(name).startswith(METRIC) and (rows := best_rows(sheet[name].to_numpy(), str(name))):
            style = style.set_properties(subset=(rows, [name]), **BEST)
    return style


def _foot(table: RunTable, *, left_out: int) -> None:
    """What is not drawn, and the parameters with one value in one line; the whole list a click away when it is long."""
    age = f"Showing the first {MOST_DRAWN:,} of {count(MOST_DRAWN + left_out, 'run')} in this order." if left_out else ""
    found = sorted(constants(table), key=lambda one: one.missing > 0)
    if len(found) <= MOST_CONSTANTS + 1:
        st.caption(f"{age} {_same(found)}")
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small", wrap=False):
        st.caption(f"{age} {_same(found[:MOST_CONSTANTS])}", width="stretch")
        with st.popover(f"{len(found) - MOST_CONSTANTS} more", type="tertiary"):
            st.caption(_same(found[MOST_CONSTANTS:]))


def _same(found: Sequence[Constant]) -> str:
    everywhere = [f"{md(one.name)} {md(one.value[:60])}" for one in found if not one.missing]
    somewhere = [f"{md(one.name)} {md(one.value[:60])}" for one in found if one.missing]
    parts = [("The same in all: ", everywhere), ("The same in all that have it: ", somewhere)]
    return " ".join(f"{said_}{' · '.join(texts)}." for said_, texts in parts if texts)
