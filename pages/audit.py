"""Audit: who held which stage when, all ledger entries, entry details, and verification of the record."""

import streamlit as st

from lib.errors import LedgerBroken
from lib.registry.pending_decisions import list_pending_decisions
from lib.ui.app.session import current_backend, trusted_keys
from lib.ui.components import flash
from lib.ui.components.drift_banner import show_deleted_models, show_drift_summary
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import page_header
from lib.ui.components.pending_banner import show_pending
from lib.ui.pages.audit import correction_dialog, entry_table, verify
from lib.ui.pages.audit.as_of import show_as_of_query
from lib.ui.pages.audit.current_holders import show_current_holders, show_version_metrics
from lib.ui.pages.audit.entry_rows import audit_rows
from lib.ui.pages.audit.filters import show_filters
from lib.ui.queries.registry import load_registry

ENTRIES_VIEW, HOLDERS_VIEW, VERSIONS_VIEW = "Entries", "Now", "Versions"

# Choose
backend = current_backend()
try:
    registry = load_registry(backend)
except LedgerBroken as error:
    verify.show_broken_index(backend, error)
    st.stop()
all_rows = audit_rows(registry)
books = format_count(len({row.model for row in all_rows}), "book")
with page_header("Audit", f"{format_count(len(all_rows), 'entry', 'entries')} in {books} · who moved what, when and why"):
    verify.anchors_button(registry)
    verify.verify_button()
if not all_rows:
    show_drift_summary(registry)
    verify.show_verdicts(backend)
    if not registry.deleted_books and not registry.missing_books:
        entry_table.show_no_entries()
    st.stop()
flash.show_flash(flash.CORRECTION)

# Look: the answer first, then the details
flash.show_flash(flash.MODELS)
show_drift_summary(registry)
show_deleted_models(registry)
keys = trusted_keys()
decisions = [decision for status in registry.statuses.values() for decision in list_pending_decisions(status, keys)]
show_pending(decisions, can_write=registry.can_write)
show_as_of_query(registry)
verify.show_verdicts(backend)
view = st.segmented_control(
    "Show",
    [ENTRIES_VIEW, HOLDERS_VIEW, VERSIONS_VIEW],
    default=ENTRIES_VIEW,
    key="audit.view",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
filtered_rows = show_filters(all_rows) if view == ENTRIES_VIEW else all_rows
entry_table.show_unknown_entry(all_rows)
row = entry_table.find_opened_row(all_rows)
has_two_columns = row is not None or view == ENTRIES_VIEW
left_column, right_column = st.columns([13, 7], gap="medium") if has_two_columns else (st.container(), st.container())
with left_column:
    if view == HOLDERS_VIEW:
        show_current_holders(registry)
    if view == VERSIONS_VIEW:
        show_version_metrics(registry, str(st.session_state.get("audit.of", all_rows[0].model)))
    if view == ENTRIES_VIEW:
        row = entry_table.show_entry_table(filtered_rows, all_rows)
if row is not None:
    with right_column:
        entry_table.show_entry(row)
    entry_table.update_url(row)

# Act
correction_dialog.show_correction_dialog()
