"""What needs a look: a card for each finding with its evidence, what it means, and the cures to choose from."""

from hashlib import sha256

import streamlit as st

from lib.doctor.fix_runner import SHARED_PODIUM_MESSAGE, find_fix
from lib.doctor.types import Finding, Fix, FixOffer
from lib.ui.app.backend_selection import is_shared
from lib.ui.components.badges import HEALTH_BADGES, HEALTH_BY_LEVEL
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.doctor.fix_dialog import open_fix_dialog

MAX_EVIDENCE_ROWS = 5


def show_findings(findings: tuple[Finding, ...]) -> None:
    """A card for each; one that says so when there is none."""
    if not findings:
        with card(key="doctor.well"):
            show_empty_state("check_circle", "Nothing needs a look", "All checks that could be asked found nothing wrong.")
    for one in findings:
        _card(one)


def _card(one: Finding) -> None:
    key = _key(one)
    known, shared = [(call, known) for call in one.fix_offers if (known := find_fix(call))], is_shared()
    offers = [(call, cure) for call, cure in known if not (shared and cure.needs_machine_access)]
    with card(
        escape(one.title), escape(one.summary), badge=(HEALTH_BADGES, HEALTH_BY_LEVEL[one.level]), key=f"doctor.card-{key}"
    ):
        if len(offers) == 1:
            with st.container(horizontal=True, vertical_alignment="center", gap="medium", wrap=False):
                with st.container(gap="small"):
                    _told(one)
                _button(key, *offers[0])
            return
        _told(one)
        if offers:
            _choice(key, offers)
        elif known:
            st.caption(escape(SHARED_PODIUM_MESSAGE))


def _told(one: Finding) -> None:
    st.markdown(escape(one.means))
    if one.evidence and (len(one.evidence) > 1 or not one.means):
        _evidence(one)
    elif one.evidence:
        st.caption(" · ".join(escape(cell) for cell in one.evidence[0] if cell))
    if one.next:
        st.caption(escape(one.next))


def _evidence(one: Finding) -> None:
    rows = [tuple(escape(cell) for cell in row) for row in one.evidence]
    columns = one.columns if any(one.columns) else ()
    show_table(rows[:MAX_EVIDENCE_ROWS], columns)
    if len(rows) > MAX_EVIDENCE_ROWS:
        with st.expander(f"{format_count(len(rows) - MAX_EVIDENCE_ROWS, 'more row')}"):
            show_table(rows[MAX_EVIDENCE_ROWS:], columns)


def _button(key: str, call: FixOffer, known: Fix) -> None:
    if st.button(known.title, icon=":material/healing:", key=f"doctor.cure-{key}", help=known.note):
        open_fix_dialog(call)


def _choice(key: str, offers: list[tuple[FixOffer, Fix]]) -> None:
    chosen = st.radio(
        "Cure",
        range(len(offers)),
        format_func=lambda number: escape(offers[number][1].title),
        captions=[escape(known.note) for _, known in offers],
        key=f"doctor.choice-{key}",
    )
    if st.button("Preview this cure", icon=":material/healing:", key=f"doctor.preview-{key}"):
        open_fix_dialog(offers[chosen or 0][0])


def _key(one: Finding) -> str:
    """What the finding is about, not its place on the page: the next report may hold others before it."""
    return sha256(repr((one.check_id, one.title, one.fix_offers)).encode()).hexdigest()[:12]
