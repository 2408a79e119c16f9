"""The one click of the first step: train the wine forest with 1, 5 and 15 trees, then watch it on the Launch page."""

from lib.backends.backend import Backend
from lib.launch.catalogue import find
from lib.ui.components.error_box import calm
from lib.ui.pages.launch.form import begin

DEMO, TREES = "first-run", (1, 5, 15)


def launch_wine(backend: Backend) -> None:
    """Start the wine demo as one job of three runs and go to it. What goes wrong is said where the button stands."""
    with calm():
        begin(find(DEMO), {"n_estimators": TREES}, backend)
