"""How a run was made: its parameters and the data it read."""

import pandas as pd
import streamlit as st

from lib.runs.table.types import Run
from lib.ui.components.formatting import count, md, short
from lib.ui.components.layout import card, empty, table

ROWS = 12


def parameters_card(of: Run) -> None:
    """Every parameter as it was logged."""
    names = sorted(of.params)
    with card("Parameters", count(len(names), "parameter") if names else "", key="run.params"):
        if not names:
            empty("tune", "No parameter", "This run logged none.")
            st.space("small")
            return
        st.dataframe(
            pd.DataFrame({"name": names, "value": [of.params[name] for name in names]}),
            hide_index=True,
            key="run.parameters",
            height="content" if len(names) <= ROWS else 32 + 31 * ROWS + 2,
            column_config={
                "name": st.column_config.TextColumn("Parameter", width=200),
                "value": st.column_config.TextColumn("Value", width=340),
            },
            alt=f"{len(names)} parameters",
        )


def inputs_card(of: Run) -> None:
    """The datasets it read, by name, use and digest."""
    if not of.inputs:
        return
    with card("Data", count(len(of.inputs), "dataset"), key="run.inputs"):
        rows = [(md(one.name), md(one.context), f"{short(md(one.digest))}", _source(one.source)) for one in of.inputs[:50]]
        table(rows, ["Dataset", "Used for", "Digest", "Source"])
        if len(of.inputs) > len(rows):
            st.caption(f"Showing {len(rows)} of {count(len(of.inputs), 'dataset')}.")


def _source(text: str) -> str:
    """Where data came from; MLflow keeps it as JSON, often with the code's own tags in it, so a long one is cut."""
    return md(text if len(text) <= 80 else f"{text[:79]}…")
