"""Overview's health card: the doctor's cheap checks, kept for two minutes, with their age. Cures are on the Doctor page."""

import streamlit as st

from lib.backends.backend import Backend
from lib.doctor.check_runner import QUICK, examine
from lib.doctor.types import Finding, Report
from lib.ui.app.routes import link
from lib.ui.app.session import now
from lib.ui.components.formatting import lately, md
from lib.ui.components.layout import card, checks

_STATES = {"fine": "ok", "notice": "warning", "problem": "broken", "skipped": "skipped"}


@st.cache_data(ttl="2min", max_entries=16, show_spinner=False)
def quick_report(backend: Backend) -> Report:
    """The doctor's cheap checks of a backend, asked at most every two minutes for all sessions together."""
    return examine(backend, now, checks=QUICK)


def health(backend: Backend) -> None:
    """What the checks found, worst first; one line each."""
    report = quick_report(backend)
    found = [*report.ill, *report.of("fine"), *report.of("skipped")]
    with card("Health", f"checked {lately(report.at, now())}", key="overview.health"):
        checks([(_STATES[one.level], md(one.title), md(_short(one))) for one in found])
        link("Open Doctor", "doctor", icon="stethoscope")


def _short(one: Finding) -> str:
    return one.short if one.short else "" if one.level == "fine" else one.level
