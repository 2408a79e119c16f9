"""Which backend this browser session uses, and as whom: the process's own, one of `backends.toml`, and credentials for them.

The choice belongs to the session and stands in the address by its name only; so does what a person typed to sign in, except that it
never stands in any address. What secrets and the environment hold is bound to its own backend when the process starts.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from lib.backends import backend_config as named
from lib.backends import credentials
from lib.backends import dagshub as hub
from lib.backends import dagshub_tokens as hub_tokens
from lib.backends.backend import Backend, chosen, password_in
from lib.backends.backend_config import Named, Names
from lib.backends.credentials import Credential
from lib.errors import PodiumError
from lib.ui.app.routes import BACKEND, CHOSEN, PROJECT

SIGNED = "session.signed"
OURS = ("session.", "settings.")
DEFAULT = "default"


def file() -> Path:
    """Where `backends.toml` is; see `named.place`."""
    return named.place(os.environ, PROJECT)


def names() -> Names:
    """The named backends. Raises BadInput when the file cannot be read."""
    return named.read(file())


def is_shared() -> bool:
    """Whether this Podium serves a team, so that no page may touch its machine. A file that cannot be read might say so."""
    try:
        return names().shared
    except PodiumError:
        return True


@st.cache_resource(show_spinner=False)
def default() -> Backend:
    """The backend of this process: `MLFLOW_TRACKING_URI`, else the SQLite file in the project's folder.

    Takes what signs in out of the environment. Raises BadInput for an address that Podium cannot open.
    """
    _secret_of(DEFAULT)  # first: Streamlit copies what stands at the top of its secrets into the environment
    with suppress(PodiumError):  # a file that cannot be read is told where it is needed
        credentials.stow(os.environ, [one.uri for one in names().entries])
    hub_tokens.take(os.environ)
    home = credentials.take(os.environ, chosen(os.environ, PROJECT))
    calm_client()
    return home


def calm_client() -> None:
    """Let MLflow's client retry once, not seven times, and print no addresses. Jobs do not inherit this; what is set already stays."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


def current() -> str:
    """The name of the backend this session uses; empty for the process's own."""
    return str(st.session_state.get(CHOSEN, ""))


def follow_address() -> None:
    """Take the backend that the address names, or put the chosen one's name there. Once per run of a page, before it."""
    asked = st.query_params.get(BACKEND, "")
    if asked and asked != current():
        switch("" if asked == DEFAULT else asked)
    if current():
        st.query_params[BACKEND] = current()
    elif BACKEND in st.query_params:
        del st.query_params[BACKEND]


def switch(name: str) -> None:
    """Use another backend from now on. What the pages remembered of the old one is forgotten; the person stays."""
    if name != current():
        for key in [key for key in st.session_state if not str(key).startswith(OURS)]:
            del st.session_state[key]
    st.session_state[CHOSEN] = name
    if name:
        st.query_params[BACKEND] = name
    elif BACKEND in st.query_params:
        del st.query_params[BACKEND]


def adopt(backend: Backend) -> None:
    """Use a backend from now on, under the name it has in `backends.toml`; one that has none yet is added there.

    Raises Refused on a shared Podium, NotWritable or Busy when the file cannot be changed.
    """
    if backend.is_same_place(default()):
        return switch("")
    known = names().entries
    name = next((one.name for one in known if one.backend and one.backend.is_same_place(backend)), "")
    if not name:
        stem = re.sub(r"[^a-z0-9]+", "-", (backend.path.parent.name if backend.path else backend.name).lower()).strip("-")[:36]
        taken = {one.name for one in known} | {DEFAULT, ""}
        name = next(new for new in (stem, *(f"{stem or 'backend'}-{n}" for n in range(2, 1000))) if new not in taken)
        named.add(file(), named.entry(name, backend.uri, folder=PROJECT))
    return switch(name)


def in_use() -> Backend:
    """The backend of this session, asked as whoever signed in. Raises NotFound or BadInput for a name that leads nowhere."""
    home = default()
    return signed(home, DEFAULT) if not current() else usable(names().find(current()))


def usable(one: Named) -> Backend:
    """A named backend, signed in. Raises BadInput when its password's variable is not set."""
    assert one.backend is not None
    secret = password_in(one.uri)
    if secret and not _typed(one.backend):
        user = one.uri.partition("://")[2].partition(":")[0]
        credentials.keep(credentials.given(one.backend, user, credentials.filled(secret), "environment"))
    return signed(one.backend, one.name)


def signed(backend: Backend, name: str) -> Backend:
    """The backend with its credential: typed in this session, else from secrets, else from the environment."""
    typed = _typed(backend)
    if typed:
        return backend.asked_by((_introduced(backend, typed) or typed).principal)
    secret = _secret_of(name)
    if secret and backend.kind in ("server", "database"):
        credentials.keep(credentials.given(backend, *secret, "secrets"))
    return hub_tokens.known(backend.asked_by(""))


def _introduced(backend: Backend, typed: Credential) -> Credential | None:
    """A DagsHub token that was typed while DagsHub could not tell whose it is, once it tells."""
    made = hub.introduced(backend.asked_by(typed.principal))
    if made:
        st.session_state[SIGNED] = {**st.session_state[SIGNED], backend.uri: made}
    return made


def sign_in(backend: Backend, user: str, secret: str) -> Backend:
    """Remember what a person typed, for this session and this address only. Raises BadInput for what cannot be sent."""
    made = credentials.given(backend.asked_by(""), user.strip(), secret, "typed")
    st.session_state[SIGNED] = {**st.session_state.get(SIGNED, {}), backend.uri: made}
    return backend.asked_by(made.principal)


def sign_out(backend: Backend) -> None:
    """Forget what was typed for an address."""
    st.session_state[SIGNED] = {uri: one for uri, one in st.session_state.get(SIGNED, {}).items() if uri != backend.uri}


def _typed(backend: Backend) -> Credential | None:
    found = st.session_state.get(SIGNED, {}).get(backend.uri)
    return found if isinstance(found, Credential) else None


def _secret_of(name: str) -> tuple[str, str] | None:
    """User and password, or nobody and a token, that Streamlit's secrets hold under [backends.NAME]."""
    try:
        said = st.secrets.get("backends", {}).get(name, {})
    except (StreamlitSecretNotFoundError, AttributeError):
        return None
    user, password, token = (str(said.get(key, "")) for key in ("user", "password", "token"))
    return ("", token) if token else (user, password) if user and password else None
