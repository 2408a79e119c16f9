"""The gate before every page: checks that the backend is available and can be opened.

A missing local file is created, an older one waits for consent, an unreachable server is reported within seconds. The navigation always
works. Nothing here opens a database before `lib.backends.sqlite_store` has checked it read-only.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from lib.backends import mlflow_client, sqlite_schema, sqlite_store, sqlite_upgrade
from lib.backends.backend import Backend
from lib.backends.credentials import find_credential
from lib.backends.registry_uri import REGISTRY_ADVICE, find_registry_conflict
from lib.errors import ActionRefused, NeedsMigration, PodiumError, SignInRequired, UpgradeInterrupted
from lib.text import format_large_size
from lib.ui.app.backend_selection import current_backend_name, default_backend, switch_backend
from lib.ui.app.lifespan import warm_up
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.app.session import current_backend, now
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import NBSP, escape
from lib.ui.components.layout import card, show_facts

PING_CACHE_SECONDS = 4.0


@dataclass(frozen=True)
class PingResult:
    """Result of the last ping of a backend: time, duration in seconds, and the problem, if any."""

    at: datetime
    seconds: float
    problem: PodiumError | None = None


@st.cache_resource(ttl=PING_CACHE_SECONDS, show_spinner=False)
def ping_backend(backend: Backend) -> PingResult:
    """Ping a backend, at most every few seconds across all sessions. Creates the process's own local file if it is missing."""
    at = now()
    try:
        if not backend.is_same_store(default_backend()):
            sqlite_store.require_database_file(backend)
        sqlite_store.ensure_database(backend)
        start = time.perf_counter()
        sqlite_store.require_readable(backend)
        mlflow_client.probe(backend)
    except PodiumError as error:
        return PingResult(at, 0.0, error)
    return PingResult(at, time.perf_counter() - start)


def ensure_backend_ready() -> bool:
    """Return whether the page may run. Otherwise show the reason and what to do next instead."""
    try:
        backend = current_backend()
    except PodiumError as error:
        _show_no_backend(error)
        return False
    with error_boundary():
        with st.spinner(_waiting_text(backend)):
            warm_up()
            ping = ping_backend(backend)
        _show_sidebar_footer(backend, ping)
        if ping.problem is None:
            _show_backup_message()
            return True
        if isinstance(ping.problem, NeedsMigration) and backend.path:
            _ask_migration_consent(backend)
        elif isinstance(ping.problem, UpgradeInterrupted):
            _offer_backup(backend, ping.problem)
        else:
            _show_backend_problem(backend, ping.problem)
    return False


def show_registry_conflict() -> None:
    """Warn above every page if the environment names a different registry than the one shown."""
    with suppress(PodiumError):
        if conflict := find_registry_conflict(os.environ, current_backend()):
            st.warning(f"{escape(conflict)} {escape(REGISTRY_ADVICE)}", icon=":material/warning:")


def _show_no_backend(error: PodiumError) -> None:
    """Show that the backend in the URL cannot be used, with the error and two options."""
    st.title("Podium cannot open its backend", anchor=False)
    show_error(error)
    with st.container(horizontal=True):
        if st.button("Open Settings", icon=":material/settings:", key="gate.choose"):
            switch_backend("")
            switch_page("settings")
        if current_backend_name():
            st.button("Use Podium's own backend", type="tertiary", key="gate.own", on_click=switch_backend, args=("",))


def show_sidebar_status() -> None:
    """Show only the sidebar footer, for pages that open on any backend; nothing without a backend.

    These pages also wait for the warm-up, because importing MLflow in two threads at once can deadlock.
    """
    with st.spinner("Starting…"):
        warm_up()
    with suppress(PodiumError):
        backend = current_backend()
        _show_sidebar_footer(backend, ping_backend(backend))


def _waiting_text(backend: Backend) -> str:
    if backend.path is None:
        return f"Contacting {escape(backend.name)}…"
    if backend.path.exists():
        return f"Opening {escape(backend.label)}…"
    return f"Creating {escape(backend.label)} (one-time setup, a few seconds)…"


def _show_sidebar_footer(backend: Backend, ping: PingResult) -> None:
    """Show the sidebar footer: backend name, location, and the last response."""
    with st.sidebar, st.container(key="shell.backend", gap=None):
        st.caption("Backend")
        page_link(escape(current_backend_name() or backend.name), "settings", icon="database")
        local_path = backend.path or backend.folder
        if local_path is not None:
            st.caption(escape(backend.label), help=escape(local_path))
        elif current_backend_name():
            st.caption(escape(backend.name))
        if credential := find_credential(backend):
            st.caption(f"as {escape(credential.user)}" if credential.user else "signed in with a token")
        st.caption(f"{_ping_text(ping)} · {ping.at:%H:%M:%S}{NBSP}UTC")


def _ping_text(ping: PingResult) -> str:
    if isinstance(ping.problem, NeedsMigration):
        return "Not opened yet"
    if isinstance(ping.problem, SignInRequired):
        return "Sign-in required"
    return "No response" if ping.problem else f"Responds in {_format_seconds(ping.seconds)}"


def _format_seconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}{NBSP}ms" if seconds < 1 else f"{seconds:.1f}{NBSP}s"


def _show_backend_problem(backend: Backend, problem: PodiumError) -> None:
    st.title("Podium cannot open its backend" if backend.path else "Podium cannot reach its backend", anchor=False)
    st.space("small")
    with st.container(width=720, gap="small", key="gate.trouble"):
        show_error(problem)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Try again", icon=":material/refresh:", key="gate.again", on_click=ping_backend.clear)
            if st.button("Open Settings", type="tertiary", icon=":material/settings:", key="gate.settings"):
                switch_page("settings")
            st.caption("The page opens as soon as the backend responds.")


def _ask_migration_consent(backend: Backend) -> None:
    """Show the consent card for an older database: what would change, where the copy goes, and one button. Nothing is opened before."""
    path = backend.path
    if path is None:
        return
    schema_status = sqlite_schema.read_schema_status(path)
    st.title("This database is older than the installed MLflow", anchor=False)
    st.caption("Podium has only read its schema version. Nothing is opened or changed until you agree.")
    st.space("small")
    with st.container(width=720), card("Opening it upgrades its tables", key="gate.consent"):
        show_facts(
            {
                "Database": f"{escape(path)}, {_format_size(path.stat().st_size)}",
                "Schema now": escape(schema_status.revision or "unknown revision"),
                "Schema after": f"{escape(schema_status.required_revision)}, of MLflow{NBSP}{mlflow_client.installed_mlflow_version()}",
                "Runs, models, files": "do not change",
                "Older MLflow": "can no longer open it",
                "Backup": f"in {escape(path.parent)}, named {escape(path.name)}.‹date and time›.backup",
            }
        )
        st.caption(
            "To go back, stop Podium and rename the backup. To leave this file unchanged, start Podium with another MLFLOW_TRACKING_URI."
        )
        if st.button("Back up and open", type="primary", icon=":material/file_copy:", key="gate.migrate"):
            _migrate_database(backend)


def _migrate_database(backend: Backend) -> None:
    with error_boundary():
        try:
            with st.spinner("Backing up, then upgrading the tables…"):
                st.session_state["gate.copy"] = str(sqlite_upgrade.migrate(backend, now()))
        except ActionRefused:  # another session was faster
            pass
        finally:
            ping_backend.clear()
        st.rerun()


def _offer_backup(backend: Backend, problem: UpgradeInterrupted) -> None:
    """Show the card for a database whose upgrade was interrupted: where the backup is, and a button to restore it."""
    path = sqlite_schema.require_path(backend)
    copy = sqlite_schema.find_interrupted_upgrade(path)
    if copy is None:  # another session was faster
        ping_backend.clear()
        st.rerun()
        return
    st.title("The upgrade of this database was interrupted", anchor=False)
    st.caption("No page opens it until the backup from before the upgrade is restored.")
    st.space("small")
    with st.container(width=720), card("Restore the backup", key="gate.interrupted"):
        show_error(problem)
        show_facts(
            {
                "Backup": f"{escape(copy)}, {_format_size(copy.stat().st_size)}" if copy.exists() else f"{escape(copy)}, missing",
                "Incomplete file": f"stays in {escape(path.parent)}, named {escape(path.name)}.‹date and time›.half-way",
                "Afterwards": "the database is back at the older MLflow's schema, and Podium asks before it tries again",
            }
        )
        if st.button(
            "Restore backup",
            type="primary",
            icon=":material/settings_backup_restore:",
            key="gate.restore",
            disabled=not copy.exists(),
        ):
            _restore_backup(backend)


def _restore_backup(backend: Backend) -> None:
    with error_boundary():
        try:
            with st.spinner("Restoring…"):
                sqlite_upgrade.restore_backup(backend, now())
        except ActionRefused:  # another session was faster
            pass
        finally:
            ping_backend.clear()
        st.rerun()


def _show_backup_message() -> None:
    backup_path = st.session_state.pop("gate.copy", "")
    if backup_path:
        st.success(f"The database was backed up to {escape(backup_path)} and opened.", icon=":material/check_circle:")


def _format_size(size: int) -> str:
    """Format a file size: 0.4 MB, 3.2 GB."""
    return format_large_size(size).replace(" ", NBSP)
