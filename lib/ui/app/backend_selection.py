"""The backend of this browser session (the process's own or one from `backends.toml`) and its credentials.

The choice belongs to the session; the URL contains only the backend's name. Typed credentials also belong to the session and never
appear in a URL. Credentials from the environment are bound to the process's own backend when it starts. Their precedence is left to
`lib.backends.backend_resolution`.
"""

import os
import re
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from lib.backends import backend_config, signing_secret
from lib.backends.backend import Backend
from lib.backends.backend_config import OWN_NAME, BackendConfig, ConfiguredBackend
from lib.backends.backend_resolution import SessionCredentials, resolve_backend
from lib.backends.credentials import create_credential
from lib.errors import PodiumError
from lib.ui.app.page_links import BACKEND_KEY, BACKEND_PARAMETER, PROJECT_ROOT

CREDENTIALS_KEY = "session.signed"
PRESERVED_KEY_PREFIXES = ("session.", "settings.")


def config_path() -> Path:
    """Return the path of `backends.toml`; see `backend_config.config_path`."""
    return backend_config.config_path(os.environ, PROJECT_ROOT)


def read_config() -> BackendConfig:
    """Return the named backends. Raises BadInput if the file cannot be read."""
    return backend_config.read_config(config_path())


def is_shared() -> bool:
    """Return whether this Podium is shared by a team, so that pages must not touch its machine; True if the file is unreadable."""
    try:
        return read_config().is_shared
    except PodiumError:
        return True


@st.cache_resource(show_spinner=False)
def default_backend() -> Backend:
    """Return the process's backend: `MLFLOW_TRACKING_URI`, otherwise the SQLite file in the project folder.

    Removes credentials from the environment. Raises BadInput for an address that Podium cannot open.
    """
    _read_secret(OWN_NAME)  # first: Streamlit copies top-level secrets into the environment
    signing_secret.take_from_environment(os.environ)
    backend = resolve_backend("", os.environ).backend
    configure_mlflow_client()
    return backend


def configure_mlflow_client() -> None:
    """Let MLflow's client retry once instead of seven times. Jobs do not inherit this; an existing setting is kept."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


def current_backend_name() -> str:
    """Return the name of this session's backend; empty for the process's own."""
    return str(st.session_state.get(BACKEND_KEY, ""))


def sync_backend_with_url() -> None:
    """Use the backend named in the URL, or write the chosen one to the URL. Called once before each page run."""
    requested_name = st.query_params.get(BACKEND_PARAMETER, "")
    if requested_name and requested_name != current_backend_name():
        switch_backend("" if requested_name == OWN_NAME else requested_name)
    if current_backend_name():
        st.query_params[BACKEND_PARAMETER] = current_backend_name()
    elif BACKEND_PARAMETER in st.query_params:
        del st.query_params[BACKEND_PARAMETER]


def switch_backend(name: str) -> None:
    """Switch to another backend. Clears the pages' state for the previous one; keeps the user's name."""
    if name != current_backend_name():
        for key in [key for key in st.session_state if not str(key).startswith(PRESERVED_KEY_PREFIXES)]:
            del st.session_state[key]
    st.session_state[BACKEND_KEY] = name
    if name:
        st.query_params[BACKEND_PARAMETER] = name
    elif BACKEND_PARAMETER in st.query_params:
        del st.query_params[BACKEND_PARAMETER]


def add_and_switch_backend(backend: Backend) -> None:
    """Switch to a backend by its name in `backends.toml`, and add it there if it has none.

    Raises Refused on a shared Podium, NotWritable or Busy if the file cannot be changed.
    """
    if backend.is_same_store(default_backend()):
        return switch_backend("")
    configured_backends = read_config().backends
    name = next(
        (
            configured.name
            for configured in configured_backends
            if configured.backend and configured.backend.is_same_store(backend)
        ),
        "",
    )
    if not name:
        stem = re.sub(r"[^a-z0-9]+", "-", (backend.path.parent.name if backend.path else backend.name).lower()).strip("-")[:36]
        taken_names = {configured.name for configured in configured_backends} | {OWN_NAME, ""}
        name = next(
            candidate
            for candidate in (stem, *(f"{stem or 'backend'}-{n}" for n in range(2, 1000)))
            if candidate not in taken_names
        )
        backend_config.add_backend(config_path(), backend_config.parse_configured_backend(name, backend.uri, folder=PROJECT_ROOT))
    return switch_backend(name)


def resolve_session_backend(choice: ConfiguredBackend | Backend) -> Backend:
    """Return a named backend, or a known store such as a job's, with this session's credential; see `backend_resolution`.

    Raises BadInput if its password variable is not set.
    """
    typed = st.session_state.get(CREDENTIALS_KEY, {})
    resolved_backend = resolve_backend(choice, session=SessionCredentials(typed, _read_secret))
    credential = resolved_backend.credential
    if credential and credential.source == "typed" and credential is not typed.get(credential.uri):  # its owner is now known
        st.session_state[CREDENTIALS_KEY] = {**typed, credential.uri: credential}
    return resolved_backend.backend


def own_backend_entry() -> ConfiguredBackend:
    """Return the process's own backend as an entry with the name under which its secrets are listed."""
    return ConfiguredBackend(OWN_NAME, backend=default_backend())


def sign_in(backend: Backend, user: str, secret: str) -> Backend:
    """Store typed credentials for this session and address only. Raises BadInput if they cannot be sent."""
    credential = create_credential(backend.with_principal(""), user.strip(), secret, "typed")
    st.session_state[CREDENTIALS_KEY] = {**st.session_state.get(CREDENTIALS_KEY, {}), backend.uri: credential}
    return backend.with_principal(credential.principal)


def sign_out(backend: Backend) -> None:
    """Remove the typed credentials of an address."""
    st.session_state[CREDENTIALS_KEY] = {
        uri: credential for uri, credential in st.session_state.get(CREDENTIALS_KEY, {}).items() if uri != backend.uri
    }


def _read_secret(name: str) -> tuple[str, str] | None:
    """Return user and password, or an empty user and a token, from [backends.NAME] in Streamlit's secrets."""
    try:
        secret = st.secrets.get("backends", {}).get(name, {})
    except (StreamlitSecretNotFoundError, AttributeError):
        return None
    user, password, token = (str(secret.get(key, "")) for key in ("user", "password", "token"))
    return ("", token) if token else (user, password) if user and password else None
