"""Audit: who held what when, every entry of the ledger, one of them in full, and whether the record is whole."""

import streamlit as st

from lib.errors import LedgerBroken
from lib.registry.pending_decisions import pending
from lib.ui.app.routes import goto
from lib.ui.app.session import backend
from lib.ui.components.drift_banner import deleted_banner, short_banner
from lib.ui.components.formatting import count
from lib.ui.components.layout import card, empty, header
from lib.ui.components.pending_banner import unfinished
from lib.ui.pages.audit.as_of import as_of_card
from lib.ui.pages.audit.correction_dialog import show_corrected, show_correcting
from lib.ui.pages.audit.current_holders import BOARD, ENTRIES, VERSIONS, board, versions
from lib.ui.pages.audit.entry_rows import rows
from lib.ui.pages.audit.entry_table import entries_card, entry_card, opened, remember, say_when_unknown
from lib.ui.pages.audit.filters import toolbar
from lib.ui.pages.audit.verify import heads_button, verdicts, verify_button, without_index
from lib.ui.pages.models.move_dialogs import show_done
from lib.ui.queries.registry import registry

# Choose
here = backend()
try:
    found = registry(here)
except LedgerBroken as error:
    without_index(here, error)
    st.stop()
every = rows(found)
books = count(len({row.model for row in every}), "book")
with header("Audit", f"{count(len(every), 'entry', 'entries')} in {books} · who moved what, when and why"):
    heads_button(found)
    verify_button()
if not every:
    short_banner(found)
    verdicts(here)
    if not found.lost and not found.gone:
        with card(key="audit.empty"):
            empty("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
            with st.container(horizontal=True, horizontal_alignment="center"):
                if st.button("Open the models", icon=":material/deployed_code:", key="audit.models"):
                    goto("models")
    st.stop()
show_corrected()

# Look: the answer first, then what is asked for below it
show_done()
short_banner(found)
deleted_banner(found)
unfinished([one for model, state in found.records.items() for one in pending(model, state)], may_write=found.may_write)
as_of_card(found)
verdicts(here)
view = st.segmented_control(
    "Show",
    [ENTRIES, BOARD, VERSIONS],
    default=ENTRIES,
    key="audit.view",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
left = toolbar(every) if view == ENTRIES else every
say_when_unknown(every)
row = opened(every)
wide, narrow = st.columns([13, 7], gap="medium") if row or view == ENTRIES else (st.container(), st.container())
with wide:
    if view == BOARD:
        board(found)
    if view == VERSIONS:
        versions(found, str(st.session_state.get("audit.of", every[0].model)))
    if view == ENTRIES:
        row = entries_card(left, every)
if row is not None:
    with narrow:
        entry_card(row)
    remember(row)

# Act
show_correcting()
