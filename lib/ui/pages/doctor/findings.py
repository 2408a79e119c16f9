"""What needs a look: a card for each finding with its evidence, what it means, and the cures to choose from."""

from hashlib import sha256

import streamlit as st

from lib.doctor.fix_runner import SHARED, treatment
from lib.doctor.types import Call, Finding, Treatment
from lib.ui.app.backend_selection import is_shared
from lib.ui.components.badges import HEALTH
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import card, empty, table
from lib.ui.pages.doctor.fix_dialog import ask

STATE = {"problem": "broken", "notice": "warning", "fine": "ok", "skipped": "skipped"}
SHOWN = 5


def findings(ill: tuple[Finding, ...]) -> None:
    """A card for each; one that says so when there is none."""
    if not ill:
        with card(key="doctor.well"):
            empty("check_circle", "Nothing needs a look", "All checks that could be asked found nothing wrong.")
    for one in ill:
        _card(one)


def _card(one: Finding) -> None:
    key = _key(one)
    known, shared = [(call, known) for call in one.cures if (known := treatment(call))], is_shared()
    offers = [(call, cure) for call, cure in known if not (shared and cure.on_machine)]
    with card(md(one.title), md(one.short), mark=(HEALTH, STATE[one.level]), key=f"doctor.card-{key}"):
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
            st.caption(md(SHARED))


def _told(one: Finding) -> None:
    st.markdown(md(one.means))
    if one.evidence and (len(one.evidence) > 1 or not one.means):
        _evidence(one)
    elif one.evidence:
        st.caption(" · ".join(md(cell) for cell in one.evidence[0] if cell))
    if one.next:
        st.caption(md(one.next))


def _evidence(one: Finding) -> None:
    rows = [tuple(md(cell) for cell in row) for row in one.evidence]
    columns = one.columns if any(one.columns) else ()
    table(rows[:SHOWN], columns)
    if len(rows) > SHOWN:
        with st.expander(f"{count(len(rows) - SHOWN, 'more row')}"):
            table(rows[SHOWN:], columns)


def _button(key: str, call: Call, known: Treatment) -> None:
    if st.button(known.title, icon=":material/healing:", key=f"doctor.cure-{key}", help=known.note):
        ask(call)


def _choice(key: str, offers: list[tuple[Call, Treatment]]) -> None:
    chosen = st.radio(
        "Cure",
        range(len(offers)),
        format_func=lambda number: md(offers[number][1].title),
        captions=[md(known.note) for _, known in offers],
        key=f"doctor.choice-{key}",
    )
    if st.button("Preview this cure", icon=":material/healing:", key=f"doctor.preview-{key}"):
        ask(offers[chosen or 0][0])


def _key(one: Finding) -> str:
    """What the finding is about, not its place on the page: the next report may hold others before it."""
    return sha256(repr((one.check, one.title, one.cures)).encode()).hexdigest()[:12]
