"""The script behind every page: browser tab, style, navigation, backend gate, then the page and its alarms."""

import streamlit as st

from lib.backends.call_deadline import single_wait
from lib.ui.app import backend_gate, navigation
from lib.ui.app.alarm_place import alarms_above_page, left_out_below_page
from lib.ui.app.backend_selection import sync_backend_with_url
from lib.ui.app.page_links import STATIC_FOLDER
from lib.ui.components.dialog import dialog_scope
from lib.ui.components.error_box import error_boundary

UNGATED_PAGES = ("settings", "doctor")
"""Pages that must work without a reachable backend."""
STYLE = "<style>[data-testid=stMainBlockContainer]{max-width:1400px;padding-inline:2.5rem}</style>"

# A local image as favicon: a Material icon would be fetched from another host.
st.set_page_config(page_title="Podium", page_icon=str(STATIC_FOLDER / "mark.png"), layout="wide", initial_sidebar_state="auto")
st.html(STYLE)
st.logo(str(STATIC_FOLDER / "logo.svg"), icon_image=str(STATIC_FOLDER / "mark.svg"), size="medium")

page = navigation.show_navigation()
sync_backend_with_url()
with single_wait(), dialog_scope(page.url_path):
    backend_gate.show_registry_conflict()
    if page.url_path in UNGATED_PAGES:
        backend_gate.show_sidebar_status()
        with alarms_above_page(), error_boundary():
            page.run()
    elif backend_gate.ensure_backend_ready():
        with alarms_above_page(), left_out_below_page(), error_boundary():
            page.run()
