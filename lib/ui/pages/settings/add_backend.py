"""Adding a backend on Settings: a kind, a name and an address, tested before anything is written."""

from pathlib import Path

import streamlit as st

from lib.backends import backend_config
from lib.backends.backend import SQLITE_PREFIX, sqlite_backend
from lib.backends.backend_config import ConfiguredBackend
from lib.errors import PodiumError
from lib.ui.app.backend_selection import config_path, resolve_configured_backend
from lib.ui.app.page_links import PROJECT_ROOT
from lib.ui.components import flash
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card
from lib.ui.pages.settings.backend_list import BACKEND_KINDS, STATUSES_KEY, BackendStatus, check_backend

ADDRESS_FIELDS = {
    "server": ("Address", "https://mlflow.example.org", "The address that mlflow server printed."),
    "dagshub": (
        "Repository",
        "owner/repo",
        "As in the address of its page. It must be there already. Your token is asked for under Sign-in, once you use it.",
    ),
    "sqlite": ("File", "/data/mlflow.db", "The path on the machine that runs Podium. It must be there already."),
    "file": ("Folder", "/data/mlruns", "The folder mlruns on the machine that runs Podium, in MLflow’s old format."),
    "database": (
        "Address",
        "postgresql://user:${DB_PASSWORD}@host/mlflow",
        "Write ${NAME} for the password, and set that variable before Podium is started.",
    ),
}
UNTESTED_KEY = "settings.untested"


def show_add_form(*, is_shared: bool) -> None:
    """The form; on a shared Podium only the reason why there is none."""
    with card("Add a backend", key="settings.add"):
        if is_shared:
            st.caption("This Podium is shared, so its pages add no backends: a page could make this machine call any address.")
            st.caption("Its operator adds them to backends.toml.")
            return
        kind = st.selectbox("Kind", list(ADDRESS_FIELDS), format_func=lambda key: BACKEND_KINDS[key][1], key="settings.kind")
        label, example, hint = ADDRESS_FIELDS[kind]
        with st.form("settings.new", border=False):
            name = st.text_input("Name", key="settings.name", placeholder="team-server", max_chars=40)
            address = st.text_input(label, key=f"settings.where.{kind}", placeholder=example, help=hint, autocomplete="off")
            st.caption("It is tested first. Only its name and address are written down.")
            if st.form_submit_button("Test and add", type="primary", icon=":material/add:"):
                _test_and_add(kind, name.strip(), address.strip())
        _show_untested_backend()


def _test_and_add(kind: str, name: str, address: str) -> None:
    """Test it and write it down; when it does not answer, say why and offer to add it all the same."""
    st.session_state.pop(UNTESTED_KEY, None)
    try:
        configured_backend = _parse_form(kind, name, address)
        with st.spinner("Testing…"):
            status = check_backend(resolve_configured_backend(configured_backend))
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
    """What was typed as an address: a path becomes one, so that no character of it is read as part of a URL."""
    if not text or kind not in ("sqlite", "file") or text.startswith((SQLITE_PREFIX, "file:")):
        return text
    path = PROJECT_ROOT / Path(text).expanduser()
    return sqlite_backend(path).uri if kind == "sqlite" else path.as_uri()


def _show_untested_backend() -> None:
    configured_backend, status = st.session_state.get(UNTESTED_KEY, (None, None))
    if configured_backend is None or status is None or status.problem is None:
        return
    show_error(status.problem)
    if st.button("Add it all the same", key="settings.anyway", icon=":material/add:"):
        try:
            _save_backend(configured_backend, status)
        except PodiumError as error:
            show_error(error)


def _save_backend(configured_backend: ConfiguredBackend, status: BackendStatus) -> None:
    backend_config.add_backend(config_path(), configured_backend)
    st.session_state.pop(UNTESTED_KEY, None)
    st.session_state[STATUSES_KEY] = {**st.session_state.get(STATUSES_KEY, {}), configured_backend.name: status}
    flash.set_flash(flash.SETTINGS, f"{escape(configured_backend.name)} is in the list now. Press Use to work on it.")
    st.rerun()
