"""Cards for findings that need attention, with evidence, meaning, and available fixes."""

import streamlit as st

from lib.doctor.fix_runner import SHARED_PODIUM_MESSAGE, find_fix
from lib.doctor.types import Finding, Fix, FixOffer
from lib.ui.app.backend_selection import is_shared
from lib.ui.components.badges import HEALTH_BADGES, HEALTH_BY_LEVEL
from lib.ui.components.data_table import digest
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.doctor.fix_dialog import open_fix_dialog

MAX_EVIDENCE_ROWS = 5


def show_findings(findings: tuple[Finding, ...]) -> None:
    """Show one card per finding, or an empty state."""
    if not findings:
        with card(key="doctor.well"):
            show_empty_state("check_circle", "Nothing needs attention", "All checks that ran passed.")
    for finding in findings:
        _show_finding(finding)


def _show_finding(finding: Finding) -> None:
    key = digest(finding.check_id, finding.title, finding.fix_offers)  # its position may change in the next report
    fixes, is_shared_podium = [(offer, fix) for offer in finding.fix_offers if (fix := find_fix(offer))], is_shared()
    offers = [(offer, fix) for offer, fix in fixes if not (is_shared_podium and fix.needs_machine_access)]
    with card(
        escape(finding.title),
        escape(finding.summary),
        badge=(HEALTH_BADGES, HEALTH_BY_LEVEL[finding.level]),
        key=f"doctor.card-{key}",
    ):
        if len(offers) == 1:
            with st.container(horizontal=True, vertical_alignment="center", gap="medium", wrap=False):
                with st.container(gap="small"):
                    _show_meaning(finding)
                _fix_button(key, *offers[0])
            return
        _show_meaning(finding)
        if offers:
            _choose_fix(key, offers)
        elif fixes:
            st.caption(escape(SHARED_PODIUM_MESSAGE))


def _show_meaning(finding: Finding) -> None:
    st.markdown(escape(finding.means))
    if finding.evidence and (len(finding.evidence) > 1 or not finding.means):
        _show_evidence(finding)
    elif finding.evidence:
        st.caption(" · ".join(escape(cell) for cell in finding.evidence[0] if cell))
    if finding.next:
        st.caption(escape(finding.next))


def _show_evidence(finding: Finding) -> None:
    rows = [tuple(escape(cell) for cell in row) for row in finding.evidence]
    columns = finding.columns if any(finding.columns) else ()
    show_table(rows[:MAX_EVIDENCE_ROWS], columns)
    if len(rows) > MAX_EVIDENCE_ROWS:
        with st.expander(f"{format_count(len(rows) - MAX_EVIDENCE_ROWS, 'more row')}"):
            show_table(rows[MAX_EVIDENCE_ROWS:], columns)


def _fix_button(key: str, offer: FixOffer, fix: Fix) -> None:
    if st.button(fix.title, icon=":material/healing:", key=f"doctor.cure-{key}", help=fix.note):
        open_fix_dialog(offer)


def _choose_fix(key: str, offers: list[tuple[FixOffer, Fix]]) -> None:
    selected_index = st.radio(
        "Fix",
        range(len(offers)),
        format_func=lambda number: escape(offers[number][1].title),
        captions=[escape(fix.note) for _, fix in offers],
        key=f"doctor.choice-{key}",
    )
    if st.button("Preview this fix", icon=":material/healing:", key=f"doctor.preview-{key}"):
        open_fix_dialog(offers[selected_index or 0][0])
