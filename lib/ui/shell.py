"""The script that every visit runs: browser tab, style, navigation, the gate, then the page."""

import streamlit as st

from lib.ui import gate, menu
from lib.ui.errors import calm
from lib.ui.routes import STATIC

STYLE = "<style>[data-testid=stMainBlockContainer]{max-width:1400px;padding-inline:2.5rem}</style>"

# A local picture as favicon: a Material icon would be fetched from another host.
st.set_page_config(page_title="Podium", page_icon=str(STATIC / "mark.png"), layout="wide", initial_sidebar_state="auto")
st.html(STYLE)
st.logo(str(STATIC / "logo.svg"), icon_image=str(STATIC / "mark.svg"), size="medium")

page = menu.navigation()
if gate.admits(page):
    with calm():
        page.run()
