"""The one click of the first step: train the wine forest with 1, 5 and 15 trees, then watch it on the Launch page."""

from lib.backends.uri import Backend
from lib.launch.catalogue import find
from lib.ui.errors import calm
from lib.ui.launch_form import begin

DEMO, TREES = "first-run", (1, 5, 15)


def launch_wine(backend: Backend) -> None:
    """Start the wine demo as one job of three runs and go to it. What goes wrong is said where the button stands."""
    with calm():
        begin(find(DEMO), {"n_estimators": TREES}, backend)
