"""Signing in on Settings: what a person types is held by this browser session, sent to one address only, and never written down."""

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.credentials import of
from lib.backends.dagshub import repository_of
from lib.ledger.storage.identity import verified_name
from lib.ui.app.backend_gate import pulse
from lib.ui.app.backend_selection import sign_in, sign_out
from lib.ui.app.session import backend, keep_person
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.layout import card
from lib.ui.pages.settings.backend_list import DONE, deed, state_of
from lib.ui.pages.settings.dagshub_sign_in import rights, token_form

SOURCES = {
    "typed": "Given here; forgotten when this browser session ends",
    "secrets": "From Streamlit’s secrets, for everybody here",
    "environment": "From the environment, for everybody here",
}
WAYS = ("User and password", "Token")


def sign_in_card() -> None:
    """As whom the backend in use is asked, and the form to ask as oneself. Nothing for a file."""
    here = backend()
    if here.kind not in ("server", "database"):
        return
    held = of(here)
    repository = repository_of(here)
    with card("Sign-in", md(repository or here.name), key="settings.sign"):
        if held:
            who = f"as **{md(held.user)}**" if held.user else "with a token"
            st.markdown(f":material/key: Signed in {who}")
            st.caption(SOURCES[held.source])
            if repository:
                rights(here)
        else:
            st.markdown(":material/no_accounts: Asked as nobody")
        if held and held.source == "typed":
            st.button("Sign out", icon=":material/logout:", key="settings.sign_out", on_click=deed, args=(_sign_out, here))
        else:
            (token_form if repository else _form)(here)


def _form(here: Backend) -> None:
    way = WAYS[0]
    if here.kind == "server":
        way = st.segmented_control("How", WAYS, default=WAYS[0], required=True, key="settings.way", label_visibility="collapsed")
    with st.form("settings.form", border=False, clear_on_submit=True):
        user = st.text_input("User", key="settings.user", autocomplete="username") if way == WAYS[0] else ""
        secret = st.text_input(
            "Password" if way == WAYS[0] else "Token", type="password", key="settings.secret", autocomplete="off"
        )
        if st.form_submit_button("Sign in", icon=":material/login:"):
            _try(here, user, secret)
    st.caption("Kept in memory for this browser session. It goes to this address and nowhere else.")


def _try(here: Backend, user: str, secret: str) -> None:
    """Sign in, if the backend lets this person in; otherwise the reason, and nothing is kept."""
    asked = sign_in(here, user, secret)
    state = state_of(asked)
    if state.word == "broken" and state.trouble:
        sign_out(here)
        show(state.trouble)
        return
    name = verified_name(asked)
    if name:
        keep_person(name)
    pulse.clear()
    st.session_state[DONE] = f"Signed in at {md(here.name)}" + (
        f" as {md(name)}, the name its server vouches for." if name else "."
    )
    st.rerun()


def _sign_out(here: Backend) -> None:
    sign_out(here)
    pulse.clear()
    st.session_state[DONE] = f"Signed out at {md(here.name)}."
