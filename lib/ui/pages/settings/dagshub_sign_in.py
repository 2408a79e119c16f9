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
            _try(backend, lambda: token)
    st.caption("Kept in memory for this browser session. It goes to this repository and to DagsHub’s own API, nowhere else.")
    own_machine = is_on_this_machine() and not is_shared()
    if own_machine and st.button(
        "Use the token kept by dagshub on this machine",
        type="tertiary",
        icon=":material/key:",
        key="settings.kept",
        help="The file in which the dagshub client keeps its tokens is read, and never changed.",
    ):
        _try(backend, lambda: dagshub_tokens.read_cached_token(now()))


def show_read_only_note(backend: Backend) -> None:
    """A line for somebody who may only read; nothing while the backend does not answer, which the sidebar tells."""
    if ping_backend(backend).problem is None and (why := missing_reason(read_capabilities(backend).write_access)):
        st.caption(f":material/visibility: {escape(why)}")


def _try(here: Backend, token: Callable[[], str]) -> None:
    """Sign in as whom DagsHub names; a token that it refuses is not kept."""
    try:
        given = token().strip()
        if not given:
            raise BadInput("There is no token.", next="Paste it into the field.")
        found = _whose(here, given)
        sign_in(here, found.user_name, given)
    except PodiumError as error:
        show_error(error)
        return
    ping_backend.clear()
    remember_user_name(found.user_name)
    flash.set_flash(flash.SETTINGS, _welcome(found))
    st.rerun()


def _whose(here: Backend, token: str) -> RepositoryAccess:
    """Whose a token is. One that DagsHub cannot judge just now is kept as it is: its trouble says nothing about the token."""
    bare = credentials.create_credential(here.with_principal(""), "", token)
    try:
        with st.spinner("Asking DagsHub whose token it is…"):
            return dagshub.check_access(here.with_principal(bare.principal))
    except Unreachable:
        sign_in(here, "", token)
        raise


def _welcome(found: RepositoryAccess) -> str:
    signed = f"Signed in as {escape(found.user_name)}, to whom DagsHub says this token belongs."
    return f"{signed} {escape(dagshub.read_only_text(found))}" if found.can_push is False else signed
