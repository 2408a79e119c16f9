"""Symptom selection: the usual cause, the remedy, and the results of the related checks."""

import streamlit as st

from lib.doctor.symptoms import SYMPTOMS_BY_TITLE, Symptom, findings_for_symptom
from lib.doctor.types import Finding, Report
from lib.ui.app.page_links import page_link
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, show_checks


def choose_symptom() -> Symptom | None:
    """Ask for a symptom."""
    title = st.selectbox(
        "What went wrong?",
        list(SYMPTOMS_BY_TITLE),
        index=None,
        placeholder="What went wrong? Choose a symptom",
        key="doctor.wrong",
        bind="query-params",
        label_visibility="collapsed",
    )
    return SYMPTOMS_BY_TITLE.get(title or "")


def show_symptom(symptom: Symptom, report: Report) -> None:
    """Show a symptom's usual cause, its remedy, and the results of the related checks."""
    findings = findings_for_symptom(symptom, report)
    with card(symptom.title, key="doctor.answer"):
        st.markdown(symptom.usual_cause)
        st.markdown(symptom.advice)
        show_checks([(HEALTH_BY_LEVEL[finding.level], escape(finding.title), escape(finding.summary)) for finding in findings])
        if not any(finding.level in ("problem", "notice") for finding in findings):
            st.caption("These checks passed; the cause is probably elsewhere.")
        if symptom.page[0]:
            page_link(symptom.page[1], symptom.page[0], icon="arrow_forward")


def sort_by_symptom(findings: tuple[Finding, ...], symptom: Symptom | None) -> tuple[Finding, ...]:
    """Return the findings with those of the symptom first."""
    check_ids = symptom.check_ids if symptom else ()
    return tuple(sorted(findings, key=lambda finding: finding.check_id not in check_ids))
