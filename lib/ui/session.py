"""What belongs to this process and this browser session: the backend in use, the clock, and the person's name."""

import getpass
import os
from collections.abc import MutableMapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import streamlit as st

from lib.backends.uri import Backend, chosen, credentials_in
from lib.ui.routes import PROJECT
from lib.ui.text import plain

PERSON = "session.person"
NAME_LENGTH = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@st.cache_resource(show_spinner=False)
def backend() -> Backend:
    """The backend of this process: `MLFLOW_TRACKING_URI`, else the SQLite file in the project's folder.

    Raises BadInput for an address that Podium cannot open.
    """
    here = chosen(os.environ, PROJECT)
    put_away_credentials(os.environ, here)
    wait_briefly(os.environ)
    return here


def put_away_credentials(environment: MutableMapping[str, str], here: Backend) -> None:
    """Move user and password out of MLFLOW_TRACKING_URI into the two variables that MLflow's client reads, unless those are set.

    From then on the address can be shown, logged and handed to a job.
    """
    found = credentials_in(environment.get("MLFLOW_TRACKING_URI", ""))
    if found is None:
        return
    environment["MLFLOW_TRACKING_URI"] = here.uri
    if not environment.get("MLFLOW_TRACKING_USERNAME"):
        environment["MLFLOW_TRACKING_USERNAME"], environment["MLFLOW_TRACKING_PASSWORD"] = found


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Let MLflow's client retry once instead of seven times: a server that dies under a page is told in seconds, not in minutes.

    Jobs do not inherit this, and a value that is set already stays.
    """
    environment.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


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
    host = urlsplit(st.context.url or "").hostname
    if st.get_option("server.address") not in LOOPBACK or host not in (None, *LOOPBACK):
        return ""
    return os.environ.get("PODIUM_USER") or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no login name on this system
        return ""
