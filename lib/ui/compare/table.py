"""The runs of Compare as a table: rows stand for run ids, picks go into the address by id, children stand below their parents."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.direction import direction, titled
from lib.runs.families import Line, tree
from lib.runs.figures import is_real
from lib.runs.table import METRIC, PARAM, PLAIN, Constant, column, constants, metrics, ordered, varying
from lib.runs.values import RunTable
from lib.ui.cards import card
from lib.ui.compare.view import View, bound, keep, said
from lib.ui.session import now
from lib.ui.text import ago, count, md
from lib.ui.words import RUN, pills

MOST_ROWS = 10
MOST_CONSTANTS = 6
FINISHED = "FINISHED"
CHILD = "\N{NO-BREAK SPACE}" * 2 + "└ "


def lines(view: View, table: RunTable) -> list[Line]:
    """The rows in the order that the address asks for; without the children when they are folded away."""
    made = tree(table, ordered(table, view.sort, falling=view.order == "falling"))
    return [line for line in made if not line.depth or view.children == "shown"]


def runs_table(view: View, table: RunTable, rows: Sequence[Line]) -> None:
    """The card with the table, and the parameters that are the same everywhere in one line below it."""
    picked = [line.run_id for line in rows if line.run_id in view.pick]
    title = count(len(rows), "run") + (f", {len(picked)} picked" if picked else "")
    with card():
        _head(view, table, title, folded=len(table) - len(rows))
        ids = [line.run_id for line in rows]
        sheet, look = _sheet(view, table, rows)
        _draw(view, ids, sheet, look)
        _foot(table)


def _head(view: View, table: RunTable, title: str, *, folded: int) -> None:
    columns = [*metrics(table), *varying(table), *PLAIN]
    falling = view.order == "falling"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(title, anchor=False, width="content")
        st.selectbox(
            "Sort by",
            columns,
            format_func=lambda name: f"Sort: {said(name)}",
            label_visibility="collapsed",
            width=190,
            **bound("sort", view.sort),
        )
        st.button(
            "Highest first" if falling else "Lowest first",
            icon=f":material/{'arrow_downward' if falling else 'arrow_upward'}:",
            key="compare.turn",
            help="Turn the order round",
            on_click=keep,
            kwargs={"order": "rising" if falling else "falling", "sort": view.sort},
        )
        if folded or any(table.identity.parent.isin(table.ids)):
            st.toggle("Child runs", **(bound("children", view.children == "shown") | {"on_change": _children, "args": ()}))
        st.space("stretch")  # the table's own toolbar appears over the right end of this line


def _children() -> None:
    keep(children="shown" if st.session_state["compare.children"] else "hidden")


def _draw(view: View, ids: Sequence[str], sheet: pd.DataFrame, look: dict[str, Any]) -> None:
    """The data frame. Its key is a hash of the ids, so that a row never stands for another run than the one that was clicked."""
    key = "compare.table." + hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
    wanted = [row for row, run_id in enumerate(ids) if run_id in view.pick]
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted}}
    st.dataframe(
        sheet,
        key=key,
        hide_index=True,
        height="content" if len(ids) <= MOST_ROWS else 32 + 31 * MOST_ROWS + 2,
        on_select=lambda: _pick(key, ids, wanted),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": wanted}},
        column_config=look,
        placeholder="",
        alt=f"{len(ids)} runs, sorted by {said(view.sort)}",
    )


def _pick(key: str, ids: Sequence[str], drawn: Sequence[int]) -> None:
    """Rows to ids, at once. Picks keep their order; those that the filter hides stay picked.

    Streamlit also calls this when the browser only repeats what was `drawn`, in a rerun that another widget asked for.
    """
    chosen = st.session_state[key]["selection"]["rows"]
    if sorted(chosen) == list(drawn):
        return
    rows = {ids[row] for row in chosen}
    before = [run_id for run_id in _picked_before() if run_id in rows or run_id not in set(ids)]
    keep(pick=(*before, *(run_id for run_id in ids if run_id in rows and run_id not in before)))


def _picked_before() -> list[str]:
    return st.query_params.get_all("pick")


def _sheet(view: View, table: RunTable, rows: Sequence[Line]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What the table shows: name, the metric that colours, differing parameters, other metrics, times, status if one is special."""
    ids = [line.run_id for line in rows]
    names = table.identity.name
    cells: dict[str, Any] = {"name": [CHILD * line.depth + (names[line.run_id] or line.run_id) for line in rows]}
    look: dict[str, Any] = {"name": st.column_config.TextColumn("Run", width=150, pinned=True)}
    for name in [*([view.color] if view.color else []), *varying(table), *(one for one in metrics(table) if one != view.color)]:
        values = column(table, name).loc[ids]
        cells[name] = list(values) if name.startswith(PARAM) else [value if is_real(value) else None for value in values]
        look[name] = _metric(name, values, main=name == view.color) if name.startswith(METRIC) else _param(name, values)
    cells |= {"started": list(table.identity.started.loc[ids]), "seconds": list(table.identity.seconds.loc[ids])}
    look["started"] = st.column_config.DatetimeColumn("Started (UTC)", format="D MMM YYYY, HH:mm", timezone="UTC", width=140)
    look["seconds"] = st.column_config.NumberColumn("Took", format="%.1f s", width=70)
    if any(table.identity.status != FINISHED):
        cells["status"] = [[RUN.get(status, RUN[FINISHED])[2]] for status in table.identity.status.loc[ids]]
        look["status"] = st.column_config.MultiselectColumn("Status", width=110, **pills(RUN))
    return pd.DataFrame(cells), look


def _metric(name: str, values: "pd.Series[float]", *, main: bool) -> Any:
    title = titled(said(name))
    real = [value for value in values if is_real(value)]
    form = "%.4f" if not real or max(map(abs, real)) <= 1 else "%.3f" if max(map(abs, real)) < 100 else "%.1f"
    if main and len(set(real)) > 1 and direction(said(name)) == "more":
        low, high = min(real), max(real)
        floor = low - (high - low) / 4
        note = f"The bar runs from {floor:.4g} to {high:.4g}."
        return st.column_config.ProgressColumn(
            title, min_value=floor, max_value=high, format=form, color="blue", width=146, pinned=True, help=note
        )
    return st.column_config.NumberColumn(title, format=form, width=_width(title, 78), pinned=main)


def _param(name: str, values: "pd.Series") -> Any:
    if pd.api.types.is_numeric_dtype(values):
        return st.column_config.NumberColumn(said(name), width=_width(said(name), 60))
    return st.column_config.TextColumn(said(name), width=_width(said(name), 84))


def _width(title: str, least: int) -> int:
    """Pixels that hold the heading, between a least width and 200."""
    return min(200, max(least, 7 * len(title) + 22))


def _foot(table: RunTable) -> None:
    """How old the reading is, and the parameters with one value in one line; the whole list a click away when it is long."""
    age = f"Read {ago(table.read_at, now())}." if table.read_at else ""
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
