"""Settings: available backends, this browser session's backend and credentials, and the keys that sign the ledger."""

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
from lib.ui.pages.settings.key_list import show_keys
from lib.ui.pages.settings.sign_in import show_sign_in

config = read_config_or_show_error()
with page_header(
    "Settings",
    f"This browser session uses {escape(current_backend_name()) or 'Podium’s own backend'}. Each session chooses its own.",
):
    pass
show_last_result()

left_column, right_column = st.columns([13, 7], gap="medium")
with left_column:
    show_backend_list(config)
    show_backend_capabilities()
    show_keys(is_shared=config.is_shared)
with right_column:
    with error_boundary():
        show_sign_in()
    show_add_form(is_shared=config.is_shared)
