"""What went wrong? Choose what you see; the card says what it usually is, what helps, and what the checks in question found."""

import streamlit as st

from lib.doctor.symptoms import SYMPTOMS_BY_TITLE, Symptom, findings_for_symptom
from lib.doctor.types import Finding, Report
from lib.ui.app.page_links import page_link
from lib.ui.components.badges import HEALTH_BY_LEVEL
from lib.ui.components.formatting import escape
from lib.ui.components.layout import card, show_checks


def choose_symptom() -> Symptom | None:
    """The list of what people see."""
    title = st.selectbox(
        "What went wrong?",
        list(SYMPTOMS_BY_TITLE),
        index=None,
        placeholder="What went wrong? Choose what you see",
        key="doctor.wrong",
        bind="query-params",
        label_visibility="collapsed",
    )
    return SYMPTOMS_BY_TITLE.get(title or "")


def show_symptom(symptom: Symptom, report: Report) -> None:
    """What it usually is, what helps, and how the checks in question ended."""
    findings = findings_for_symptom(symptom, report)
    with card(symptom.title, key="doctor.answer"):
        st.markdown(symptom.usual_cause)
        st.markdown(symptom.advice)
        show_checks([(HEALTH_BY_LEVEL[finding.level], escape(finding.title), escape(finding.summary)) for finding in findings])
        if not any(finding.level in ("problem", "notice") for finding in findings):
            st.caption("These checks found nothing wrong, so it is probably something else than they look at.")
        if symptom.page[0]:
            page_link(symptom.page[1], symptom.page[0], icon="arrow_forward")


def sort_by_symptom(findings: tuple[Finding, ...], symptom: Symptom | None) -> tuple[Finding, ...]:
    """The findings of a symptom before the others."""
    check_ids = symptom.check_ids if symptom else ()
    return tuple(sorted(findings, key=lambda finding: finding.check_id not in check_ids))
