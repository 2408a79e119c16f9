"""The gate before every page: is the backend there, and may it be opened?

A missing local file is made, an older one waits for consent, a dead server is told within seconds. The navigation stays alive in
every case. Nothing opens a database here before `lib.backends.sqlite_store` has looked at it read-only.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from lib.backends import mlflow_client, sqlite_store
from lib.backends.backend import Backend
from lib.backends.credentials import find_credential
from lib.errors import ActionRefused, NeedsMigration, PodiumError
from lib.ui.app.backend_selection import current_backend_name, default_backend, switch_backend
from lib.ui.app.lifespan import warm_up
from lib.ui.app.routes import page_link, switch_page
from lib.ui.app.session import current_backend, now
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import NBSP, escape
from lib.ui.components.layout import card, show_facts

PING_CACHE_SECONDS = 4.0


@dataclass(frozen=True)
class PingResult:
    """What the last knock at a backend gave: when, how long it took, and what is wrong, if anything."""

    at: datetime
    seconds: float
    problem: PodiumError | None = None


@st.cache_resource(ttl=PING_CACHE_SECONDS, show_spinner=False)
def ping_backend(backend: Backend) -> PingResult:
    """Knock at a backend, at most every few seconds for all sessions together. The process's own local file is made if it is missing."""
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
    """True when the page may run. Otherwise the reason stands in its place, with what to do."""
    try:
        here = current_backend()
    except PodiumError as error:
        _say_no_backend(error)
        return False
    with error_boundary():
        with st.spinner(_waiting(here)):
            warm_up()
            beat = ping_backend(here)
        _foot(here, beat)
        if beat.problem is None:
            _say_what_was_copied()
            return True
        if isinstance(beat.problem, NeedsMigration) and here.path:
            _ask_consent(here)
        else:
            _say_trouble(here, beat.problem)
    return False


def _say_no_backend(error: PodiumError) -> None:
    """The backend of the address is not there: the error, and two ways on."""
    st.title("Podium cannot open its backend", anchor=False)
    show_error(error)
    with st.container(horizontal=True):
        if st.button("Open Settings", icon=":material/settings:", key="gate.choose"):
            switch_backend("")
            switch_page("settings")
        if current_backend_name():
            st.button("Use Podium's own backend", type="tertiary", key="gate.own", on_click=switch_backend, args=("",))


def show_sidebar_status() -> None:
    """For a page that must open on every backend: only the end of the sidebar, and nothing of it when there is no backend.

    Such a page, too, waits for the warm-up: MLflow imported by two threads at once can lock both for ever.
    """
    with st.spinner("Starting…"):
        warm_up()
    with suppress(PodiumError):
        here = current_backend()
        _foot(here, ping_backend(here))


def _waiting(here: Backend) -> str:
    if here.path is None:
        return f"Asking {escape(here.name)}…"
    if here.path.exists():
        return f"Opening {escape(here.label)}…"
    return f"Making {escape(here.label)}: MLflow sets up its tables. This takes a few seconds, once."


def _foot(here: Backend, beat: PingResult) -> None:
    """The end of the sidebar: which backend, where, and when it answered."""
    with st.sidebar, st.container(key="shell.backend", gap=None):
        st.caption("Backend")
        page_link(escape(current_backend_name() or here.name), "settings", icon="database")
        local = here.path or here.folder
        if local is not None:
            st.caption(escape(here.label), help=escape(local))
        elif current_backend_name():
            st.caption(escape(here.name))
        if held := find_credential(here):
            st.caption(f"as {escape(held.user)}" if held.user else "signed in with a token")
        st.caption(f"{_answer(beat)} · {beat.at:%H:%M:%S}{NBSP}UTC")


def _answer(beat: PingResult) -> str:
    if isinstance(beat.problem, NeedsMigration):
        return "Not opened yet"
    if beat.problem and "asks for a sign-in" in beat.problem.what:
        return "Asks for a sign-in"
    return "Does not answer" if beat.problem else f"Answers in {_span(beat.seconds)}"


def _span(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}{NBSP}ms" if seconds < 1 else f"{seconds:.1f}{NBSP}s"


def _say_trouble(here: Backend, trouble: PodiumError) -> None:
    st.title("Podium cannot open its backend" if here.path else "Podium cannot reach its backend", anchor=False)
    st.space("small")
    with st.container(width=720, gap="small", key="gate.trouble"):
        show_error(trouble)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Try again", icon=":material/refresh:", key="gate.again", on_click=ping_backend.clear)
            if st.button("Open Settings", type="tertiary", icon=":material/settings:", key="gate.settings"):
                switch_page("settings")
            st.caption("The page you asked for opens as soon as the backend answers.")


def _ask_consent(here: Backend) -> None:
    """The card before an older database: what would change, where the copy goes, one button. Nothing is opened before it."""
    path = here.path
    if path is None:
        return
    stand = sqlite_store.read_schema_status(path)
    st.title("This database is older than the MLflow here", anchor=False)
    st.caption("Podium has only looked at it. Nothing is opened and nothing is changed until you agree.")
    st.space("small")
    with st.container(width=720), card("Opening it changes its tables", key="gate.consent"):
        show_facts(
            {
                "Database": f"{escape(path)}, {_format_size(path.stat().st_size)}",
                "Schema now": escape(stand.revision or "without a number"),
                "Schema afterwards": f"{escape(stand.required_revision)}, of MLflow{NBSP}{mlflow_client.installed_mlflow_version()}",
                "Runs, models, files": "stay as they are",
                "The older MLflow": "cannot open it any more",
                "Copy beforehand": f"in {escape(path.parent)}, named {escape(path.name)}.‹date and time›.backup",
            }
        )
        st.caption(
            "To go back, stop Podium and rename the copy. To leave this file alone, start Podium with another MLFLOW_TRACKING_URI."
        )
        if st.button("Copy, then open", type="primary", icon=":material/file_copy:", key="gate.migrate"):
            _copy_and_open(here)


def _copy_and_open(here: Backend) -> None:
    with error_boundary():
        try:
            with st.spinner("Copying, then changing the tables…"):
                st.session_state["gate.copy"] = str(sqlite_store.migrate(here, now()))
        except ActionRefused:  # another session was quicker
            pass
        ping_backend.clear()
        st.rerun()


def _say_what_was_copied() -> None:
    copy = st.session_state.pop("gate.copy", "")
    if copy:
        st.success(f"The database was copied to {escape(copy)} and opened.", icon=":material/check_circle:")


def _format_size(size: int) -> str:
    """A file size as people read it: 0.4 MB, 3.2 GB."""
    return f"{size / 1e6:,.1f}{NBSP}MB" if size < 1e9 else f"{size / 1e9:,.1f}{NBSP}GB"
