"""The backend of this browser session (the process's own or one from `backends.toml`) and its credentials.

The choice belongs to the session; the URL contains only the backend's name. Typed credentials also belong to the session and never
appear in a URL. Credentials from secrets and the environment are bound to their own backend when the process starts.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from lib.backends import backend_config, credentials, dagshub, dagshub_tokens, signing_secret
from lib.backends.backend import Backend, backend_from_environment, password_in
from lib.backends.backend_config import BackendConfig, ConfiguredBackend
from lib.backends.credentials import Credential
from lib.errors import PodiumError
from lib.ui.app.page_links import BACKEND_KEY, BACKEND_PARAMETER, PROJECT_ROOT

CREDENTIALS_KEY = "session.signed"
PRESERVED_KEY_PREFIXES = ("session.", "settings.")
DEFAULT_NAME = "default"


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
    _read_secret(DEFAULT_NAME)  # first: Streamlit copies top-level secrets into the environment
    with suppress(PodiumError):  # an unreadable file is reported where it is needed
        credentials.hide_variables(os.environ, [configured_backend.uri for configured_backend in read_config().backends])
    dagshub_tokens.hide_token_variable(os.environ)
    signing_secret.take_from_environment(os.environ)
    backend = credentials.take_from_environment(os.environ, backend_from_environment(os.environ, PROJECT_ROOT))
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
        switch_backend("" if requested_name == DEFAULT_NAME else requested_name)
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
        taken_names = {configured.name for configured in configured_backends} | {DEFAULT_NAME, ""}
        name = next(
            candidate
            for candidate in (stem, *(f"{stem or 'backend'}-{n}" for n in range(2, 1000)))
            if candidate not in taken_names
        )
        backend_config.add_backend(config_path(), backend_config.parse_configured_backend(name, backend.uri, folder=PROJECT_ROOT))
    return switch_backend(name)


def resolve_configured_backend(configured_backend: ConfiguredBackend) -> Backend:
    """Return a named backend with credentials. Raises BadInput if its password variable is not set."""
    assert configured_backend.backend is not None
    secret = password_in(configured_backend.uri)
    if secret and not _typed_credential(configured_backend.backend):
        user = unquote(urlsplit(configured_backend.uri).username or "")
        credentials.store_credential(
            credentials.create_credential(configured_backend.backend, user, credentials.expand_variables(secret), "environment")
        )
    return attach_session_credential(configured_backend.backend, configured_backend.name)


def attach_session_credential(backend: Backend, name: str) -> Backend:
    """Return the backend with its credential: typed in this session, otherwise from secrets, otherwise from the environment."""
    credential = _typed_credential(backend)
    if credential:
        return backend.with_principal((_identify_token_owner(backend, credential) or credential).principal)
    secret = _read_secret(name)
    if secret and backend.kind in ("server", "database"):
        credentials.store_credential(credentials.create_credential(backend, *secret, "secrets"))
    return dagshub_tokens.attach_credential_or_token(backend.with_principal(""))


def _identify_token_owner(backend: Backend, credential: Credential) -> Credential | None:
    """Return the credential of a DagsHub token typed while DagsHub could not identify its owner; None until it can."""
    identified_credential = dagshub.identify_token_owner(backend.with_principal(credential.principal))
    if identified_credential:
        st.session_state[CREDENTIALS_KEY] = {**st.session_state[CREDENTIALS_KEY], backend.uri: identified_credential}
    return identified_credential


def sign_in(backend: Backend, user: str, secret: str) -> Backend:
    """Store typed credentials for this session and address only. Raises BadInput if they cannot be sent."""
    credential = credentials.create_credential(backend.with_principal(""), user.strip(), secret, "typed")
    st.session_state[CREDENTIALS_KEY] = {**st.session_state.get(CREDENTIALS_KEY, {}), backend.uri: credential}
    return backend.with_principal(credential.principal)


def sign_out(backend: Backend) -> None:
    """Remove the typed credentials of an address."""
    st.session_state[CREDENTIALS_KEY] = {
        uri: credential for uri, credential in st.session_state.get(CREDENTIALS_KEY, {}).items() if uri != backend.uri
    }


def _typed_credential(backend: Backend) -> Credential | None:
    credential = st.session_state.get(CREDENTIALS_KEY, {}).get(backend.uri)
    return credential if isinstance(credential, Credential) else None


def _read_secret(name: str) -> tuple[str, str] | None:
    """Return user and password, or an empty user and a token, from [backends.NAME] in Streamlit's secrets."""
    try:
        secret = st.secrets.get("backends", {}).get(name, {})
    except (StreamlitSecretNotFoundError, AttributeError):
        return None
    user, password, token = (str(secret.get(key, "")) for key in ("user", "password", "token"))
    return ("", token) if token else (user, password) if user and password else None
