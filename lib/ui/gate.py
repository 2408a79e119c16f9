"""The gate before every page: is the backend there, and may it be opened?

A missing local file is made, an older one waits for consent, a dead server is told within seconds. The navigation stays alive in
every case. Nothing opens a database here before `lib.backends.store` has looked at it read-only.
"""

import os
import time
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from lib.backends import connect, store
from lib.backends.uri import Backend
from lib.errors import NeedsMigration, PodiumError, Refused
from lib.ui import menu
from lib.ui.cards import card, facts
from lib.ui.errors import calm, show
from lib.ui.session import backend, now
from lib.ui.start import warm_up
from lib.ui.text import NARROW, md

PULSE_SECONDS = 4.0


@dataclass(frozen=True)
class Pulse:
    """What the last knock at a backend gave: when, how long it took, and what is wrong, if anything."""

    at: datetime
    seconds: float
    trouble: PodiumError | None = None


@st.cache_resource(ttl=PULSE_SECONDS, show_spinner=False)
def pulse(here: Backend) -> Pulse:
    """Knock at a backend, at most every few seconds for all sessions together. A missing local file is made."""
    at = now()
    try:
        store.make_ready(here)
        start = time.perf_counter()
        store.knock(here)
        connect.probe(here, connect.sign_in(os.environ))
    except PodiumError as error:
        return Pulse(at, 0.0, error)
    return Pulse(at, time.perf_counter() - start)


def admits(page: st.Page) -> bool:
    """True when the page may run. Otherwise the reason stands in its place, with what to do.

    A page that stands alone runs without a backend that answers, but not without an address.
    """
    try:
        here = backend()
    except PodiumError as error:
        st.title("Podium cannot open its backend", anchor=False)
        show(error)
        return False
    with calm():
        with st.spinner(_waiting(here)):
            warm_up()
            beat = pulse(here)
        _foot(here, beat)
        if beat.trouble is None or menu.stands_alone(page):
            _say_what_was_copied()
            return True
        if isinstance(beat.trouble, NeedsMigration):
            _ask_consent(here)
        else:
            _say_trouble(here, beat.trouble)
    return False


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
        st.markdown(f":material/database: {md(here.name)}")
        if here.path is not None:
            st.caption(md(here.place), help=md(here.path))
        st.caption(f"{_answer(beat)} · {beat.at:%H:%M:%S}{NARROW}UTC")


def _answer(beat: Pulse) -> str:
    if isinstance(beat.trouble, NeedsMigration):
        return "Not opened yet"
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
