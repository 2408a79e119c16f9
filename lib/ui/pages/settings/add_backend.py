"""Adding a backend on Settings: a kind, a name and an address, tested before anything is written."""

import streamlit as st

from lib.backends import backend_config
from lib.backends.backend_config import ConfiguredBackend
from lib.errors import PodiumError
from lib.ui.app.backend_selection import config_path, resolve_configured_backend
from lib.ui.app.routes import PROJECT_ROOT
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
        kind = st.selectbox("Kind", list(ADDRESS_FIELDS), format_func=lambda one: BACKEND_KINDS[one][1], key="settings.kind")
        label, example, hint = ADDRESS_FIELDS[kind]
        with st.form("settings.new", border=False):
            name = st.text_input("Name", key="settings.name", placeholder="team-server", max_chars=40)
            where = st.text_input(label, key=f"settings.where.{kind}", placeholder=example, help=hint, autocomplete="off")
            st.caption("It is tested first. Only its name and address are written down.")
            if st.form_submit_button("Test and add", type="primary", icon=":material/add:"):
                _add(kind, name.strip(), where.strip())
        _offer_untested()


def _add(kind: str, name: str, where: str) -> None:
    """Test it and write it down; when it does not answer, say why and offer to add it all the same."""
    st.session_state.pop(UNTESTED_KEY, None)
    try:
        new = _read(kind, name, where)
        with st.spinner("Testing…"):
            state = check_backend(resolve_configured_backend(new))
        if state.health == "broken":
            st.session_state[UNTESTED_KEY] = (new, state)
        else:
            _write(new, state)
    except PodiumError as error:
        show_error(error)


def _read(kind: str, name: str, where: str) -> ConfiguredBackend:
    if kind == "dagshub":
        return backend_config.parse_configured_backend(name, repository=where or "-", folder=PROJECT_ROOT)
    prefix = {"sqlite": "sqlite:///", "file": "file://"}.get(kind, "")
    return backend_config.parse_configured_backend(
        name, where if where.startswith(prefix) or not where else prefix + where, folder=PROJECT_ROOT
    )


def _offer_untested() -> None:
    new, state = st.session_state.get(UNTESTED_KEY, (None, None))
    if new is None or state is None or state.problem is None:
        return
    show_error(state.problem)
    if st.button("Add it all the same", key="settings.anyway", icon=":material/add:"):
        try:
            _write(new, state)
        except PodiumError as error:
            show_error(error)


def _write(new: ConfiguredBackend, state: BackendStatus) -> None:
    backend_config.add_backend(config_path(), new)
    st.session_state.pop(UNTESTED_KEY, None)
    st.session_state[STATUSES_KEY] = {**st.session_state.get(STATUSES_KEY, {}), new.name: state}
    flash.set_flash(flash.SETTINGS, f"{escape(new.name)} is in the list now. Press Use to work on it.")
    st.rerun()
