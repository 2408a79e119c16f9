"""The runs that a selection in a plot holds: how many, a compact table to pick from, all of them picked at once, and the way back."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.figures import is_real, short_labels
from lib.runs.plots.charts import heading
from lib.runs.table import METRIC, PARAM, column
from lib.runs.values import RunTable
from lib.ui.compare.scene import Scene
from lib.ui.compare.view import asked, keep
from lib.ui.text import count, md

MOST_ROWS = 6
MOST_PICKS = 50


@dataclass(frozen=True)
class Held:
    """What is selected: the runs, in words where ("in the ranges") and by what ("trees 5 to 15"), which columns to show, the way back.

    `conditions` are the same ranges as facets.
    """

    ids: tuple[str, ...]
    where: str
    by: tuple[str, ...]
    columns: tuple[str, ...]
    let_go: Callable[[], None]
    conditions: tuple[str, ...] = ()


def brushed(scene: Scene, held: Held) -> None:
    """The selected runs under their plot."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(held.ids):,} of {count(len(scene.runs), 'run')} {held.where}**", width="content")
        st.caption(md(" · ".join(held.by)), width="stretch")
        _deeds(held)
    if held.ids:
        _table(scene, held)


def _deeds(held: Held) -> None:
    first = held.ids[:MOST_PICKS]
    new = [run_id for run_id in first if run_id not in set(asked().pick)]
    which = "this run" if len(held.ids) == 1 else "these" if len(held.ids) <= MOST_PICKS else f"the first {MOST_PICKS}"
    st.button(
        f"Pick {which}", icon=":material/check_box:", key="compare.pick_these", on_click=_add, args=(new,), disabled=not new
    )
    if held.conditions:
        st.button(
            "Keep only these",
            icon=":material/filter_alt:",
            type="tertiary",
            key="compare.keep_only",
            on_click=_narrow,
            args=(held,),
            help="Narrow the whole page to these ranges: they become conditions that you can take away one by one.",
        )
    st.button("Let go", type="tertiary", key="compare.let_go_of_range", on_click=held.let_go, help="Clear what is selected here")


def _narrow(held: Held) -> None:
    keep(facet=tuple(dict.fromkeys((*asked().facet, *held.conditions))))
    held.let_go()


def _add(ids: Sequence[str]) -> None:
    keep(pick=tuple(dict.fromkeys((*asked().pick, *ids))))


def _table(scene: Scene, held: Held) -> None:
    """Rows stand for run ids: the key is a hash of them. A tick picks, taking it away lets the run go."""
    ids, picked = held.ids, set(scene.view.pick)
    key = "compare.brushed." + hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
    wanted = [row for row, run_id in enumerate(ids) if run_id in picked]
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted}}
    sheet, look = _sheet(scene.whole, held)
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
        width="content",
        alt=f"The {len(ids)} selected runs",
    )


def _sheet(whole: RunTable, held: Held) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cells by column name, which no two columns share, and how each is headed and written."""
    names = whole.identity.name
    cells: dict[str, Any] = {"run": [names[run_id] or run_id for run_id in held.ids]}
    look: dict[str, Any] = {"run": st.column_config.TextColumn("Run", width=180, pinned=True)}
    titles = short_labels([heading(name) for name in held.columns], 24)
    for name in held.columns:
        values = column(whole, name).loc[list(held.ids)]
        cells[name] = list(values) if name.startswith(PARAM) else [value if is_real(value) else None for value in values]
        look[name] = _column(name, values, titles[heading(name)])
    return pd.DataFrame(cells), look


def _column(name: str, values: "pd.Series", title: str) -> Any:
    how: dict[str, Any] = {"width": _width(title), "help": md(name) if "…" in title else None}
    if not pd.api.types.is_numeric_dtype(values):
        return st.column_config.TextColumn(title, **how)
    small = name.startswith(METRIC) and all(abs(value) <= 1 for value in values if is_real(value))
    return st.column_config.NumberColumn(title, format="%.4f" if small else None, **how)


def _width(title: str) -> int:
    """Pixels that hold the heading, between 90 and 200."""
    return min(200, max(90, 7 * len(title) + 22))


def _pick(key: str, ids: Sequence[str], drawn: Sequence[int]) -> None:
    """Rows to ids, at once; a browser that only repeats what was `drawn` picks nothing."""
    chosen = st.session_state[key]["selection"]["rows"]
    if sorted(chosen) == list(drawn):
        return
    ticked = {ids[row] for row in chosen}
    before = [run_id for run_id in asked().pick if run_id in ticked or run_id not in set(ids)]
    keep(pick=(*before, *(run_id for run_id in ids if run_id in ticked and run_id not in before)))
