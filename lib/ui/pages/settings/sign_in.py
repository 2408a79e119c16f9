"""Sign-in on Settings. Credentials are held by this browser session, sent to one address only, and never saved."""

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.credentials import find_credential
from lib.backends.dagshub import repository_of
from lib.ledger.storage.actor import read_verified_name
from lib.ui.app.backend_gate import ping_backend
from lib.ui.app.backend_selection import sign_in, sign_out
from lib.ui.app.session import current_backend, remember_user_name
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card
from lib.ui.pages.settings.backend_list import check_backend, run_action
from lib.ui.pages.settings.dagshub_sign_in import show_read_only_note, show_token_form

SOURCE_LABELS = {
    "typed": "Entered here; discarded when this browser session ends",
    "secrets": "From Streamlit’s secrets, shared by all users",
    "environment": "From the environment, shared by all users",
}
SIGN_IN_METHODS = ("User and password", "Token")


def show_sign_in() -> None:
    """Show the current identity and the sign-in form; nothing for a backend without sign-in."""
    backend = current_backend()
    if backend.kind not in ("server", "database"):
        return
    credential = find_credential(backend)
    repository = repository_of(backend)
    with card("Sign-in", escape(repository or backend.name), key="settings.sign"):
        if credential:
            text = f"as **{escape(credential.user)}**" if credential.user else "with a token"
            st.markdown(f":material/key: Signed in {text}")
            st.caption(SOURCE_LABELS[credential.source])
            if repository:
                show_read_only_note(backend)
        else:
            st.markdown(":material/no_accounts: Not signed in")
        if credential and credential.source == "typed":
            st.button(
                "Sign out",
                icon=":material/logout:",
                key="settings.sign_out",
                on_click=run_action,
                args=(_sign_out_backend, backend),
            )
        else:
            (show_token_form if repository else _sign_in_form)(backend)


def _sign_in_form(backend: Backend) -> None:
    method = SIGN_IN_METHODS[0]
    if backend.kind == "server":
        method = st.segmented_control(
            "How", SIGN_IN_METHODS, default=SIGN_IN_METHODS[0], required=True, key="settings.way", label_visibility="collapsed"
        )
    with st.form("settings.form", border=False, clear_on_submit=True):
        user = st.text_input("User", key="settings.user", autocomplete="username") if method == SIGN_IN_METHODS[0] else ""
        secret = st.text_input(
            "Password" if method == SIGN_IN_METHODS[0] else "Token", type="password", key="settings.secret", autocomplete="off"
        )
        if st.form_submit_button("Sign in", icon=":material/login:"):
            _try_sign_in(backend, user, secret)
    st.caption("Held in memory for this browser session. Sent only to this address.")


def _try_sign_in(backend: Backend, user: str, secret: str) -> None:
    """Sign in if the backend accepts the credentials; otherwise show the reason and store nothing."""
    signed_backend = sign_in(backend, user, secret)
    status = check_backend(signed_backend)
    if status.health == "broken" and status.problem:
        sign_out(backend)
        show_error(status.problem)
        return
    name = read_verified_name(signed_backend)
    if name:
        remember_user_name(name)
    ping_backend.clear()
    welcome = f" as {escape(name)}, as confirmed by the server." if name else "."
    flash.set_flash(flash.SETTINGS, f"Signed in to {escape(backend.name)}{welcome}")
    st.rerun()


def _sign_out_backend(backend: Backend) -> None:
    sign_out(backend)
    ping_backend.clear()
    flash.set_flash(flash.SETTINGS, f"Signed out of {escape(backend.name)}.")
