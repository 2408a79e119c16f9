"""DagsHub sign-in on Settings with a token only; DagsHub reports whose token it is.

The token is held by this browser session only. The token stored by DagsHub's own client on this machine is read on a button press,
and only if the browser runs on this machine and Podium is not shared.
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
    """Show the token field, and on the user's own machine a button that uses the stored token."""
    with st.form("settings.hub", border=False, clear_on_submit=True):
        token = st.text_input(
            "DagsHub token",
            type="password",
            key="settings.token",
            autocomplete="off",
            help="Create one on DagsHub under your profile picture, Settings, Tokens.",
        )
        if st.form_submit_button("Sign in", icon=":material/login:"):
            _sign_in_with_token(backend, lambda: token)
    st.caption("Held in memory for this browser session. Sent only to this repository and to DagsHub’s API.")
    is_own_machine = is_on_this_machine() and not is_shared()
    if is_own_machine and st.button(
        "Use the token stored by dagshub on this machine",
        type="tertiary",
        icon=":material/key:",
        key="settings.kept",
        help="Reads the dagshub client's token file and never changes it.",
    ):
        _sign_in_with_token(backend, lambda: dagshub_tokens.read_cached_token(now()))


def show_read_only_note(backend: Backend) -> None:
    """Show a note for a user with read-only access; nothing if the backend does not respond, since the sidebar reports that."""
    if ping_backend(backend).problem is None and (reason := missing_reason(read_capabilities(backend).write_access)):
        st.caption(f":material/visibility: {escape(reason)}")


def _sign_in_with_token(backend: Backend, read_token: Callable[[], str]) -> None:
    """Sign in as the user reported by DagsHub; a rejected token is not stored."""
    try:
        secret = read_token().strip()
        if not secret:
            raise BadInput("No token was entered.", next="Paste your token into the field.")
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
    """Return the token owner's access. If DagsHub is unreachable, keep the token unchecked: an outage does not invalidate it."""
    credential = credentials.create_credential(backend.with_principal(""), "", token)
    try:
        with st.spinner("Asking DagsHub whose token it is…"):
            return dagshub.check_access(backend.with_principal(credential.principal))
    except Unreachable:
        sign_in(backend, "", token)
        raise


def _welcome_text(access: RepositoryAccess) -> str:
    text = f"Signed in as {escape(access.user_name)}, the owner of this token according to DagsHub."
    return f"{text} {escape(dagshub.read_only_text(access))}" if access.can_push is False else text
