"""The cards of Overview that speak of models: who is in Production, and the latest entries of the ledger.

To be filled from `lib.registry` and `lib.ledger`; until then they say that there is nothing, which is true of a store without models.
"""

from typing import Literal

import streamlit as st

from lib.backends.uri import Backend
from lib.ui.cards import card, empty
from lib.ui.routes import goto


def progress(backend: Backend) -> Literal["nothing", "registered", "in production"]:
    """How far the models of a backend have come: the steps are drawn until the first one is in Production."""
    return "nothing"


def in_production(backend: Backend) -> None:
    """The champion of each model, since when, and how it measured."""
    with card("In Production", key="overview.production"):
        empty("trophy", "Nothing is in Production yet", "Register the model of a run, then promote it with a reason.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Register a version", icon=":material/add_box:", key="overview.register"):
                goto("models")


def latest_entries(backend: Backend) -> None:
    """The newest entries of all books: when, what, which version, who."""
    with card("Latest entries", key="overview.entries"):
        empty("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
