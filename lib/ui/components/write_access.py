"""What somebody who may only read is told: deeds are greyed out with the reason, and the missing right can be asked for."""

from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import Ability, capabilities
from lib.backends.permissions import Thing, lacking
from lib.errors import MissingGrant, PodiumError
from lib.ui.components.formatting import md


def greyed(why: str) -> dict[str, Any]:
    """Arguments of a button whose deed is not possible, the reason as its help; none where nothing speaks against it."""
    return {"disabled": True, "help": md(why)} if why else {}


def lacks(one: Ability) -> str:
    """Why something is not possible; empty where it is, or where it cannot be told."""
    return one.why if one.has is False else ""


def for_writing(here: Backend, experiment: str = "") -> dict[str, Any]:
    """Arguments of a button that changes an experiment or its runs, or makes one: greyed out for somebody who may only read."""
    return greyed(lacks(capabilities(here).writing) or _lacking(here, experiment))


@st.cache_data(ttl=60, max_entries=256, show_spinner=False)
def _lacking(here: Backend, experiment: str) -> str:
    """The missing right on an experiment, by its id; empty where nobody keeps users."""
    name = capabilities(here).user
    missing = lacking(here, name, Thing("experiment", experiment, experiment), "EDIT") if name and experiment else None
    return missing.what if missing else ""


def for_recording(here: Backend) -> dict[str, Any]:
    """Arguments of a button that writes into the record."""
    return greyed(lacks(capabilities(here).recording))


def what_to_ask_for(error: PodiumError) -> None:
    """The reason in a line and, on a server with users, the call that grants what is missing."""
    st.caption(md(error.what))
    if isinstance(error, MissingGrant) and error.call:
        with st.popover("What to ask for", icon=":material/key:"):
            st.markdown("An administrator, or whoever manages it, can run this:")
            st.code(error.call, language="python", wrap_lines=True)
    elif error.next:
        st.caption(md(error.next))
