"""Overview's health card: the Doctor's quick checks, cached for two minutes, with their age. Fixes are on the Doctor page."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import QUICK_CHECKS, run_checks
from lib.doctor.types import Finding, Report
from lib.ui.app.page_links import page_link
from lib.ui.app.session import now
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.formatting import escape, format_recent_age
from lib.ui.components.layout import card, show_checks


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def _cached_quick_report(backend: Backend) -> Report:
    """The doctor's cheap checks of a backend, asked at most every two minutes for all sessions together."""
    return run_checks(backend, now, checks=QUICK_CHECKS)


def show_health(backend: Backend) -> None:
    """What the checks found, worst first; one line each."""
    report = _cached_quick_report(backend)
    findings = [*report.problems_and_notices, *report.findings_with_level("fine"), *report.findings_with_level("skipped")]
    with card("Health", f"checked {format_recent_age(report.at, now())}", key="overview.health"):
        show_checks(
            [(HEALTH_BY_LEVEL[finding.level], escape(finding.title), escape(_finding_text(finding))) for finding in findings]
        )
        page_link("Open Doctor", "doctor", icon="stethoscope")


def _finding_text(finding: Finding) -> str:
    return finding.summary if finding.summary else "" if finding.level == "fine" else finding.level
