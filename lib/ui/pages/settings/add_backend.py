"""The form that adds a backend by kind, name and address; the backend is tested before anything is saved."""

from pathlib import Path

import streamlit as st

from lib.backends import backend_config
from lib.backends.backend import SQLITE_PREFIX, sqlite_backend
from lib.backends.backend_config import ConfiguredBackend
from lib.errors import PodiumError
from lib.ui.app.backend_selection import config_path, resolve_session_backend
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card
from lib.ui.pages.settings.backend_list import BACKEND_KINDS, STATUSES_KEY, BackendStatus, check_backend

ADDRESS_FIELDS = {
    "server": ("Address", "https://mlflow.example.org", "The server's base URL as printed by mlflow server."),
    "dagshub": (
        "Repository",
        "owner/repo",
        "OWNER/NAME, as in the URL of its page. The repository must exist. Enter your token under Sign-in once you use it.",
    ),
    "sqlite": ("File", "/data/mlflow.db", "Path on the machine that runs Podium. The file must exist."),
    "file": ("Folder", "/data/mlruns", "The mlruns folder on the machine that runs Podium, in MLflow’s old format."),
    "database": (
        "Address",
        "postgresql://user:${DB_PASSWORD}@host/mlflow",
        "Use ${NAME} for the password and set that variable before starting Podium.",
    ),
}
UNTESTED_KEY = "settings.untested"


def show_add_form(*, is_shared: bool) -> None:
    """Show the form, or on a shared Podium why there is none."""
    with card("Add a backend", key="settings.add"):
        if is_shared:
            st.caption(
                "This Podium is shared, so backends cannot be added here: that would let any user make this machine call any address."
            )
            st.caption("Its operator can add them to backends.toml.")
            return
        kind = st.selectbox("Kind", list(ADDRESS_FIELDS), format_func=lambda key: BACKEND_KINDS[key][1], key="settings.kind")
        label, example, hint = ADDRESS_FIELDS[kind]
        with st.form("settings.new", border=False):
            name = st.text_input("Name", key="settings.name", placeholder="team-server", max_chars=40)
            address = st.text_input(label, key=f"settings.where.{kind}", placeholder=example, help=hint, autocomplete="off")
            st.caption("The backend is tested first. Only its name and address are saved.")
            if st.form_submit_button("Test and add", type="primary", icon=":material/add:"):
                _test_and_add(kind, name.strip(), address.strip())
        _show_untested_backend()


def _test_and_add(kind: str, name: str, address: str) -> None:
    """Test the backend and save it; if it does not respond, show why and offer to add it anyway."""
    st.session_state.pop(UNTESTED_KEY, None)
    try:
        configured_backend = _parse_form(kind, name, address)
        with st.spinner("Testing…"):
            status = check_backend(resolve_session_backend(configured_backend))
        if status.health == "broken":
            st.session_state[UNTESTED_KEY] = (configured_backend, status)
        else:
            _save_backend(configured_backend, status)
    except PodiumError as error:
        show_error(error)


def _parse_form(kind: str, name: str, address: str) -> ConfiguredBackend:
    if kind == "dagshub":
        return backend_config.parse_configured_backend(name, repository=address or "-", folder=PROJECT_ROOT)
    return backend_config.parse_configured_backend(name, _address_of_path(kind, address), folder=PROJECT_ROOT)


def _address_of_path(kind: str, text: str) -> str:
    """Return the typed text as an address; a path is converted, so none of its characters is parsed as part of a URL."""
    if not text or kind not in ("sqlite", "file") or text.startswith((SQLITE_PREFIX, "file:")):
        return text
    path = PROJECT_ROOT / Path(text).expanduser()
    return sqlite_backend(path).uri if kind == "sqlite" else path.as_uri()


def _show_untested_backend() -> None:
    configured_backend, status = st.session_state.get(UNTESTED_KEY, (None, None))
    if configured_backend is None or status is None or status.problem is None:
        return
    show_error(status.problem)
    if st.button("Add it anyway", key="settings.anyway", icon=":material/add:"):
        try:
            _save_backend(configured_backend, status)
        except PodiumError as error:
            show_error(error)


def _save_backend(configured_backend: ConfiguredBackend, status: BackendStatus) -> None:
    backend_config.add_backend(config_path(), configured_backend)
    st.session_state.pop(UNTESTED_KEY, None)
    st.session_state[STATUSES_KEY] = {**st.session_state.get(STATUSES_KEY, {}), configured_backend.name: status}
    flash.set_flash(flash.SETTINGS, f"{escape(configured_backend.name)} was added. Select Use to switch to it.")
    st.rerun()
