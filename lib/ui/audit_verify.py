"""Verify on the Audit page: recompute every book, say in one line that all is well, or name what does not fit."""

import time
from dataclasses import dataclass

import streamlit as st

from lib.backends.uri import Backend
from lib.registry.verify import Verdict, verify_all
from lib.ui.cards import card, table
from lib.ui.errors import calm
from lib.ui.text import NARROW, count, md

ASKED = "audit.verify.asked"


@dataclass(frozen=True)
class Checked:
    """What a check found, and how long it took in seconds."""

    verdicts: tuple[Verdict, ...]
    seconds: float


def verify_button() -> None:
    """Ask for a check at the next run of the page; it reads the store anew, never a cache."""
    if st.button("Verify", icon=":material/fingerprint:", key="audit.verify"):
        st.session_state[ASKED] = True


def verdicts(here: Backend) -> None:
    """The result of a check that was asked for."""
    if not st.session_state.pop(ASKED, False):
        return
    with calm():
        with st.spinner("Reading and recomputing every book…"):
            start = time.perf_counter()
            found = Checked(verify_all(here), time.perf_counter() - start)
        _said(found)


def _said(found: Checked) -> None:
    entries = sum(len(one.reading.entries) for one in found.verdicts)
    broken = [(one, finding) for one in found.verdicts for finding in one.findings]
    whole = (
        f"{count(entries, 'entry', 'entries')} in {count(len(found.verdicts), 'book')}, checked in {found.seconds:.2f}{NARROW}s"
    )
    if not broken:
        st.success(f"Chain intact: {whole}.", icon=":material/check_circle:")
    else:
        with card("What does not fit", whole, key="audit.findings"):
            rows = [(md(one.model), str(finding.place), f"**{md(finding.what)}**", md(finding.means)) for one, finding in broken]
            table(rows, ["Book", "Place", "Finding", "What it means"])
    st.caption(
        "The chain shows what was changed since a head was noted elsewhere. Whoever can write to the database itself and knows this "
        "format could rewrite a book and every head noted in the same database."
    )
