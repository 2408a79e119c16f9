"""Settings: the backends there are, which one this browser session uses, and as whom."""

import streamlit as st

from lib.ui.app.backend_selection import current
from lib.ui.components.error_box import calm
from lib.ui.components.formatting import md
from lib.ui.components.layout import header
from lib.ui.pages.settings.add_backend import add_card
from lib.ui.pages.settings.backend_list import abilities_card, backends_card, known_names, said
from lib.ui.pages.settings.sign_in import sign_in_card

names = known_names()
with header(
    "Settings", f"This browser session uses {md(current()) or 'Podium’s own backend'}. Other people choose for themselves."
):
    pass
said()

left, right = st.columns([13, 7], gap="medium")
with left:
    backends_card(names)
    abilities_card()
with right:
    with calm():
        sign_in_card()
    add_card(shared=names.shared)
