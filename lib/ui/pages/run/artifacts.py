"""The artifacts of a run: its own files and those of each model it logged. Files are shown by `artifact_browser`."""

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.artifacts.files import ArtifactLocation
from lib.runs.table.types import Run
from lib.ui.components.artifact_browser import show_file_browser
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card
from lib.ui.queries.artifacts import cached_locations


def show_artifacts(backend: Backend, run: Run) -> None:
    """Show the files of one location, with a choice between the run's own files and its models."""
    with card("Artifacts", key="run.artifacts"), error_boundary():
        locations = cached_locations(backend, run.run_id)
        index = _select_location(locations) if len(locations) > 1 else 0
        show_file_browser(backend, locations[index], f"run.files.{run.run_id}.{index}")


def _select_location(locations: tuple[ArtifactLocation, ...]) -> int:
    return st.segmented_control(
        "Files of",
        range(len(locations)),
        format_func=lambda index: (
            f"Files of {escape(locations[index].name)}" if locations[index].model_id else "The run's own files"
        ),
        default=0,
        required=True,
        key="run.place",
        label_visibility="collapsed",
    )
