"""The artifacts of a run: its own files, and those of each model it logged. Showing a file is the artifacts' own work."""

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.artifacts.files import Place
from lib.runs.table.types import Run
from lib.ui.components.artifact_browser import browse, places_of
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import md
from lib.ui.components.layout import card


def files_card(here: Backend, of: Run) -> None:
    """The files of one place; with models, a choice between them and the run's own."""
    with card("Artifacts", key="run.artifacts"), calm():
        places = places_of(here, of.run_id)
        number = _choose(places) if len(places) > 1 else 0
        browse(here, places[number], f"run.files.{of.run_id}.{number}")


def _choose(places: tuple[Place, ...]) -> int:
    return st.segmented_control(
        "Whose files",
        range(len(places)),
        format_func=lambda number: f"Files of {md(places[number].name)}" if places[number].model_id else "The run's own files",
        default=0,
        required=True,
        key="run.place",
        label_visibility="collapsed",
    )
