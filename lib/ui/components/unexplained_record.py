"""What stands in place of "no entry yet" where the store holds a record that no index explains: nobody can say then that there is none."""

import streamlit as st

from lib.ui.app.page_links import page_link
from lib.ui.app.session import current_backend
from lib.ui.queries.registry import has_unexplained_record

UNEXPLAINED_TEXT = (
    "There is a record in this store that no index leads to: it was renamed, replaced or copied. So nobody can say that there is none, "
    "and no new one begins."
)


def show_unexplained_record() -> bool:
    """Say that there is such a record, with the way to the check; False where there is none. Searches the whole store, at most every two minutes."""
    if not has_unexplained_record(current_backend()):
        return False
    st.error(UNEXPLAINED_TEXT, title="A record needs attention", icon=":material/error:")
    page_link("Verify on the Audit page", "audit", icon="fingerprint")
    return True
