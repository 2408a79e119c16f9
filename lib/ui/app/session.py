"""State of this process and browser session: backend, clock, user name, and writer.

Modules that need MLflow are imported where they are used, so that the first page does not wait for them.
"""

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from lib.backends.backend import Backend
from lib.text import strip_invisible
from lib.ui.app.backend_selection import current_backend_name, own_backend_entry, read_config, resolve_session_backend
from lib.ui.app.page_links import PROJECT_ROOT

if TYPE_CHECKING:
    from lib.ledger.chain.signatures import TrustedKeys
    from lib.ledger.entry.vocabulary import Actor
    from lib.ledger.storage.book import Writer
    from lib.ledger.storage.head_memory import HeadMemory

USER_NAME_KEY = "session.person"
MAX_NAME_LENGTH = 60
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def current_backend() -> Backend:
    """Return the backend of this browser session with the user's credentials; see `backend_selection`.

    Raises BadInput or NotFound if Podium cannot open it.
    """
    own_entry, name = own_backend_entry(), current_backend_name()  # first: it binds the credentials of the environment
    return resolve_session_backend(read_config().find(name) if name else own_entry)


def now() -> datetime:
    """Return the current time in UTC: the clock of the pages."""
    return datetime.now(UTC)  # noqa: TID251 - the pages' one clock


def user_name() -> str:
    """Return the name typed in this browser session, unverified; empty if none was typed yet."""
    return str(st.session_state.get(USER_NAME_KEY, ""))


def ask_user_name() -> str:
    """Ask for the user's name once per browser session and return it. Draws nothing if it is already known."""
    if user_name():
        return user_name()
    typed_name = st.text_input(
        "Your name", _suggested_name(), max_chars=MAX_NAME_LENGTH, key="session.name", help="Recorded as typed, not verified."
    )
    return normalize_name(typed_name)


def remember_user_name(name: str) -> None:
    """Remember the name for this browser session. Call together with the action that records it."""
    st.session_state[USER_NAME_KEY] = normalize_name(name)


def normalize_name(name: str) -> str:
    """Return a name without control and invisible characters or repeated blanks, at most 60 characters. Pure."""
    return " ".join(strip_invisible(name).split())[:MAX_NAME_LENGTH].strip()


def _suggested_name() -> str:
    """Return this machine's login name, only for a browser on this machine; for others it would be the server's account."""
    return (os.environ.get("PODIUM_USER") or _login_name()) if is_on_this_machine() else ""


def is_on_this_machine() -> bool:
    """Return whether Podium listens only locally and the browser is on this machine, so that its login is the user's."""
    host = urlsplit(st.context.url or "").hostname
    return st.get_option("server.address") in LOOPBACK_HOSTS and host in (None, *LOOPBACK_HOSTS)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no login name on this system
        return ""


def writer(typed_name: str = "") -> "Writer":
    """Return the writer for this backend: the typed name, via the service account on a shared server; Podium itself without a name."""
    from lib.ledger.entry.vocabulary import PODIUM_ACTOR
    from lib.ledger.storage.actor import resolve_session_actor

    backend = current_backend()
    return create_writer(backend, resolve_session_actor(backend, typed_name or user_name() or PODIUM_ACTOR.name))


def trusted_keys() -> "TrustedKeys":
    """Return the keys that this Podium trusts to verify names."""
    from lib.ledger.storage.key_trust import read_trusted_keys_or_none

    return read_trusted_keys_or_none(os.environ, PROJECT_ROOT)


def create_writer(backend: Backend, actor: "Actor") -> "Writer":
    """Create a writer with the pages' clock, this Podium's signing key, and its head memory."""
    from lib.ledger.storage.book import Writer
    from lib.ledger.storage.signing_keys import create_signer

    return Writer(backend, actor, now, create_signer(os.environ, now, PROJECT_ROOT), head_memory())


def head_memory() -> "HeadMemory":
    """Return this Podium's memory of the records it has seen."""
    from lib.ledger.storage.head_memory import create_head_memory

    return create_head_memory(os.environ, PROJECT_ROOT)
