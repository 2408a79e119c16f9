"""Signing in at DagsHub on Settings: a token is asked for and nothing else; whose it is, DagsHub says.

What a person gives is held by this browser session only. The token that DagsHub's own client keeps on this machine is read on a button
press, and only where machine and person belong together.
"""

from collections.abc import Callable

import streamlit as st

from lib.backends import credentials, dagshub, dagshub_tokens
from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.backends.dagshub import RepositoryAccess
from lib.errors import BadInput, PodiumError, Unreachable
from lib.ui.app.backend_gate import ping_backend
from lib.ui.app.backend_selection import is_shared, sign_in
from lib.ui.app.session import is_on_this_machine, now, remember_user_name
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.write_access import missing_reason


def show_token_form(backend: Backend) -> None:
    """The one field, and where it is right the button that takes the token kept on this machine."""
    with st.form("settings.hub", border=False, clear_on_submit=True):
        token = st.text_input(
            "DagsHub token",
            type="password",
            key="settings.token",
            autocomplete="off",
            help="DagsHub makes one under your picture, Settings, Tokens.",
        )
        if st.form_submit_button("Sign in", icon=":material/login:"):
            _sign_in_with_token(backend, lambda: token)
    st.caption("Kept in memory for this browser session. It goes to this repository and to DagsHub’s own API, nowhere else.")
    is_own_machine = is_on_this_machine() and not is_shared()
    if is_own_machine and st.button(
        "Use the token kept by dagshub on this machine",
        type="tertiary",
        icon=":material/key:",
        key="settings.kept",
        help="The file in which the dagshub client keeps its tokens is read, and never changed.",
    ):
        _sign_in_with_token(backend, lambda: dagshub_tokens.read_cached_token(now()))


def show_read_only_note(backend: Backend) -> None:
    """A line for somebody who may only read; nothing while the backend does not answer, which the sidebar says."""
    if ping_backend(backend).problem is None and (reason := missing_reason(read_capabilities(backend).write_access)):
        st.caption(f":material/visibility: {escape(reason)}")


def _sign_in_with_token(backend: Backend, read_token: Callable[[], str]) -> None:
    """Sign in as whom DagsHub names; a token that it refuses is not kept."""
    try:
        secret = read_token().strip()
        if not secret:
            raise BadInput("There is no token.", next="Paste it into the field.")
        access = _check_token_owner(backend, secret)
        sign_in(backend, access.user_name, secret)
    except PodiumError as error:
        show_error(error)
        return
    ping_backend.clear()
    remember_user_name(access.user_name)
    flash.set_flash(flash.SETTINGS, _welcome_text(access))
    st.rerun()


def _check_token_owner(backend: Backend, token: str) -> RepositoryAccess:
    """Whose a token is. One that DagsHub cannot check right now is kept as it is: an outage says nothing about the token."""
    credential = credentials.create_credential(backend.with_principal(""), "", token)
    try:
        with st.spinner("Asking DagsHub whose token it is…"):
            return dagshub.check_access(backend.with_principal(credential.principal))
    except Unreachable:
        sign_in(backend, "", token)
        raise


def _welcome_text(access: RepositoryAccess) -> str:
    text = f"Signed in as {escape(access.user_name)}, to whom DagsHub says this token belongs."
    return f"{text} {escape(dagshub.read_only_text(access))}" if access.can_push is False else text
