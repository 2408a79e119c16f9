"""The report of this browser session: made with its progress in sight, kept until it is asked for anew or a cure was carried out."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import CHECKS, run_checks
from lib.doctor.types import FixResult, Report
from lib.ui.app.session import now
from lib.ui.components.formatting import escape, format_count, format_time

REPORT_KEY, FIX_RESULTS_KEY = "doctor.report", "doctor.done"


def session_report(backend: Backend) -> Report:
    """The report on a backend. The first time all checks are asked, and what is asked just now is told."""
    known, place = st.session_state.get(REPORT_KEY), st.empty()
    if isinstance(known, Report) and known.backend == backend:
        return known
    with place.container():
        bar = st.progress(0.0, "Looking…")
        asked = 0

        def told(what: str) -> None:
            nonlocal asked
            asked = min(asked + (what in _ASKED), len(CHECKS))
            bar.progress(asked / (len(CHECKS) + 1), escape(what))

        made = run_checks(backend, now, told)
    place.empty()
    st.session_state[REPORT_KEY] = made
    return made


_ASKED = {check.question for check in CHECKS}


def clear_report() -> None:
    """Forget the report, so that the page looks anew."""
    st.session_state.pop(REPORT_KEY, None)


def fix_results(backend: Backend) -> tuple[FixResult, ...]:
    """What was carried out on a backend in this browser session."""
    return tuple(done for where, done in st.session_state.get(FIX_RESULTS_KEY, ()) if where == backend)


def add_fix_result(backend: Backend, result: FixResult) -> None:
    """Keep how a cure ended, for the page and the report."""
    st.session_state[FIX_RESULTS_KEY] = (*st.session_state.get(FIX_RESULTS_KEY, ()), (backend, result))
    clear_report()


def report_summary(report: Report) -> str:
    """The line under the title: which backend, how many checks, how long, when."""
    asked = len({one.check_id for one in report.findings})
    return f"{escape(report.backend.name)} · {format_count(asked, 'check')} in {report.seconds:.1f} s · {format_time(report.at)}"
