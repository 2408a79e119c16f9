"""The list of backends with location, status, and buttons to use, test and remove each. Removal can be undone."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from lib.backends import backend_config, dagshub, mlflow_client, sqlite_store
from lib.backends.backend import Backend
from lib.backends.backend_config import OWN_NAME, BackendConfig, ConfiguredBackend
from lib.backends.capabilities import read_capabilities
from lib.errors import NeedsMigration, PodiumError, SignInRequired
from lib.ui.app.backend_gate import ping_backend
from lib.ui.app.backend_selection import (
    config_path,
    current_backend_name,
    default_backend,
    own_backend_entry,
    read_config,
    resolve_session_backend,
    switch_backend,
)
from lib.ui.app.session import current_backend
from lib.ui.components import capability_panel, flash
from lib.ui.components.badges import HEALTH_BADGES, show_badge
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card

BACKEND_KINDS = {
    "sqlite": ("database", "SQLite file"),
    "file": ("folder", "File store"),
    "server": ("dns", "MLflow server"),
    "dagshub": ("hub", "DagsHub"),
    "database": ("storage", "Database"),
}
STATUSES_KEY, REMOVED_KEY, PROBLEM_KEY = "settings.tested", "settings.removed", "settings.trouble"


@dataclass(frozen=True)
class BackendStatus:
    """Result of a test: a key of HEALTH_BADGES, and the problem, if any."""

    health: str
    problem: PodiumError | None = None


def read_config_or_show_error() -> BackendConfig:
    """Return the configured backends; if their file cannot be read, show the error and return none."""
    try:
        return read_config()
    except PodiumError as error:
        show_error(error)
        return BackendConfig()


def show_last_result() -> None:
    """Show the result of the last action: an error, a message, or a removal with an undo button."""
    if problem := st.session_state.pop(PROBLEM_KEY, None):
        show_error(problem)
    flash.show_flash(flash.SETTINGS)
    removed_backend = st.session_state.get(REMOVED_KEY)
    if isinstance(removed_backend, ConfiguredBackend):
        with st.container(horizontal=True, vertical_alignment="center", key="settings.gone"):
            st.info(
                f"{escape(removed_backend.name)} was removed from the list. Its data was not touched.",
                icon=":material/delete:",
            )
            st.button("Undo", icon=":material/undo:", key="settings.undo", on_click=run_action, args=(_undo_removal,))


def show_backend_list(config: BackendConfig) -> None:
    """Show a row for Podium's own backend, then one per configured backend."""
    note = (
        "shared: its operator edits the list" if config.is_shared else f"saved in {escape(config_path().name)}, without secrets"
    )
    with card("Backends", note, key="settings.backends"):
        own_backend = _own_backend()
        if own_backend:
            _show_row(ConfiguredBackend(OWN_NAME, backend=own_backend), is_shared=True)
        for configured_backend in config.backends:
            _show_row(configured_backend, is_shared=config.is_shared)
        if not config.backends:
            st.caption("Add a server, a database or another file on the right and switch between them here.")


def show_backend_capabilities() -> None:
    """Show the current backend's capabilities; nothing if it does not respond, since its row and the sidebar report that."""
    with suppress(PodiumError):
        backend = current_backend()
        if ping_backend(backend).problem is None:
            with st.spinner("Reading capabilities…"):
                capabilities = read_capabilities(backend)
            capability_panel.show_capabilities(capabilities)


def _own_backend() -> Backend | None:
    try:
        return default_backend()
    except PodiumError as error:
        show_error(error)
        return None


def _show_row(configured_backend: ConfiguredBackend, *, is_shared: bool) -> None:
    name = configured_backend.name
    is_own = name == OWN_NAME
    title, is_used = ("Podium’s own", current_backend_name() == "") if is_own else (name, current_backend_name() == name)
    icon, kind = BACKEND_KINDS[configured_backend.kind]
    with st.container(border=False, gap="xxsmall", key=f"settings.row.{name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(gap=None, width="stretch"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f":material/{icon}: **{escape(title)}**", width="content")
                    _show_badges(configured_backend, is_used=is_used)
                st.caption(_location_text(configured_backend, kind))
            _show_buttons(configured_backend, is_used=is_used, is_shared=is_shared)
        status = st.session_state.get(STATUSES_KEY, {}).get(name)
        if status and status.problem:
            show_error(status.problem)


def _location_text(configured_backend: ConfiguredBackend, kind: str) -> str:
    if configured_backend.problem or configured_backend.backend is None:
        return escape(configured_backend.problem)
    return f"{kind} · {escape(configured_backend.repository or configured_backend.backend.path or configured_backend.backend.folder or configured_backend.backend.uri)}"


def _show_badges(configured_backend: ConfiguredBackend, *, is_used: bool) -> None:
    if is_used:
        st.badge("In use", icon=":material/check:", color="blue")
    status = st.session_state.get(STATUSES_KEY, {}).get(configured_backend.name)
    if configured_backend.problem:
        show_badge(HEALTH_BADGES, "broken", "Cannot be used")
    elif status:
        show_badge(
            HEALTH_BADGES,
            status.health,
            {"ok": "Reachable", "warning": "Needs attention", "broken": "Unreachable"}[status.health],
        )


def _show_buttons(configured_backend: ConfiguredBackend, *, is_used: bool, is_shared: bool) -> None:
    name, is_bad = configured_backend.name, bool(configured_backend.problem)
    st.button(
        "Test",
        icon=":material/network_check:",
        key=f"settings.test.{name}",
        disabled=is_bad,
        on_click=run_action,
        args=(_test_backend, configured_backend),
    )
    target_name = "" if name == OWN_NAME else name
    st.button(
        "Use",
        icon=":material/swap_horiz:",
        key=f"settings.use.{name}",
        disabled=is_bad or is_used,
        on_click=run_action,
        args=(_use_backend, target_name),
    )
    if name != OWN_NAME:
        st.button(
            "Remove",
            type="tertiary",
            icon=":material/delete:",
            key=f"settings.remove.{name}",
            disabled=is_shared,
            help="This Podium is shared: its operator edits backends.toml."
            if is_shared
            else "Only removes it from this list. Can be undone.",
            on_click=run_action,
            args=(_remove_backend, configured_backend),
        )


def check_backend(backend: Backend) -> BackendStatus:
    """Test a backend within five seconds, without changing it. A request to sign in counts as reachable."""
    try:
        sqlite_store.require_database_file(backend)
        if backend.path is not None:
            sqlite_store.require_openable(backend)
        if dagshub.repository_of(backend):
            return _check_dagshub(backend)
        mlflow_client.probe(backend)
    except NeedsMigration as error:
        return BackendStatus("warning", error)
    except PodiumError as error:
        return BackendStatus("warning" if isinstance(error, SignInRequired) else "broken", error)
    return BackendStatus("ok")


def _check_dagshub(backend: Backend) -> BackendStatus:
    """Test a DagsHub repository through MLflow and through DagsHub, which knows about read-only access."""
    access = dagshub.probe_and_check_access(backend)
    return BackendStatus("warning", dagshub.push_permission_error(access)) if access.can_push is False else BackendStatus("ok")


def run_action(action: Callable[..., None], *args: object) -> None:
    """Run a button's action; an error is shown at the top of the page."""
    try:
        action(*args)
    except PodiumError as error:
        st.session_state[PROBLEM_KEY] = error


def _test_backend(configured_backend: ConfiguredBackend) -> None:
    backend = resolve_session_backend(own_backend_entry() if configured_backend.name == OWN_NAME else configured_backend)
    st.session_state[STATUSES_KEY] = {**st.session_state.get(STATUSES_KEY, {}), configured_backend.name: check_backend(backend)}


def _use_backend(name: str) -> None:
    switch_backend(name)
    ping_backend.clear()
    flash.set_flash(flash.SETTINGS, f"This browser session now uses {escape(name) or 'Podium’s own backend'}.")


def _remove_backend(configured_backend: ConfiguredBackend) -> None:
    removed_backend = backend_config.remove_backend(config_path(), configured_backend.name)
    if current_backend_name() == configured_backend.name:
        switch_backend("")
    st.session_state[REMOVED_KEY] = removed_backend


def _undo_removal() -> None:
    backend_config.add_backend(config_path(), st.session_state[REMOVED_KEY])
    del st.session_state[REMOVED_KEY]
