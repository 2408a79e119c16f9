"""The script that every visit runs: browser tab, style, navigation, the gate, then the page."""

import streamlit as st

from lib.ui import gate, menu
from lib.ui.choosing import follow_address
from lib.ui.errors import calm
from lib.ui.routes import STATIC

ALWAYS_OPEN = ("settings", "doctor")
"""Pages that a person needs when no backend answers."""
STYLE = "<style>[data-testid=stMainBlockContainer]{max-width:1400px;padding-inline:2.5rem}</style>"

# A local picture as favicon: a Material icon would be fetched from another host.
st.set_page_config(page_title="Podium", page_icon=str(STATIC / "mark.png"), layout="wide", initial_sidebar_state="auto")
st.html(STYLE)
st.logo(str(STATIC / "logo.svg"), icon_image=str(STATIC / "mark.svg"), size="medium")

page = menu.navigation()
follow_address()
if page.url_path in ALWAYS_OPEN:
    gate.sidebar_only()
    with calm():
        page.run()
elif gate.admits():
    with calm():
        page.run()
