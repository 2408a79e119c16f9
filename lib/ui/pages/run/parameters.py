"""How a run was made: its parameters and the data it read."""

import pandas as pd
import streamlit as st

from lib.runs.table.types import Run
from lib.ui.components.formatting import escape, format_count, short_hash
from lib.ui.components.layout import card, show_empty_state, show_table, table_height

MAX_VISIBLE_ROWS = 12


def show_parameters(run: Run) -> None:
    """Every parameter as it was logged."""
    names = sorted(run.params)
    with card("Parameters", format_count(len(names), "parameter") if names else "", key="run.params"):
        if not names:
            show_empty_state("tune", "No parameter", "This run logged none.")
            st.space("small")
            return
        st.dataframe(
            pd.DataFrame({"name": names, "value": [run.params[name] for name in names]}),
            hide_index=True,
            key="run.parameters",
            height=table_height(len(names), MAX_VISIBLE_ROWS),
            column_config={
                "name": st.column_config.TextColumn("Parameter", width=200),
                "value": st.column_config.TextColumn("Value", width=340),
            },
            alt=f"{len(names)} parameters",
        )


def show_inputs(run: Run) -> None:
    """The datasets it read, by name, use and digest."""
    if not run.inputs:
        return
    with card("Data", format_count(len(run.inputs), "dataset"), key="run.inputs"):
        rows = [
            (escape(dataset.name), escape(dataset.context), f"{short_hash(escape(dataset.digest))}", _source_text(dataset.source))
            for dataset in run.inputs[:50]
        ]
        show_table(rows, ["Dataset", "Used for", "Digest", "Source"])
        if len(run.inputs) > len(rows):
            st.caption(f"Showing {len(rows)} of {format_count(len(run.inputs), 'dataset')}.")


def _source_text(text: str) -> str:
    """Where data came from; MLflow keeps it as JSON, often with the code's own tags in it, so a long one is cut."""
    return escape(text if len(text) <= 80 else f"{text[:79]}…")
