"""The gate before every page: is the backend there, and may it be opened?

A missing local file is made, an older one waits for consent, a dead server is told within seconds. The navigation stays alive in
every case. Nothing opens a database here before `lib.backends.sqlite_store` has looked at it read-only.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from lib.backends import mlflow_client as connect
from lib.backends import sqlite_store as store
from lib.backends.backend import Backend
from lib.backends.credentials import of
from lib.errors import NeedsMigration, PodiumError, Refused
from lib.ui.app.backend_selection import current, default, switch
from lib.ui.app.lifespan import warm_up
from lib.ui.app.routes import goto, link
from lib.ui.app.session import backend, now
from lib.ui.components.error_box import calm, show
from lib.ui.components.formatting import NARROW, md
from lib.ui.components.layout import card, facts

PULSE_SECONDS = 4.0


@dataclass(frozen=True)
class Pulse:
    """What the last knock at a backend gave: when, how long it took, and what is wrong, if anything."""

    at: datetime
    seconds: float
    trouble: PodiumError | None = None


@st.cache_resource(ttl=PULSE_SECONDS, show_spinner=False)
def pulse(here: Backend) -> Pulse:
    """Knock at a backend, at most every few seconds for all sessions together. The process's own local file is made if it is missing."""
    at = now()
    try:
        if not here.is_same_place(default()):
            store.must_exist(here)
        store.make_ready(here)
        start = time.perf_counter()
        store.knock(here)
        connect.probe(here)
    except PodiumError as error:
        return Pulse(at, 0.0, error)
    return Pulse(at, time.perf_counter() - start)


def admits() -> bool:
    """True when the page may run. Otherwise the reason stands in its place, with what to do."""
    try:
        here = backend()
    except PodiumError as error:
        _say_no_backend(error)
        return False
    with calm():
        with st.spinner(_waiting(here)):
            warm_up()
            beat = pulse(here)
        _foot(here, beat)
        if beat.trouble is None:
            _say_what_was_copied()
            return True
        if isinstance(beat.trouble, NeedsMigration) and here.path:
            _ask_consent(here)
        else:
            _say_trouble(here, beat.trouble)
    return False


def _say_no_backend(error: PodiumError) -> None:
    """The backend of the address is not there: the error, and two ways on."""
    st.title("Podium cannot open its backend", anchor=False)
    show(error)
    with st.container(horizontal=True):
        if st.button("Open Settings", icon=":material/settings:", key="gate.choose"):
            switch("")
            goto("settings")
        if current():
            st.button("Use Podium's own backend", type="tertiary", key="gate.own", on_click=switch, args=("",))


def sidebar_only() -> None:
    """For a page that must open on every backend: only the end of the sidebar, and nothing of it when there is no backend.

    Such a page, too, waits for the warm-up: MLflow imported by two threads at once can lock both for ever.
    """
    with st.spinner("Starting…"):
        warm_up()
    with suppress(PodiumError):
        here = backend()
        _foot(here, pulse(here))


def _waiting(here: Backend) -> str:
    if here.path is None:
        return f"Asking {md(here.name)}…"
    if here.path.exists():
        return f"Opening {md(here.place)}…"
    return f"Making {md(here.place)}: MLflow sets up its tables. This takes a few seconds, once."


def _foot(here: Backend, beat: Pulse) -> None:
    """The end of the sidebar: which backend, where, and when it answered."""
    with st.sidebar, st.container(key="shell.backend", gap=None):
        st.caption("Backend")
        link(md(current() or here.name), "settings", icon="database")
        local = here.path or here.folder
        if local is not None:
            st.caption(md(here.place), help=md(local))
        elif current():
            st.caption(md(here.name))
        if held := of(here):
            st.caption(f"as {md(held.user)}" if held.user else "signed in with a token")
        st.caption(f"{_answer(beat)} · {beat.at:%H:%M:%S}{NARROW}UTC")


def _answer(beat: Pulse) -> str:
    if isinstance(beat.trouble, NeedsMigration):
        return "Not opened yet"
    if beat.trouble and "asks for a sign-in" in beat.trouble.what:
        return "Asks for a sign-in"
    return "Does not answer" if beat.trouble else f"Answers in {_span(beat.seconds)}"


def _span(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}{NARROW}ms" if seconds < 1 else f"{seconds:.1f}{NARROW}s"


def _say_trouble(here: Backend, trouble: PodiumError) -> None:
    st.title("Podium cannot open its backend" if here.path else "Podium cannot reach its backend", anchor=False)
    st.space("small")
    with st.container(width=720, gap="small", key="gate.trouble"):
        show(trouble)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Try again", icon=":material/refresh:", key="gate.again", on_click=pulse.clear)
            if st.button("Open Settings", type="tertiary", icon=":material/settings:", key="gate.settings"):
                goto("settings")
            st.caption("The page you asked for opens as soon as the backend answers.")


def _ask_consent(here: Backend) -> None:
    """The card before an older database: what would change, where the copy goes, one button. Nothing is opened before it."""
    path = here.path
    if path is None:
        return
    stand = store.schema(path)
    st.title("This database is older than the MLflow here", anchor=False)
    st.caption("Podium has only looked at it. Nothing is opened and nothing is changed until you agree.")
    st.space("small")
    with st.container(width=720), card("Opening it changes its tables", key="gate.consent"):
        facts(
            {
                "Database": f"{md(path)}, {size(path.stat().st_size)}",
                "Schema now": md(stand.found or "without a number"),
                "Schema afterwards": f"{md(stand.wanted)}, of MLflow{NARROW}{connect.mlflow_version()}",
                "Runs, models, files": "stay as they are",
                "The older MLflow": "cannot open it any more",
                "Copy beforehand": f"in {md(path.parent)}, named {md(path.name)}.‹date and time›.backup",
            }
        )
        st.caption(
            "To go back, stop Podium and rename the copy. To leave this file alone, start Podium with another MLFLOW_TRACKING_URI."
        )
        if st.button("Copy, then open", type="primary", icon=":material/file_copy:", key="gate.migrate"):
            _copy_and_open(here)


def _copy_and_open(here: Backend) -> None:
    with calm():
        try:
            with st.spinner("Copying, then changing the tables…"):
                st.session_state["gate.copy"] = str(store.migrate(here, now()))
        except Refused:  # another session was quicker
            pass
        pulse.clear()
        st.rerun()


def _say_what_was_copied() -> None:
    copy = st.session_state.pop("gate.copy", "")
    if copy:
        st.success(f"The database was copied to {md(copy)} and opened.", icon=":material/check_circle:")


def size(number: int) -> str:
    """A file size as people read it: 0.4 MB, 3.2 GB."""
    return f"{number / 1e6:,.1f}{NARROW}MB" if number < 1e9 else f"{number / 1e9:,.1f}{NARROW}GB"
