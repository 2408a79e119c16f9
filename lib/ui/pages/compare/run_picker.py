"""Compare's run tables with a checkbox per row: rows map to run ids, and checking a row picks its run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from lib.runs.table.number_format import short_labels
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.pages.compare.view_state import update_url, view_from_url

MAX_RUN_NAME_LENGTH = 18
"""Characters that fit into the name column."""
MAX_CELL_LENGTH = 24
"""Characters that fit into other text columns."""


@dataclass(frozen=True)
class PickerTable:
    """Content of the table: run id per row, cells, column configuration, visible rows, and `options` of `st.dataframe`."""

    name: str
    run_ids: tuple[str, ...]
    cells: "pd.DataFrame | Styler"
    column_config: dict[str, Any]
    visible_rows: int
    alt: str
    options: dict[str, Any] = field(default_factory=dict)


def show_run_picker(view: ViewState, table: PickerTable) -> None:
    """Draw the table. Its key is a hash of the ids, so a click can never be attributed to another run."""
    key, selected_run_ids = hashed_key(f"compare.{table.name}", *table.run_ids), set(view.pick)
    selected_rows = [row for row, run_id in enumerate(table.run_ids) if run_id in selected_run_ids]
    if key in st.session_state and sorted(st.session_state[key]["selection"]["rows"]) != selected_rows:
        st.session_state[key] = {"selection": {"rows": selected_rows}}
    st.dataframe(
        table.cells,
        key=key,
        hide_index=True,
        height=table_height(len(table.run_ids), table.visible_rows),
        on_select=lambda: on_row_selection(key, table.run_ids, selected_rows),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": selected_rows}},
        column_config=table.column_config,
        placeholder="",
        alt=table.alt,
        **table.options,
    )


def on_row_selection(key: str, run_ids: Sequence[str], drawn_rows: Sequence[int]) -> None:
    """Write the selected rows as picks to the URL. Picks keep their order; picks without a row here stay.

    Streamlit also calls this when the browser merely echoes the drawn selection (`drawn_rows`) in a rerun by another widget.
    """
    selected_rows = st.session_state[key]["selection"]["rows"]
    if sorted(selected_rows) == list(drawn_rows):
        return
    ticked_run_ids, table_run_ids = {run_ids[row] for row in selected_rows}, set(run_ids)
    remaining_run_ids = dict.fromkeys(
        run_id for run_id in view_from_url().pick if run_id in ticked_run_ids or run_id not in table_run_ids
    )
    update_url(
        pick=(*remaining_run_ids, *(run_id for run_id in run_ids if run_id in ticked_run_ids and run_id not in remaining_run_ids))
    )


def run_names(table: RunTable) -> list[str]:
    """Return the displayed name of each run; the id if it has none."""
    return distinct_cell_texts((name or run_id for run_id, name in table.identity.name.items()), MAX_RUN_NAME_LENGTH)


def distinct_cell_texts(texts: Iterable[Any], max_length: int) -> list[Any]:
    """Return cell texts that stay distinct within `max_length`: shortened in the middle only where truncation would make two equal.

    The full text appears in the Differences table and in every download.
    """
    cell_values = list(texts)
    long_texts = {value for value in cell_values if isinstance(value, str) and len(value) > max_length}
    if len({text[:max_length] for text in long_texts}) == len(long_texts):
        return cell_values
    short = short_labels(sorted(long_texts), max_length)
    return [short.get(value, value) if isinstance(value, str) else value for value in cell_values]


def heading_width(title: str, min_width: int) -> int:
    """Return the column width in pixels for a heading, between a minimum and 200."""
    return min(200, max(min_width, 7 * len(title) + 22))


def text_width(values: "pd.Series") -> int:
    """Return the column width in pixels for the longest of these texts, capped at the cell length."""
    longest = max((len(str(value)) for value in values.dropna().unique()), default=0)
    return max(84, 8 * min(longest, MAX_CELL_LENGTH) + 16)
