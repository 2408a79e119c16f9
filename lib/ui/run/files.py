"""The artifacts of a run: where they lie. Showing what is in them is the work of the artifacts' own module."""

import streamlit as st

from lib.runs.values import Run
from lib.ui.cards import card


def files_card(of: Run) -> None:
    """Where its files are."""
    if not of.artifact_uri:
        return
    with card("Artifacts", key="run.artifacts"):
        st.code(of.artifact_uri, language=None, wrap_lines=True)
