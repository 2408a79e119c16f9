"""What went wrong? Choose what you see; the card says what it usually is, what helps, and what the checks in question found."""

import streamlit as st

from lib.doctor.symptoms import BY_TITLE, Symptom, concerned
from lib.doctor.types import Finding, Report
from lib.ui.app.routes import link
from lib.ui.components.formatting import md
from lib.ui.components.layout import card, checks
from lib.ui.pages.doctor.findings import STATE


def choose() -> Symptom | None:
    """The list of what people see."""
    title = st.selectbox(
        "What went wrong?",
        list(BY_TITLE),
        index=None,
        placeholder="What went wrong? Choose what you see",
        key="doctor.wrong",
        bind="query-params",
        label_visibility="collapsed",
    )
    return BY_TITLE.get(title or "")


def answer(symptom: Symptom, report: Report) -> None:
    """What it usually is, what helps, and how the checks in question ended."""
    found = concerned(symptom, report)
    with card(symptom.title, key="doctor.answer"):
        st.markdown(symptom.usual)
        st.markdown(symptom.helps)
        checks([(STATE[one.level], md(one.title), md(one.short)) for one in found])
        if not any(one.level in ("problem", "notice") for one in found):
            st.caption("These checks found nothing wrong, so it is probably something else than they look at.")
        if symptom.page[0]:
            link(symptom.page[1], symptom.page[0], icon="arrow_forward")


def first(ill: tuple[Finding, ...], symptom: Symptom | None) -> tuple[Finding, ...]:
    """The findings of a symptom before the others."""
    mine = symptom.checks if symptom else ()
    return tuple(sorted(ill, key=lambda one: one.check not in mine))
