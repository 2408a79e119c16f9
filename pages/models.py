"""Models: a model's stage history, its versions, and actions on the selected version."""

import streamlit as st

from lib.errors import LedgerBroken, NotFound
from lib.registry.pending_decisions import list_pending_decisions
from lib.ui.app.page_links import switch_page
from lib.ui.app.session import current_backend, trusted_keys
from lib.ui.components import flash
from lib.ui.components.badges import chart_colors
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.components.pending_banner import show_pending
from lib.ui.components.write_access import disabled_kwargs, record_button_kwargs
from lib.ui.pages.models import cards, drift, move_dialogs, register_dialog
from lib.ui.pages.models.version_table import show_version_table
from lib.ui.queries.registry import load_model_status, model_names

backend = current_backend()
names = model_names(backend)

if not names:
    with page_header("Models", "No models registered yet"):
        register_dialog.register_button(record_button_kwargs(backend))
    with card(key="models.empty"):
        show_empty_state("deployed_code", "No models yet", "Train a model, compare the runs, then register the best one.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", key="models.compare"):
                switch_page("compare")
    register_dialog.show_register_dialog()
    st.stop()

# Choose
requested_model = st.query_params.get("model", names[0])
model = requested_model if requested_model in names else names[0]
st.query_params["model"] = model
try:
    cached_status = load_model_status(backend, model)
except (LedgerBroken, NotFound) as error:
    with page_header(escape(model), "The record of this model cannot be read"):
        cards.show_model_menu(names, model)
    drift.show_unreadable_model(backend, model, error)
    st.stop()
with page_header(escape(model), cards.header_note(cached_status)):
    cards.show_model_menu(names, model)
    register_dialog.register_button(disabled_kwargs(cached_status.disabled_reason))
if requested_model != model:
    drift.show_unknown_model(backend, requested_model, model)
flash.show_flash(flash.MODELS)

# Look
drift.show_drift_banner(cached_status)
show_pending(list_pending_decisions(cached_status.status, trusted_keys()), can_write=cached_status.can_write)
cards.show_holdings_chart(cached_status, chart_colors())
numbers = list(cached_status.status.snapshot.versions)
left_column, right_column = st.columns([13, 7], gap="medium")
if numbers:
    requested_version = st.query_params.get("version", "")
    with left_column:
        number = show_version_table(cached_status, cards.selected_version(cached_status, requested_version))
        st.query_params["version"] = number
        cards.show_history(cached_status, number)
    with right_column:
        cards.show_version(cached_status, number)
        cards.show_description(cached_status)

# Act
register_dialog.show_register_dialog()
move_dialogs.show_move_dialog(model)
