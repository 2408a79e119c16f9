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
from lib.ui.pages.compare.view_state import ViewState, update_url, view_from_url

MAX_RUN_NAME_LENGTH = 18
"""Letters that the column of names holds before its edge cuts them."""
MAX_CELL_LENGTH = 24
"""The same for a column of other texts."""


@dataclass(frozen=True)
class PickerTable:
    """What is drawn: the run of each row, the cells, how the columns look, how many rows are seen at once; `look` of the whole table."""

    name: str
    run_ids: tuple[str, ...]
    cells: "pd.DataFrame | Styler"
    column_config: dict[str, Any]
    visible_rows: int
    alt: str
    options: dict[str, Any] = field(default_factory=dict)


def show_run_picker(view: ViewState, table: PickerTable) -> None:
    """The table. Its key is a hash of the ids, so that a row never stands for another run than the one that was clicked."""
    key, picked = picker_key(table.name, table.run_ids), set(view.pick)
    wanted = [row for row, run_id in enumerate(table.run_ids) if run_id in picked]
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != wanted:
        st.session_state[key] = {"selection": {"rows": wanted}}
    st.dataframe(
        table.cells,
        key=key,
        hide_index=True,
        height="content" if len(table.run_ids) <= table.visible_rows else 32 + 31 * table.visible_rows + 2,
        on_select=lambda: on_row_selection(key, table.run_ids, wanted),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": wanted}},
        column_config=table.column_config,
        placeholder="",
        alt=table.alt,
        **table.options,
    )


def picker_key(name: str, run_ids: Sequence[str]) -> str:
    """Under which key a table of these runs stands."""
    return f"compare.{name}." + hashlib.sha256("\n".join(run_ids).encode()).hexdigest()[:16]


def on_row_selection(key: str, run_ids: Sequence[str], drawn_rows: Sequence[int]) -> None:
    """Rows to ids, at once. Picks keep their order; those that are no rows here stay picked.

    Streamlit also calls this when the browser only repeats what was `drawn`, in a rerun that another widget asked for.
    """
    chosen = st.session_state[key]["selection"]["rows"]
    if sorted(chosen) == list(drawn_rows):
        return
    rows, here = {run_ids[row] for row in chosen}, set(run_ids)
    before = dict.fromkeys(run_id for run_id in view_from_url().pick if run_id in rows or run_id not in here)
    update_url(pick=(*before, *(run_id for run_id in run_ids if run_id in rows and run_id not in before)))


def run_names(table: RunTable) -> list[str]:
    """The name of each run as its cell shows it; the id of a run without one."""
    return distinct_cell_texts((name or run_id for run_id, name in table.identity.name.items()), MAX_RUN_NAME_LENGTH)


def distinct_cell_texts(texts: Iterable[Any], max_length: int) -> list[Any]:
    """Texts for cells that hold so many letters: as they are, but cut in the middle where the cell's edge would make two the same.

    The whole text stands in the difference card and in every download.
    """
    every = list(texts)
    long = {one for one in every if isinstance(one, str) and len(one) > max_length}
    if len({one[:max_length] for one in long}) == len(long):
        return every
    short = short_labels(sorted(long), max_length)
    return [short.get(one, one) if isinstance(one, str) else one for one in every]


def heading_width(title: str, min_width: int) -> int:
    """Pixels that hold a heading, between a least width and 200."""
    return min(200, max(min_width, 7 * len(title) + 22))


def text_width(values: "pd.Series") -> int:
    """Pixels for the longest of these texts, as far as a cell shows it."""
    longest = max((len(str(one)) for one in values.dropna().unique()), default=0)
    return max(84, 8 * min(longest, MAX_CELL_LENGTH) + 16)
