"""The parameters and datasets of a run."""

import pandas as pd
import streamlit as st

from lib.runs.table.types import Run
from lib.ui.components.data_table import table_height
from lib.ui.components.formatting import escape, format_count, short_hash
from lib.ui.components.layout import card, show_empty_state, show_table

MAX_VISIBLE_ROWS = 12


def show_parameters(run: Run) -> None:
    """Show every parameter as logged."""
    names = sorted(run.params)
    with card("Parameters", format_count(len(names), "parameter") if names else "", key="run.params"):
        if not names:
            show_empty_state("tune", "No parameters", "This run did not log any parameters.")
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
    """Show the datasets of the run with name, use, digest and source."""
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
    """Return the source of a dataset. MLflow stores it as JSON, often with the code's own tags, so long ones are cut."""
    return escape(text if len(text) <= 80 else f"{text[:79]}…")
