"""Forgets everything that Compare and the run page have read, so that the next look asks the backend."""

from lib.ui.components.artifact_browser import places_of, preview_of, tree_of
from lib.ui.pages.compare.plot_artifacts import files_of
from lib.ui.pages.compare.plot_curves import lengths_of, points_of
from lib.ui.pages.compare.queries import forget


def read_again() -> None:
    """For all sessions of all backends: a reading is quick, and who asks for it wants the truth."""
    forget()
    for kept in (places_of, tree_of, preview_of, files_of, points_of, lengths_of):
        kept.clear()
