"""The script that every visit runs: browser tab, style, navigation, the gate, then the page."""

import streamlit as st

from lib.ui.app import backend_gate as gate
from lib.ui.app import navigation as menu
from lib.ui.app.backend_selection import follow_address
from lib.ui.app.routes import STATIC
from lib.ui.components.error_box import calm

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
