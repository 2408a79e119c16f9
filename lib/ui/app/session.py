"""What belongs to this process and this browser session: the backend in use, the clock, the person's name, and who writes.

What needs MLflow is imported where it is used: the first page does not wait for it.
"""

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from lib.backends.backend import Backend
from lib.text import strip_invisible
from lib.ui.app.backend_selection import (
    DEFAULT_NAME,
    attach_session_credential,
    current_backend_name,
    default_backend,
    read_config,
    resolve_configured_backend,
)
from lib.ui.app.page_links import PROJECT_ROOT

if TYPE_CHECKING:
    from lib.ledger.chain.signatures import TrustedKeys
    from lib.ledger.entry.vocabulary import Actor
    from lib.ledger.storage.book import Writer

USER_NAME_KEY = "session.person"
MAX_NAME_LENGTH = 60
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def current_backend() -> Backend:
    """The backend of this browser session, asked as whoever signed in; see `backend_selection`.

    Raises BadInput or NotFound for one that Podium cannot open.
    """
    backend, name = default_backend(), current_backend_name()
    return resolve_configured_backend(read_config().find(name)) if name else attach_session_credential(backend, DEFAULT_NAME)


def now() -> datetime:
    """The clock of the pages, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the pages' one clock


def user_name() -> str:
    """The name typed in this browser session; empty when nobody typed one yet. Typed, not verified."""
    return str(st.session_state.get(USER_NAME_KEY, ""))


def ask_user_name() -> str:
    """Ask for the person's name, once per browser session, and return it. Draws nothing when it is known already."""
    if user_name():
        return user_name()
    typed_name = st.text_input(
        "Your name", _suggested_name(), max_chars=MAX_NAME_LENGTH, key="session.name", help="Recorded as typed, not verified."
    )
    return normalize_name(typed_name)


def remember_user_name(name: str) -> None:
    """Remember the name for the rest of this browser session. To be called with the action that records it."""
    st.session_state[USER_NAME_KEY] = normalize_name(name)


def normalize_name(name: str) -> str:
    """A name without control or invisible characters and runs of blanks, at most 60 characters. Pure."""
    return " ".join(strip_invisible(name).split())[:MAX_NAME_LENGTH].strip()


def _suggested_name() -> str:
    """The login of this machine, offered only to a browser on this machine: elsewhere it would name the server's account."""
    return (os.environ.get("PODIUM_USER") or _login_name()) if is_on_this_machine() else ""


def is_on_this_machine() -> bool:
    """Whether Podium listens on this machine only and the browser reached it here: then machine and person belong together."""
    host = urlsplit(st.context.url or "").hostname
    return st.get_option("server.address") in LOOPBACK_HOSTS and host in (None, *LOOPBACK_HOSTS)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no login name on this system
        return ""


def writer(typed_name: str = "") -> "Writer":
    """The typed name on this backend, on a shared server through its service account; Podium itself while nobody is named."""
    from lib.ledger.entry.vocabulary import PODIUM_ACTOR
    from lib.ledger.storage.actor import resolve_session_actor

    backend = current_backend()
    return create_writer(backend, resolve_session_actor(backend, typed_name or user_name() or PODIUM_ACTOR.name))


def trusted_keys() -> "TrustedKeys":
    """The keys that this Podium trusts to say whose names were verified."""
    from lib.ledger.storage.key_trust import read_trusted_keys_or_none

    return read_trusted_keys_or_none(os.environ, PROJECT_ROOT)


def create_writer(backend: Backend, actor: "Actor") -> "Writer":
    """Somebody who writes by the clock of the pages and with the key of this Podium."""
    from lib.ledger.storage.book import Writer
    from lib.ledger.storage.signing_keys import create_signer

    return Writer(backend, actor, now, create_signer(os.environ, now, PROJECT_ROOT))
