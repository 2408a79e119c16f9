"""What somebody who may only read sees: actions are greyed out with the reason, and the missing permission can be asked for."""

from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import Capability, read_capabilities
from lib.backends.permissions import Resource, find_missing_permission
from lib.errors import MissingPermission, PodiumError
from lib.ui.components.formatting import escape


def disabled_kwargs(reason: str) -> dict[str, Any]:
    """Arguments of a button whose action is not possible, the reason as its help; none where nothing speaks against it."""
    return {"disabled": True, "help": escape(reason)} if reason else {}


def missing_reason(capability: Capability) -> str:
    """Why something is not possible; empty where it is, or where that is unknown."""
    return capability.explanation if capability.is_available is False else ""


def write_button_kwargs(backend: Backend, experiment: str = "") -> dict[str, Any]:
    """Arguments of a button that changes an experiment or its runs, or makes one: greyed out for somebody who may only read."""
    return disabled_kwargs(
        missing_reason(read_capabilities(backend).write_access) or _missing_edit_permission(backend, experiment)
    )


@st.cache_data(ttl=60, max_entries=256, show_spinner=False)
def _missing_edit_permission(backend: Backend, experiment: str) -> str:
    """The missing permission on an experiment, by its id; empty where the server keeps no users."""
    user_name = read_capabilities(backend).user_name
    error = (
        find_missing_permission(backend, user_name, Resource("experiment", experiment, experiment), "EDIT")
        if user_name and experiment
        else None
    )
    return error.what if error else ""


def record_button_kwargs(backend: Backend) -> dict[str, Any]:
    """Arguments of a button that writes into the record."""
    return disabled_kwargs(missing_reason(read_capabilities(backend).ledger_access))


def show_missing_permission(error: PodiumError) -> None:
    """The reason in a line and, on a server with users, the call that grants what is missing."""
    st.caption(escape(error.what))
    if isinstance(error, MissingPermission) and error.grant_code:
        with st.popover("What to ask for", icon=":material/key:"):
            st.markdown("An administrator, or whoever manages it, can run this:")
            st.code(error.grant_code, language="python", wrap_lines=True)
    elif error.next:
        st.caption(escape(error.next))
