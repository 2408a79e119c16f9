"""Signing in at DagsHub on Settings: a token is asked for and nothing else; whose it is, DagsHub says.

What a person gives is held by this browser session only. The token that DagsHub's own client keeps on this machine is read on a button
press, and only where machine and person belong together.
"""

from collections.abc import Callable

import streamlit as st

from lib.backends import credentials
from lib.backends import dagshub as hub
from lib.backends import dagshub_tokens as hub_tokens
from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.backends.dagshub import Found
from lib.errors import BadInput, PodiumError, Unreachable
from lib.ui.app.backend_gate import pulse
from lib.ui.app.backend_selection import is_shared, sign_in
from lib.ui.app.session import is_on_this_machine, keep_person, now
from lib.ui.components.error_box import show
from lib.ui.components.formatting import md
from lib.ui.components.write_access import lacks
from lib.ui.pages.settings.backend_list import DONE


def token_form(here: Backend) -> None:
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
            _try(here, lambda: token)
    st.caption("Kept in memory for this browser session. It goes to this repository and to DagsHub’s own API, nowhere else.")
    own_machine = is_on_this_machine() and not is_shared()
    if own_machine and st.button(
        "Use the token kept by dagshub on this machine",
        type="tertiary",
        icon=":material/key:",
        key="settings.kept",
        help="The file in which the dagshub client keeps its tokens is read, and never changed.",
    ):
        _try(here, lambda: hub_tokens.kept(now()))


def rights(here: Backend) -> None:
    """A line for somebody who may only read; nothing while the backend does not answer, which the sidebar tells."""
    if pulse(here).trouble is None and (why := lacks(capabilities(here).writing)):
        st.caption(f":material/visibility: {md(why)}")


def _try(here: Backend, token: Callable[[], str]) -> None:
    """Sign in as whom DagsHub names; a token that it refuses is not kept."""
    try:
        given = token().strip()
        if not given:
            raise BadInput("There is no token.", next="Paste it into the field.")
        found = _whose(here, given)
        sign_in(here, found.user, given)
    except PodiumError as error:
        show(error)
        return
    pulse.clear()
    keep_person(found.user)
    st.session_state[DONE] = _welcome(found)
    st.rerun()


def _whose(here: Backend, token: str) -> Found:
    """Whose a token is. One that DagsHub cannot judge just now is kept as it is: its trouble says nothing about the token."""
    bare = credentials.given(here.asked_by(""), "", token)
    try:
        with st.spinner("Asking DagsHub whose token it is…"):
            return hub.look(here.asked_by(bare.principal))
    except Unreachable:
        sign_in(here, "", token)
        raise


def _welcome(found: Found) -> str:
    signed = f"Signed in as {md(found.user)}, to whom DagsHub says this token belongs."
    return f"{signed} {md(hub.reads_only(found))}" if found.may_push is False else signed
