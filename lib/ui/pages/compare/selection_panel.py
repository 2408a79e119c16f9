"""The runs that a selection in a plot holds: how many, a compact table to pick from, all of them picked at once, and the way back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.plots.style import heading
from lib.runs.table.number_format import is_real, reals, short_labels
from lib.runs.table.run_table import METRIC, column, subset
from lib.ui.components.formatting import count, md
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.run_picker import LETTERS, Ticked, names_of, ticked, uncut, width_of, width_of_texts
from lib.ui.pages.compare.view_state import asked, keep

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
    sheet, look = _sheet(scene, held)
    said = f"The {len(held.ids)} selected runs"
    ticked(scene.view, Ticked("brushed", held.ids, sheet, look, MOST_ROWS, said, {"width": "content"}))


def _sheet(scene: Scene, held: Held) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The cells by column name, which no two columns share, and how each is headed and written."""
    part = subset(scene.whole, held.ids)
    cells: dict[str, Any] = {"run": names_of(part)}
    look: dict[str, Any] = {"run": st.column_config.TextColumn("Run", width=150, pinned=True)}
    if scene.look.homes:
        cells["home"] = uncut(part.identity.experiment, LETTERS)
        look["home"] = st.column_config.TextColumn(
            "Experiment", width=width_of("Experiment", width_of_texts(part.identity.experiment))
        )
    titles = short_labels([heading(name) for name in held.columns], 24)
    for name in held.columns:
        values = column(part, name)
        cells[name] = reals(values) if name.startswith(METRIC) else uncut(values, LETTERS)
        look[name] = _column(name, values, titles[heading(name)])
    return pd.DataFrame(cells), look


def _column(name: str, values: "pd.Series", title: str) -> Any:
    note = md(name) if "…" in title else None
    if not pd.api.types.is_numeric_dtype(values):
        return st.column_config.TextColumn(title, width=width_of(title, width_of_texts(values)), help=note)
    small = name.startswith(METRIC) and all(abs(value) <= 1 for value in values if is_real(value))
    return st.column_config.NumberColumn(title, width=width_of(title, 90), help=note, format="%.4f" if small else None)
