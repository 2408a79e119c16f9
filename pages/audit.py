"""Audit: who held what when, every entry of the ledger, one of them in full, and whether the record is whole."""

import streamlit as st

from lib.errors import LedgerBroken
from lib.registry.pending_decisions import list_pending_decisions
from lib.ui.app.routes import switch_page
from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.drift_banner import show_deleted_models, show_drift_summary
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.components.pending_banner import show_pending
from lib.ui.pages.audit.as_of import show_as_of_query
from lib.ui.pages.audit.correction_dialog import show_correction_dialog
from lib.ui.pages.audit.current_holders import (
    ENTRIES_VIEW,
    HOLDERS_VIEW,
    VERSIONS_VIEW,
    show_current_holders,
    show_version_metrics,
)
from lib.ui.pages.audit.entry_rows import audit_rows
from lib.ui.pages.audit.entry_table import find_opened_row, show_entry, show_entry_table, show_unknown_entry, update_url
from lib.ui.pages.audit.filters import show_filters
from lib.ui.pages.audit.verify import anchors_button, show_broken_index, show_verdicts, verify_button
from lib.ui.queries.registry import load_registry

# Choose
here = current_backend()
try:
    found = load_registry(here)
except LedgerBroken as error:
    show_broken_index(here, error)
    st.stop()
every = audit_rows(found)
books = format_count(len({row.model for row in every}), "book")
with page_header("Audit", f"{format_count(len(every), 'entry', 'entries')} in {books} · who moved what, when and why"):
    anchors_button(found)
    verify_button()
if not every:
    show_drift_summary(found)
    show_verdicts(here)
    if not found.deleted_books and not found.missing_books:
        with card(key="audit.empty"):
            show_empty_state("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
            with st.container(horizontal=True, horizontal_alignment="center"):
                if st.button("Open the models", icon=":material/deployed_code:", key="audit.models"):
                    switch_page("models")
    st.stop()
flash.show_flash(flash.CORRECTION)

# Look: the answer first, then what is asked for below it
flash.show_flash(flash.MODELS)
show_drift_summary(found)
show_deleted_models(found)
show_pending(
    [one for model, state in found.states.items() for one in list_pending_decisions(model, state)], can_write=found.can_write
)
show_as_of_query(found)
show_verdicts(here)
view = st.segmented_control(
    "Show",
    [ENTRIES_VIEW, HOLDERS_VIEW, VERSIONS_VIEW],
    default=ENTRIES_VIEW,
    key="audit.view",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
left = show_filters(every) if view == ENTRIES_VIEW else every
show_unknown_entry(every)
row = find_opened_row(every)
wide, narrow = st.columns([13, 7], gap="medium") if row or view == ENTRIES_VIEW else (st.container(), st.container())
with wide:
    if view == HOLDERS_VIEW:
        show_current_holders(found)
    if view == VERSIONS_VIEW:
        show_version_metrics(found, str(st.session_state.get("audit.of", every[0].model)))
    if view == ENTRIES_VIEW:
        row = show_entry_table(left, every)
if row is not None:
    with narrow:
        show_entry(row)
    update_url(row)

# Act
show_correction_dialog()
