"""Audit: every entry of the ledger, one of them in full, and whether the record is whole."""

import streamlit as st

from lib.ui.audit_asof import as_of_card
from lib.ui.audit_correct import show_corrected, show_correcting
from lib.ui.audit_entries import entries_card, entry_card, rows, toolbar
from lib.ui.audit_verify import verdicts, verify_button
from lib.ui.cards import card, empty, header
from lib.ui.models_reads import registry
from lib.ui.routes import goto
from lib.ui.session import backend
from lib.ui.text import count

# Choose
here = backend()
every = rows(registry(here))
books = count(len({row.model for row in every}), "book")
with header("Audit", f"{count(len(every), 'entry', 'entries')} in {books} · who moved what, when and why"):
    verify_button()
if not every:
    with card(key="audit.empty"):
        empty("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Open the models", icon=":material/deployed_code:", key="audit.models"):
                goto("models")
    st.stop()
show_corrected()

# Look: the answer first, then the entries it comes from
as_of_card(registry(here))
verdicts(here)
left = toolbar(every)
wide, narrow = st.columns([13, 7], gap="medium")
with wide:
    row = entries_card(left, len(every))
if row is not None:
    with narrow:
        entry_card(row)

# Act
show_correcting()
