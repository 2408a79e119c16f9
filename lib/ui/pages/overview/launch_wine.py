"""The one click of the first step: train the wine forest with 1, 5 and 15 trees, then watch it on the Launch page."""

from lib.backends.backend import Backend
from lib.launch.catalogue import find_demo
from lib.ui.components.error_box import error_boundary
from lib.ui.pages.launch.form import start_demo

FIRST_DEMO, TREE_COUNTS = "first-run", (1, 5, 15)


def launch_wine_demo(backend: Backend) -> None:
    """Start the wine demo as one job of three runs and go to it. What goes wrong is said where the button stands."""
    with error_boundary():
        start_demo(find_demo(FIRST_DEMO), {"n_estimators": TREE_COUNTS}, backend)
