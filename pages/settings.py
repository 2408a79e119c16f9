"""Settings: the backends there are, which one this browser session uses, and as whom."""

import streamlit as st

from lib.ui.app.backend_selection import current_backend_name
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape
from lib.ui.components.layout import page_header
from lib.ui.pages.settings.add_backend import show_add_form
from lib.ui.pages.settings.backend_list import (
    read_config_or_show_error,
    show_backend_capabilities,
    show_backend_list,
    show_last_result,
)
from lib.ui.pages.settings.sign_in import show_sign_in

names = read_config_or_show_error()
with page_header(
    "Settings",
    f"This browser session uses {escape(current_backend_name()) or 'Podium’s own backend'}. Other people choose for themselves.",
):
    pass
show_last_result()

left, right = st.columns([13, 7], gap="medium")
with left:
    show_backend_list(names)
    show_backend_capabilities()
with right:
    with error_boundary():
        show_sign_in()
    show_add_form(is_shared=names.is_shared)
