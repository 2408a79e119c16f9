"""Verification on the Audit page: recompute every book, compare it with noted heads, and report mismatches.

Also shows the current heads, to be noted elsewhere.
"""

import time
from dataclasses import astuple, dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import BadInput, LedgerBroken, PodiumError
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor, parse_anchors
from lib.ledger.chain.entry_signatures import SignatureCounts, count_signatures
from lib.ledger.state.settlements import describe_settlement
from lib.registry.head_watch import HeadWatch
from lib.registry.ledger_search import describe_absence, describe_unreadable
from lib.registry.verify import BookVerification, verify_all
from lib.ui.app.page_links import VERIFY_PARAMETER
from lib.ui.app.session import current_backend, head_memory, now, trusted_keys
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import card, page_header, show_table
from lib.ui.pages.audit.settle_dialog import open_settle_dialog, show_settle_dialog
from lib.ui.queries.registry import LoadedRegistry, model_names

VERIFY_REQUESTED_KEY, ANCHORS_KEY = "audit.verify.asked", "audit.verify.noted"
_MAX_SETTLE_BUTTONS = 5
LIMITS_TEXT = (
    "Edited or reordered entries are always detected. A truncated or rewritten end is detected only against a head that this Podium has seen "
    "or that was noted elsewhere; anyone with write access to the database could still truncate entries not covered by such a head. "
    "Authorship is only as reliable as the status shown beside each name. docs/security.md lists the attacks covered, with their tests."
)


@dataclass(frozen=True)
class VerifyResult:
    """Verdicts of a verification, the number of noted heads compared, and the duration in seconds.

    `absence_text` explains that there is no book, `unreadable_text` what this account could not search.
    """

    verdicts: tuple[BookVerification, ...]
    anchor_count: int
    seconds: float
    absence_text: str
    unreadable_text: str


def anchors_button(registry: LoadedRegistry) -> None:
    """Show the current heads for copying, and a form for comparing noted ones."""
    lines = [format_anchor(model, state.book) for model, state in sorted(registry.states.items()) if state.book.head]
    if not lines:
        return
    with st.popover("Noted heads", icon=":material/anchor:", help="Store heads outside this database"):
        st.markdown("**Note the heads elsewhere**: in an email, a ticket, or a commit on another host.")
        st.code("\n".join(lines), language=None, height=150 if len(lines) > 3 else "content")
        _anchor_form(lines)


def show_broken_index(backend: Backend, error: LedgerBroken) -> None:
    """Show the page when the ledger's index cannot be trusted: the reason, the fix, and verification without the index."""
    with page_header("Audit", "Entries cannot be shown: the index of books was changed"):
        with st.popover("Noted heads", icon=":material/anchor:", help="Compare with heads stored elsewhere"):
            _anchor_form([])
        verify_button()
    show_error(error)
    st.caption("Verify finds the books by their seals, without the index, and checks each one.")
    show_verdicts(backend)


def _anchor_form(anchor_lines: list[str]) -> None:
    """Show the form for comparing noted heads. `anchor_lines` are the current heads, if known."""
    with st.form("audit.heads", border=False):
        text = st.text_area(
            "Compare with a noted head",
            key="audit.heads.text",
            height=110,
            placeholder=anchor_lines[0] if anchor_lines else "17:5d9e… card-fraud",
            help="One head per line, as copied from here. With a single book, 17:5d9e… alone is enough.",
        )
        if st.form_submit_button("Compare", icon=":material/fingerprint:", key="audit.heads.compare"):
            _request_comparison(text, anchor_lines)


def _request_comparison(text: str, anchor_lines: list[str]) -> None:
    """Parse the typed heads and request a verification against them."""
    try:
        anchors = parse_anchors(text)
        if not anchors:
            raise BadInput("No head was entered.", next="Paste a noted head.")
        if len(anchor_lines) != 1 and any(not anchor.model for anchor in anchors):
            raise BadInput("A head without a model name could belong to any book.", next="Add the model name after the head.")
    except PodiumError as error:
        show_error(error)
        return
    only_model = anchor_lines[0].split(" ", 1)[1] if len(anchor_lines) == 1 else ""
    st.session_state[ANCHORS_KEY] = tuple(ModelAnchor(anchor.model or only_model, anchor.anchor) for anchor in anchors)
    st.session_state[VERIFY_REQUESTED_KEY] = True


def verify_button() -> None:
    """Request a verification on the next rerun; it rereads the store and never uses a cache."""
    if st.button("Verify", icon=":material/fingerprint:", key="audit.verify"):
        st.session_state[VERIFY_REQUESTED_KEY] = True


def show_verdicts(backend: Backend) -> None:
    """Show the result of a requested verification, with options to settle its findings."""
    show_settle_dialog()
    anchors, is_requested = st.session_state.pop(ANCHORS_KEY, ()), st.session_state.pop(VERIFY_REQUESTED_KEY, False)
    if VERIFY_PARAMETER in st.query_params:  # a link requests one verification; later clicks do not repeat it
        del st.query_params[VERIFY_PARAMETER]
        is_requested = True
    if not is_requested:
        return
    with error_boundary():
        with st.spinner("Reading and recomputing every book…"):
            start = time.perf_counter()
            verdicts = verify_all(backend, anchors, HeadWatch(head_memory(), now))
            absence_text, unreadable_text = "" if verdicts else describe_absence(backend), describe_unreadable(backend)
            result = VerifyResult(verdicts, len(anchors), time.perf_counter() - start, absence_text, unreadable_text)
        _show_result(result)


def _show_settle_buttons(verdicts: tuple[BookVerification, ...]) -> None:
    """Show a button per model with findings to settle; findings of the index are settled through any model."""
    models = [verdict.model for verdict in verdicts if verdict.unsettled_findings and verdict.model != INDEX_EXPERIMENT]
    has_index_findings = any(verdict.unsettled_findings and verdict.model == INDEX_EXPERIMENT for verdict in verdicts)
    if has_index_findings and not models:
        models = [verdict.model for verdict in verdicts if verdict.model != INDEX_EXPERIMENT][:1] or [
            *model_names(current_backend())
        ][:1]
    with st.container(horizontal=True, gap="small"):
        for model in models[:_MAX_SETTLE_BUTTONS]:
            st.button(
                f"Settle {escape(model)}…",
                key=f"audit.settle.{model}",
                icon=":material/gavel:",
                on_click=open_settle_dialog,
                args=(model,),
                help="Record that you reviewed this, with a reason, so that decisions can continue.",
            )


def _show_result(result: VerifyResult) -> None:
    entries = sum(len(verdict.book.entries) for verdict in result.verdicts)
    problems = [(verdict, finding) for verdict in result.verdicts for finding in verdict.findings]
    is_settled = not any(verdict.unsettled_findings for verdict in result.verdicts)
    books = sum(verdict.model != INDEX_EXPERIMENT for verdict in result.verdicts)
    summary = (
        f"{format_count(entries, 'entry', 'entries')} in {format_count(books, 'book')}, checked in {result.seconds:.2f}{NBSP}s"
    )
    counts = [count_signatures(verdict.book, trusted_keys()) for verdict in result.verdicts]
    total = SignatureCounts(*(sum(part) for part in zip(*map(astuple, counts), strict=True))) if counts else SignatureCounts()
    summary += f", {total}" if entries else ""
    if result.anchor_count:
        summary += f", compared with {format_count(result.anchor_count, 'noted head')}"
    if result.absence_text:
        st.info(result.absence_text, icon=":material/search_off:")
    elif is_settled:
        st.success(f"Chain intact: {summary}.", icon=":material/check_circle:")
    if problems:
        with card("Settled findings" if is_settled else "Verification failed", summary, key="audit.findings"):
            rows = [
                (
                    escape(verdict.model),
                    str(finding.position or ""),
                    f"**{escape(finding.what)}**{escape(describe_settlement(finding))}",
                    escape(finding.means),
                )
                for verdict, finding in problems
            ]
            show_table(rows, ["Book", "Position", "Finding", "What it means"])
            _show_settle_buttons(result.verdicts)
    st.caption(f"{result.unreadable_text} {LIMITS_TEXT}".strip())
