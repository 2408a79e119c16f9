"""The entries of all books for the Audit page, newest first: each with its model, history row, and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from lib.ledger.chain.entry_signatures import entry_fingerprint, signature_status
from lib.ledger.chain.hash_chain import DecodedBook, Entry
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.queries.history import HistoryRow, history_rows, verify_names
from lib.ledger.state.corrections import corrections_by_entry_id
from lib.ui.components.badges import ENTRY_BADGES
from lib.ui.components.formatting import escape
from lib.ui.queries.registry import LoadedRegistry


@dataclass(frozen=True)
class AuditRow:
    """One entry with its model and the `book` that contains it."""

    model: str
    entry: Entry
    history_row: HistoryRow
    book: DecodedBook = field(compare=False, repr=False)
    corrections: tuple[Entry, ...] = ()


def audit_rows(registry: LoadedRegistry) -> Sequence[AuditRow]:
    """Return every entry of every book, newest first, ties by higher position. The result is shared: do not modify it."""
    return _cached_rows(tuple((model, state.book.chain) for model, state in registry.states.items()), registry)


@st.cache_resource(max_entries=4, show_spinner=False)
def _cached_rows(heads: tuple[tuple[str, str], ...], _registry: LoadedRegistry) -> tuple[AuditRow, ...]:
    """Build the rows, cached by heads; heads identify book contents, so no invalidation is needed."""
    rows = [
        AuditRow(model, entry, history_row, state.book, corrections.get(entry.id, ()))
        for model, _ in heads
        for state in [_registry.states[model]]
        for corrections in [corrections_by_entry_id(state.book.entries)]
        for entry, history_row in zip(reversed(state.book.entries), history_rows(state), strict=True)
    ]
    return tuple(
        sorted(
            rows,
            key=lambda row: (row.history_row.at.timestamp() if row.history_row.at else 0.0, row.history_row.position),
            reverse=True,
        )
    )


def verify_row(row: AuditRow, keys: TrustedKeys) -> HistoryRow:
    """Return the history row of an entry, with its name verified against its signature."""
    return verify_names([row.history_row], row.book, keys)[0]


def signature_note(row: AuditRow, keys: TrustedKeys) -> str:
    """Return whose signature an entry carries, as a suffix; empty if unsigned. Key names come from a file on this machine."""
    match signature_status(row.book, row.entry, keys):
        case "trusted":
            key = keys.find(entry_fingerprint(row.entry))
            return f" · signed by {escape(key.name) if key and key.name else 'a trusted key'}"
        case "unknown":
            return " · signed by an untrusted key"
        case "invalid":
            return " · its signature is invalid"
        case _:
            return ""


def kind_label(row: AuditRow) -> str:
    """Return the text on an entry's badge."""
    return ENTRY_BADGES[row.history_row.badge][2] if row.history_row.badge in ENTRY_BADGES else "Other"
