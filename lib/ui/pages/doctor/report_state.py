"""The report of this browser session, kept until a recheck is requested or a fix is applied."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import CHECKS, run_checks
from lib.doctor.types import FixResult, Report
from lib.ui.app.session import now
from lib.ui.components.formatting import escape, format_count, format_time

REPORT_KEY, FIX_RESULTS_KEY = "doctor.report", "doctor.done"


def session_report(backend: Backend) -> Report:
    """Return the report on a backend; on first use run all checks and show their progress."""
    report, placeholder = st.session_state.get(REPORT_KEY), st.empty()
    if isinstance(report, Report) and report.backend == backend:
        return report
    with placeholder.container():
        progress_bar = st.progress(0.0, "Running checks…")
        check_count = 0

        def show_progress(text: str) -> None:
            nonlocal check_count
            check_count = min(check_count + (text in _CHECK_QUESTIONS), len(CHECKS))
            progress_bar.progress(check_count / (len(CHECKS) + 1), escape(text))

        new_report = run_checks(backend, now, show_progress)
    placeholder.empty()
    st.session_state[REPORT_KEY] = new_report
    return new_report


_CHECK_QUESTIONS = {check.question for check in CHECKS}


def clear_report() -> None:
    """Forget the report, so that the page checks again."""
    st.session_state.pop(REPORT_KEY, None)


def fix_results(backend: Backend) -> tuple[FixResult, ...]:
    """Return the fixes applied to a backend in this browser session."""
    return tuple(result for result_backend, result in st.session_state.get(FIX_RESULTS_KEY, ()) if result_backend == backend)


def add_fix_result(backend: Backend, result: FixResult) -> None:
    """Store the result of a fix for the page and the report."""
    st.session_state[FIX_RESULTS_KEY] = (*st.session_state.get(FIX_RESULTS_KEY, ()), (backend, result))
    clear_report()


def report_summary(report: Report) -> str:
    """Return the line below the title: backend, number of checks, duration in seconds, and time."""
    check_count = len({finding.check_id for finding in report.findings})
    return f"{escape(report.backend.name)} · {format_count(check_count, 'check')} in {report.seconds:.1f} s · {format_time(report.at)}"
