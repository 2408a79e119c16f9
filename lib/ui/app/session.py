"""What belongs to this process and this browser session: the backend in use, the clock, and the person's name."""

import getpass
import os
from datetime import UTC, datetime
from urllib.parse import urlsplit

import streamlit as st

from lib.backends.backend import Backend
from lib.ui.app.backend_selection import in_use
from lib.ui.components.formatting import plain

PERSON = "session.person"
NAME_LENGTH = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def backend() -> Backend:
    """The backend of this browser session, asked as whoever signed in; see `choosing`.

    Raises BadInput or NotFound for one that Podium cannot open.
    """
    return in_use()


def now() -> datetime:
    """The clock of the pages, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the pages' one clock


def person() -> str:
    """The name typed in this browser session; empty when nobody typed one yet. Typed, not verified."""
    return str(st.session_state.get(PERSON, ""))


def ask_person() -> str:
    """Ask for the person's name, once per browser session, and return it. Draws nothing when it is known already."""
    if person():
        return person()
    typed = st.text_input(
        "Your name", _first_guess(), max_chars=NAME_LENGTH, key="session.name", help="Recorded as typed, not verified."
    )
    return tidy_name(typed)


def keep_person(name: str) -> None:
    """Remember the name for the rest of this browser session. To be called with the deed that records it."""
    st.session_state[PERSON] = tidy_name(name)


def tidy_name(name: str) -> str:
    """A name without control or invisible characters and runs of blanks, at most 60 characters. Pure."""
    return " ".join(plain(name).split())[:NAME_LENGTH].strip()


def _first_guess() -> str:
    """The login of this machine, offered only to a browser on this machine: elsewhere it would name the server's account."""
    return (os.environ.get("PODIUM_USER") or _login()) if is_on_this_machine() else ""


def is_on_this_machine() -> bool:
    """Whether Podium listens on this machine only and the browser reached it here: then machine and person belong together."""
    host = urlsplit(st.context.url or "").hostname
    return st.get_option("server.address") in LOOPBACK and host in (None, *LOOPBACK)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no login name on this system
        return ""
