"""A table of runs with a tick box per row, for all of Compare: rows stand for run ids, a tick picks a run and taking it away lets it go."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from lib.runs.table.number_format import short_labels
from lib.runs.table.types import RunTable
from lib.ui.pages.compare.view_state import View, asked, keep

RUN_LETTERS = 18
"""Letters that the column of names holds before its edge cuts them."""
LETTERS = 24
"""The same for a column of other texts."""


@dataclass(frozen=True)
class Ticked:
    """What is drawn: the run of each row, the cells, how the columns look, how many rows are seen at once; `look` of the whole table."""

    name: str
    ids: tuple[str, ...]
    sheet: "pd.DataFrame | Styler"
    columns: dict[str, Any]
    rows: int
    alt: str
    look: dict[str, Any] = field(default_factory=dict)


def ticked(view: View, drawn: Ticked) -> None:
    """The table. Its key is a hash of the ids, so that a row never stands for another run than the one that was clicked."""
    key, picked = key_of(drawn.name, drawn.ids), set(view.pick)
    wanted = [row for row, run_id in enumerate(drawn.ids) if run_id in picked]
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted}}
    st.dataframe(
        drawn.sheet,
        key=key,
        hide_index=True,
        height="content" if len(drawn.ids) <= drawn.rows else 32 + 31 * drawn.rows + 2,
        on_select=lambda: pick(key, drawn.ids, wanted),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": wanted}},
        column_config=drawn.columns,
        placeholder="",
        alt=drawn.alt,
        **drawn.look,
    )


def key_of(name: str, ids: Sequence[str]) -> str:
    """Under which key a table of these runs stands."""
    return f"compare.{name}." + hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


def pick(key: str, ids: Sequence[str], drawn: Sequence[int]) -> None:
    """Rows to ids, at once. Picks keep their order; those that are no rows here stay picked.

    Streamlit also calls this when the browser only repeats what was `drawn`, in a rerun that another widget asked for.
    """
    chosen = st.session_state[key]["selection"]["rows"]
    if sorted(chosen) == list(drawn):
        return
    rows, here = {ids[row] for row in chosen}, set(ids)
    before = dict.fromkeys(run_id for run_id in asked().pick if run_id in rows or run_id not in here)
    keep(pick=(*before, *(run_id for run_id in ids if run_id in rows and run_id not in before)))


def names_of(table: RunTable) -> list[str]:
    """The name of each run as its cell shows it; the id of a run without one."""
    return uncut((name or run_id for run_id, name in table.identity.name.items()), RUN_LETTERS)


def uncut(texts: Iterable[Any], letters: int) -> list[Any]:
    """Texts for cells that hold so many letters: as they are, but cut in the middle where the cell's edge would make two the same.

    The whole text stands in the difference card and in every download.
    """
    every = list(texts)
    long = {one for one in every if isinstance(one, str) and len(one) > letters}
    if len({one[:letters] for one in long}) == len(long):
        return every
    short = short_labels(sorted(long), letters)
    return [short.get(one, one) if isinstance(one, str) else one for one in every]


def width_of(title: str, least: int) -> int:
    """Pixels that hold a heading, between a least width and 200."""
    return min(200, max(least, 7 * len(title) + 22))


def width_of_texts(values: "pd.Series") -> int:
    """Pixels for the longest of these texts, as far as a cell shows it."""
    longest = max((len(str(one)) for one in values.dropna().unique()), default=0)
    return max(84, 8 * min(longest, LETTERS) + 16)
