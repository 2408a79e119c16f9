"""The one click of the first step: train the wine forest three times, then show the jobs."""

from lib.backends.uri import Backend
from lib.ui.routes import goto

TREES = (1, 5, 15)


def launch_wine(backend: Backend) -> None:
    """Start the wine demo with 1, 5 and 15 trees and go to the first of the three jobs."""
    goto("launch", demo="wine")
