"""Models: one model, who held which stage when, its versions, and what can be done with the chosen one."""

import streamlit as st

from lib.errors import LedgerBroken, NotFound
from lib.registry.pending_decisions import list_pending_decisions
from lib.ui.app.routes import switch_page
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.chart_theme import chart_colors
from lib.ui.components.drift_banner import show_drift_banner, show_unknown_model, show_unreadable_model
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.components.pending_banner import show_pending
from lib.ui.components.write_access import disabled_kwargs, record_button_kwargs
from lib.ui.pages.models import move_dialogs, register_dialog
from lib.ui.pages.models.cards import header_note, show_history, show_holdings_chart, show_model_menu, show_version
from lib.ui.pages.models.version_table import show_version_table
from lib.ui.queries.registry import load_model_status, model_names

here = current_backend()
names = model_names(here)

if not names:
    with page_header("Models", "No model is registered yet"):
        off = record_button_kwargs(here)
        st.button(
            "Register a version",
            icon=":material/add_box:",
            key="models.register",
            on_click=register_dialog.open_register_dialog,
            **off,
        )
    with card(key="models.empty"):
        show_empty_state("deployed_code", "No model yet", "Train one, compare the runs, then register the better one.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", key="models.compare"):
                switch_page("compare")
    register_dialog.show_register_dialog()
    st.stop()

# Choose
asked = st.query_params.get("model", names[0])
model = asked if asked in names else names[0]
st.query_params["model"] = model
try:
    seen = load_model_status(here, model)
except (LedgerBroken, NotFound) as error:
    with page_header(escape(model), "Its record cannot be read"):
        show_model_menu(names, model)
    show_unreadable_model(here, model, error)
    st.stop()
with page_header(escape(model), header_note(seen)):
    show_model_menu(names, model)
    off = disabled_kwargs(seen.disabled_reason)
    st.button(
        "Register a version",
        icon=":material/add_box:",
        key="models.register",
        on_click=register_dialog.open_register_dialog,
        **off,
    )
if asked != model:
    show_unknown_model(here, asked, model)
flash.show_flash(flash.MODELS)

# Look
show_drift_banner(seen)
show_pending(list_pending_decisions(model, seen.status.state), can_write=seen.can_write)
show_holdings_chart(seen, chart_colors())
numbers = list(seen.status.snapshot.versions)
left, right = st.columns([13, 7], gap="medium")
if numbers:
    wanted = st.query_params.get("version", "")
    with left:
        number = show_version_table(seen, wanted if wanted in numbers else numbers[0])
        st.query_params["version"] = number
        show_history(seen, number)
    with right:
        show_version(seen, number)

# Act
register_dialog.show_register_dialog()
move_dialogs.show_move_dialog()
