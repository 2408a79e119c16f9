"""Overview's health card: the doctor's cheap checks, kept for two minutes, with their age. Cures are on the Doctor page."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import QUICK_CHECKS, run_checks
from lib.doctor.types import Finding, Report
from lib.ui.app.routes import page_link
from lib.ui.app.session import now
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.formatting import escape, format_recent_age
from lib.ui.components.layout import card, show_checks


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def cached_quick_report(backend: Backend) -> Report:
    """The doctor's cheap checks of a backend, asked at most every two minutes for all sessions together."""
    return run_checks(backend, now, checks=QUICK_CHECKS)


def show_health(backend: Backend) -> None:
    """What the checks found, worst first; one line each."""
    report = cached_quick_report(backend)
    found = [*report.problems_and_notices, *report.findings_with_level("fine"), *report.findings_with_level("skipped")]
    with card("Health", f"checked {format_recent_age(report.at, now())}", key="overview.health"):
        show_checks([(HEALTH_BY_LEVEL[one.level], escape(one.title), escape(_short(one))) for one in found])
        page_link("Open Doctor", "doctor", icon="stethoscope")


def _short(one: Finding) -> str:
    return one.summary if one.summary else "" if one.level == "fine" else one.level
