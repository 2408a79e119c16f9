"""The panel "What this backend can do": every ability with its reason, and what Podium does instead."""

import streamlit as st

from lib.backends.capabilities import Capabilities, ask_again
from lib.backends.capability_report import Line, lines, source
from lib.ui.components.badges import HEALTH, icon
from lib.ui.components.formatting import md
from lib.ui.components.layout import card, table


def draw(capabilities: Capabilities) -> None:
    """Draw the card. Everything was asked before; the button asks anew."""
    with card("What this backend can do", md(source(capabilities)), key="capabilities.panel"):
        told = lines(capabilities)
        table([_row(line) for line in told])
        for line in told:
            if line.call:
                st.caption(f"{line.what}: an administrator, or whoever manages it, can run this.")
                st.code(line.call, language="python", wrap_lines=True)
        st.button(
            "Ask again",
            key="capabilities.again",
            type="tertiary",
            icon=":material/refresh:",
            help="A right may have been granted, or the server renewed.",
            on_click=ask_again,
            args=(capabilities.backend,),
        )


def _row(line: Line) -> tuple[str, str, str]:
    return f"{icon(HEALTH, line.state)} {line.what}", line.found, f":gray[{md(line.why)}]" if line.why else ""
