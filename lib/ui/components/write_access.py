"""Read-only access: disables actions with a reason, and shows how to request the missing permission."""

from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import Capability, read_capabilities
from lib.backends.permissions import Resource, find_missing_permission
from lib.errors import MissingPermission, PodiumError
from lib.ui.components.formatting import escape


def disabled_kwargs(reason: str) -> dict[str, Any]:
    """Return arguments that disable a button, with the reason as help; empty without a reason."""
    return {"disabled": True, "help": escape(reason)} if reason else {}


def missing_reason(capability: Capability) -> str:
    """Return why a capability is unavailable; empty if it is available or unknown."""
    return capability.explanation if capability.is_available is False else ""


def write_button_kwargs(backend: Backend, experiment: str = "") -> dict[str, Any]:
    """Return arguments of a button that creates or changes an experiment or its runs: disabled without write access."""
    return disabled_kwargs(
        missing_reason(read_capabilities(backend).write_access) or _missing_edit_permission(backend, experiment)
    )


@st.cache_data(ttl=60, max_entries=256, show_spinner=False)
def _missing_edit_permission(backend: Backend, experiment: str) -> str:
    """Return the missing permission on an experiment id; empty if the server has no user accounts."""
    user_name = read_capabilities(backend).user_name
    error = (
        find_missing_permission(backend, user_name, Resource("experiment", experiment, experiment), "EDIT")
        if user_name and experiment
        else None
    )
    return error.what if error else ""


def record_button_kwargs(backend: Backend) -> dict[str, Any]:
    """Return arguments of a button that writes to the ledger: disabled without access."""
    return disabled_kwargs(missing_reason(read_capabilities(backend).ledger_access))


def show_missing_permission(error: PodiumError) -> None:
    """Show the reason and, on a server with user accounts, the call that grants the missing permission."""
    st.caption(escape(error.what))
    if isinstance(error, MissingPermission) and error.grant_code:
        with st.popover("How to get access", icon=":material/key:"):
            st.markdown("An administrator or manager of the resource can run this:")
            st.code(error.grant_code, language="python", wrap_lines=True)
    elif error.next:
        st.caption(escape(error.next))
