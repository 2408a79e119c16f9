"""The panel "What this backend can do": each capability with its reason, and Podium's fallback."""

import streamlit as st

from lib.backends.capabilities import Capabilities, refresh_capabilities
from lib.backends.capability_report import CapabilityRow, capability_rows, connection_text
from lib.ui.components.badges import HEALTH_BADGES, icon_markdown
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, show_table


def show_capabilities(capabilities: Capabilities) -> None:
    """Draw the card from the capabilities already read; the button reads them again."""
    with card("What this backend can do", escape(connection_text(capabilities)), key="capabilities.panel"):
        rows = capability_rows(capabilities)
        show_table([_table_row(row) for row in rows])
        for row in rows:
            if row.grant_code:
                st.caption(f"{row.label}: an administrator or manager of the resource can run this.")
                st.code(row.grant_code, language="python", wrap_lines=True)
        st.button(
            "Check again",
            key="capabilities.again",
            type="tertiary",
            icon=":material/refresh:",
            help="Check for new permissions or a server upgrade.",
            on_click=refresh_capabilities,
            args=(capabilities.backend,),
        )


def _table_row(row: CapabilityRow) -> tuple[str, str, str]:
    return (
        f"{icon_markdown(HEALTH_BADGES, row.state)} {row.label}",
        row.value,
        f":gray[{escape(row.explanation)}]" if row.explanation else "",
    )
