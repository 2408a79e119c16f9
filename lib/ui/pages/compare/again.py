"""Forgets everything that Compare and the run page have read, so that the next look asks the backend."""

from lib.ui.components.artifact_browser import cached_locations, cached_preview, cached_tree
from lib.ui.pages.compare.plot_artifacts import cached_files
from lib.ui.pages.compare.plot_curves import cached_history_lengths, cached_points
from lib.ui.pages.compare.queries import clear_search_cache


def clear_run_caches() -> None:
    """For all sessions of all backends: a reading is quick, and who asks for it wants the truth."""
    clear_search_cache()
    for kept in (cached_locations, cached_tree, cached_preview, cached_files, cached_points, cached_history_lengths):
        kept.clear()
