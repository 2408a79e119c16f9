"""Verify on the Audit page: recompute every book, hold noted heads against them, say in one line that all is well, or name what
does not fit. And the other half of it: the heads of today, to be noted elsewhere.
"""

import time
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX
from lib.errors import BadInput, LedgerBroken, PodiumError
from lib.ledger.chain.anchor_text import Noted, line, read_lines
from lib.registry.verify import Verdict, verify_all
from lib.ui.components.error_box import calm, show
from lib.ui.components.formatting import NARROW, count, md
from lib.ui.components.layout import card, header, table
from lib.ui.queries.registry import Registry

ASKED, NOTED = "audit.verify.asked", "audit.verify.noted"
LIMITS = (
    "A chain shows what was changed since a head was noted elsewhere, and an edited entry or a broken order at any time. It is no "
    "signature: whoever can write to the database itself and knows this format could cut the end, or rewrite a book and every head "
    "noted in the same database. Who wrote an entry is as sure as the name beside it says."
)


@dataclass(frozen=True)
class Checked:
    """What a check found, with how many noted heads it compared, and how long it took in seconds."""

    verdicts: tuple[Verdict, ...]
    noted: int
    seconds: float


def heads_button(found: Registry) -> None:
    """The heads of today as lines to be copied, and a place to bring noted ones back to."""
    lines = [line(model, state.reading) for model, state in sorted(found.records.items()) if state.reading.head]
    if not lines:
        return
    with st.popover("Noted heads", icon=":material/anchor:", help="Keep a head where this database cannot reach it"):
        st.markdown("**Note the heads elsewhere**: in a mail, a ticket, or a commit on another host.")
        st.code("\n".join(lines), language=None, height=150 if len(lines) > 3 else "content")
        _ask(lines)


def without_index(here: Backend, error: LedgerBroken) -> None:
    """The page while the index of the ledger cannot be trusted: why, the cure, and the check, which does without the index."""
    with header("Audit", "The entries cannot be shown: the index that names the books was changed"):
        with st.popover("Noted heads", icon=":material/anchor:", help="Compare with heads that were kept elsewhere"):
            _ask([])
        verify_button()
    show(error)
    st.caption("Verify finds the books without the index, by their seals, and judges each of them.")
    verdicts(here)


def _ask(lines: list[str]) -> None:
    """A place to bring noted heads back to. `lines` are the heads of today, as far as they are known."""
    with st.form("audit.heads", border=False):
        typed = st.text_area(
            "Compare with a noted head",
            key="audit.heads.text",
            height=110,
            placeholder=lines[0] if lines else "17:5d9e… card-fraud",
            help="One line for each head, as it was copied here. A bare 17:5d9e… will do when there is one book.",
        )
        if st.form_submit_button("Compare", icon=":material/fingerprint:", key="audit.heads.compare"):
            _compare(typed, lines)


def _compare(typed: str, lines: list[str]) -> None:
    """Check what was typed and ask for a verification that holds it against the books."""
    try:
        noted = read_lines(typed)
        if not noted:
            raise BadInput("No head was typed.", next="Paste a line as it was noted.")
        if len(lines) != 1 and any(not one.model for one in noted):
            raise BadInput("A head without a model's name could belong to any book.", next="Add the name after it.")
    except PodiumError as error:
        show(error)
        return
    only = lines[0].split(" ", 1)[1] if len(lines) == 1 else ""
    st.session_state[NOTED] = tuple(Noted(one.model or only, one.anchor) for one in noted)
    st.session_state[ASKED] = True


def verify_button() -> None:
    """Ask for a check at the next run of the page; it reads the store anew, never a cache."""
    if st.button("Verify", icon=":material/fingerprint:", key="audit.verify"):
        st.session_state[ASKED] = True


def verdicts(here: Backend) -> None:
    """The result of a check that was asked for."""
    noted = st.session_state.pop(NOTED, ())
    if not st.session_state.pop(ASKED, False):
        return
    with calm():
        with st.spinner("Reading and recomputing every book…"):
            start = time.perf_counter()
            found = Checked(verify_all(here, noted), len(noted), time.perf_counter() - start)
        _said(found)


def _said(found: Checked) -> None:
    entries = sum(len(one.reading.entries) for one in found.verdicts)
    broken = [(one, finding) for one in found.verdicts for finding in one.findings]
    books = sum(one.model != INDEX for one in found.verdicts)
    whole = f"{count(entries, 'entry', 'entries')} in {count(books, 'book')}, checked in {found.seconds:.2f}{NARROW}s"
    if found.noted:
        whole += f", compared with {count(found.noted, 'noted head')}"
    if not broken:
        st.success(f"Chain intact: {whole}.", icon=":material/check_circle:")
    else:
        with card("What does not fit", whole, key="audit.findings"):
            rows = [
                (md(one.model), _place(finding.place), f"**{md(finding.what)}**", md(finding.means)) for one, finding in broken
            ]
            table(rows, ["Book", "Place", "Finding", "What it means"])
    st.caption(LIMITS)


def _place(place: int) -> str:
    """A finding about a whole book has no place."""
    return str(place) if place else ""
