"""The one click of the first step: train the wine forest with 1, 5 and 15 trees, then watch it on the Launch page."""

import os

from lib.backends.uri import Backend
from lib.launch import catalogue, jobs
from lib.launch.workshop import workshop
from lib.ui.errors import calm
from lib.ui.routes import PROJECT, goto
from lib.ui.session import now

DEMO, TREES = "first-run", (1, 5, 15)


def launch_wine(backend: Backend) -> None:
    """Start the wine demo as one job of three runs and go to it. What goes wrong is said where the button stands."""
    with calm():
        started = jobs.start(workshop(os.environ, PROJECT), catalogue.find(DEMO), {"n_estimators": TREES}, backend, now())
        goto("launch", job=started.id)
