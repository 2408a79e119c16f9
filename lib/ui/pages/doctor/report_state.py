"""The report of this browser session: made with its progress in sight, kept until it is asked for anew or a cure was carried out."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import CHECKS, examine
from lib.doctor.types import Done, Report
from lib.ui.app.session import now
from lib.ui.components.formatting import count, md, moment

REPORT, DONE = "doctor.report", "doctor.done"


def report_on(here: Backend) -> Report:
    """The report on a backend. The first time all checks are asked, and what is asked just now is told."""
    known, place = st.session_state.get(REPORT), st.empty()
    if isinstance(known, Report) and known.backend == here:
        return known
    with place.container():
        bar = st.progress(0.0, "Looking…")
        asked = 0

        def told(what: str) -> None:
            nonlocal asked
            asked = min(asked + (what in _ASKED), len(CHECKS))
            bar.progress(asked / (len(CHECKS) + 1), md(what))

        made = examine(here, now, told)
    place.empty()
    st.session_state[REPORT] = made
    return made


_ASKED = {check.asks for check in CHECKS}


def again() -> None:
    """Forget the report, so that the page looks anew."""
    st.session_state.pop(REPORT, None)


def cured(here: Backend) -> tuple[Done, ...]:
    """What was carried out on a backend in this browser session."""
    return tuple(done for where, done in st.session_state.get(DONE, ()) if where == here)


def remember(here: Backend, done: Done) -> None:
    """Keep how a cure ended, for the page and the report."""
    st.session_state[DONE] = (*st.session_state.get(DONE, ()), (here, done))
    again()


def age(report: Report) -> str:
    """The line under the title: which backend, how many checks, how long, when."""
    asked = len({one.check for one in report.findings})
    return f"{md(report.backend.name)} · {count(asked, 'check')} in {report.seconds:.1f} s · {moment(report.at)}"
