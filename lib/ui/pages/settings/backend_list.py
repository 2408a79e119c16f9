"""The list on Settings: every backend with its place and state; use, test and remove it. A removal can be undone."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from lib.backends import backend_config, dagshub, mlflow_client, sqlite_store
from lib.backends.backend import Backend
from lib.backends.backend_config import BackendConfig, ConfiguredBackend
from lib.backends.capabilities import read_capabilities
from lib.errors import NeedsMigration, PodiumError
from lib.ui.app.backend_gate import ping_backend
from lib.ui.app.backend_selection import (
    DEFAULT_NAME,
    attach_session_credential,
    config_path,
    current_backend_name,
    default_backend,
    read_config,
    resolve_configured_backend,
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
    """How a test ended: a word of HEALTH, and what is wrong, if anything."""

    health: str
    problem: PodiumError | None = None


def read_config_or_show_error() -> BackendConfig:
    """The named backends; none, and the error in its place, when their file cannot be read."""
    try:
        return read_config()
    except PodiumError as error:
        show_error(error)
        return BackendConfig()


def show_last_result() -> None:
    """What the last click led to: an error, something done, or a removal with its way back."""
    if problem := st.session_state.pop(PROBLEM_KEY, None):
        show_error(problem)
    flash.show_flash(flash.SETTINGS)
    gone = st.session_state.get(REMOVED_KEY)
    if isinstance(gone, ConfiguredBackend):
        with st.container(horizontal=True, vertical_alignment="center", key="settings.gone"):
            st.info(
                f"{escape(gone.name)} was taken out of the list. What is stored there was not touched.", icon=":material/delete:"
            )
            st.button("Undo", icon=":material/undo:", key="settings.undo", on_click=run_action, args=(_put_back,))


def show_backend_list(config: BackendConfig) -> None:
    """One row for Podium's own backend, then one for each named one."""
    note = (
        "shared: its operator edits the list" if config.is_shared else f"kept in {escape(config_path().name)}, without any secret"
    )
    with card("Backends", note, key="settings.backends"):
        home = _own()
        if home:
            _row(ConfiguredBackend(DEFAULT_NAME, backend=home), shared=True)
        for one in config.backends:
            _row(one, shared=config.is_shared)
        if not config.backends:
            st.caption("Add a server, a database or another file at the right, and switch between them here.")


def show_backend_capabilities() -> None:
    """What the backend in use can do; nothing while it does not answer, which its row and the sidebar tell."""
    with suppress(PodiumError):
        here = current_backend()
        if ping_backend(here).problem is None:
            with st.spinner("Asking what it can do…"):
                can = read_capabilities(here)
            capability_panel.show_capabilities(can)


def _own() -> Backend | None:
    try:
        return default_backend()
    except PodiumError as error:
        show_error(error)
        return None


def _row(one: ConfiguredBackend, *, shared: bool) -> None:
    key, is_used = one.name, current_backend_name() == ("" if one.name == DEFAULT_NAME else one.name)
    icon, kind = BACKEND_KINDS[one.kind]
    with st.container(border=False, gap="xxsmall", key=f"settings.row.{key}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(gap=None, width="stretch"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f":material/{icon}: **{escape(_title(one))}**", width="content")
                    _badges(one, is_used=is_used)
                st.caption(_where(one, kind))
            _buttons(one, is_used=is_used, shared=shared)
        tested = st.session_state.get(STATUSES_KEY, {}).get(key)
        if tested and tested.problem:
            show_error(tested.problem)


def _title(one: ConfiguredBackend) -> str:
    return "Podium’s own" if one.name == DEFAULT_NAME else one.name


def _where(one: ConfiguredBackend, kind: str) -> str:
    if one.problem or one.backend is None:
        return escape(one.problem)
    return f"{kind} · {escape(one.repository or one.backend.path or one.backend.folder or one.backend.uri)}"


def _badges(one: ConfiguredBackend, *, is_used: bool) -> None:
    if is_used:
        st.badge("In use", icon=":material/check:", color="blue")
    tested = st.session_state.get(STATUSES_KEY, {}).get(one.name)
    if one.problem:
        show_badge(HEALTH_BADGES, "broken", "Cannot be used")
    elif tested:
        show_badge(
            HEALTH_BADGES,
            tested.health,
            {"ok": "Answers", "warning": "Needs something", "broken": "Does not answer"}[tested.health],
        )


def _buttons(one: ConfiguredBackend, *, is_used: bool, shared: bool) -> None:
    name, is_bad = one.name, bool(one.problem)
    st.button(
        "Test",
        icon=":material/network_check:",
        key=f"settings.test.{name}",
        disabled=is_bad,
        on_click=run_action,
        args=(_test, one),
    )
    use = "" if name == DEFAULT_NAME else name
    st.button(
        "Use",
        icon=":material/swap_horiz:",
        key=f"settings.use.{name}",
        disabled=is_bad or is_used,
        on_click=run_action,
        args=(_use, use),
    )
    if name != DEFAULT_NAME:
        st.button(
            "Remove",
            type="tertiary",
            icon=":material/delete:",
            key=f"settings.remove.{name}",
            disabled=shared,
            help="This Podium is shared: its operator edits backends.toml."
            if shared
            else "Only takes it off this list; it can be undone.",
            on_click=run_action,
            args=(_remove, one),
        )


def check_backend(backend: Backend) -> BackendStatus:
    """Ask a backend within five seconds. Nothing is made or changed there; to be asked to sign in is an answer too."""
    try:
        sqlite_store.require_database_file(backend)
        if backend.path is not None:
            sqlite_store.require_openable(backend)
        if dagshub.repository_of(backend):
            return _state_at_hub(backend)
        mlflow_client.probe(backend)
    except NeedsMigration as error:
        return BackendStatus("warning", error)
    except PodiumError as error:
        return BackendStatus("warning" if "asks for a sign-in" in error.what else "broken", error)
    return BackendStatus("ok")


def _state_at_hub(backend: Backend) -> BackendStatus:
    """A repository of DagsHub is asked through MLflow and through DagsHub, which knows who may only read."""
    found = dagshub.probe_and_check_access(backend)
    return BackendStatus("warning", dagshub.push_permission_error(found)) if found.can_push is False else BackendStatus("ok")


def run_action(action: Callable[..., None], *args: object) -> None:
    """Do what a button says; what goes wrong is told at the top of the page."""
    try:
        action(*args)
    except PodiumError as error:
        st.session_state[PROBLEM_KEY] = error


def _test(one: ConfiguredBackend) -> None:
    backend = (
        attach_session_credential(default_backend(), DEFAULT_NAME)
        if one.name == DEFAULT_NAME
        else resolve_configured_backend(one)
    )
    st.session_state[STATUSES_KEY] = {**st.session_state.get(STATUSES_KEY, {}), one.name: check_backend(backend)}


def _use(name: str) -> None:
    switch_backend(name)
    ping_backend.clear()
    flash.set_flash(flash.SETTINGS, f"This browser session now uses {escape(name) or 'Podium’s own backend'}.")


def _remove(one: ConfiguredBackend) -> None:
    gone = backend_config.remove_backend(config_path(), one.name)
    if current_backend_name() == one.name:
        switch_backend("")
    st.session_state[REMOVED_KEY] = gone


def _put_back() -> None:
    backend_config.add_backend(config_path(), st.session_state[REMOVED_KEY])
    del st.session_state[REMOVED_KEY]
