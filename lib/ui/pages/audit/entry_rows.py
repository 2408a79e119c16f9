"""The entries of all books as the Audit page shows them: each with its model, its line and the corrections of it, newest first."""

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
    """One entry with the model whose `book` it stands in."""

    model: str
    entry: Entry
    history_row: HistoryRow
    book: DecodedBook = field(compare=False, repr=False)
    corrections: tuple[Entry, ...] = ()


def audit_rows(registry: LoadedRegistry) -> Sequence[AuditRow]:
    """Every entry of every book, newest first; within one moment, the higher position first. Never to be changed."""
    return _cached_rows(tuple((model, state.book.chain) for model, state in registry.states.items()), registry)


@st.cache_resource(max_entries=4, show_spinner=False)
def _cached_rows(heads: tuple[tuple[str, str], ...], _registry: LoadedRegistry) -> tuple[AuditRow, ...]:
    """Made once for these heads: they name the books' contents, so nothing has to be forgotten."""
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
    """The line of an entry that is shown, with what its signature says of the name."""
    return verify_names([row.history_row], row.book, keys)[0]


def signature_note(row: AuditRow, keys: TrustedKeys) -> str:
    """Whose signature an entry carries, as the end of a line; empty for none. Names of keys come from a file of this machine."""
    match signature_status(row.book, row.entry, keys):
        case "trusted":
            key = keys.find(entry_fingerprint(row.entry))
            return f" · signed by {escape(key.name) if key and key.name else 'a trusted key'}"
        case "unknown":
            return " · signed by a key that is not trusted here"
        case "invalid":
            return " · its signature does not fit"
        case _:
            return ""


def kind_label(row: AuditRow) -> str:
    """What people read on the badge of an entry."""
    return ENTRY_BADGES[row.history_row.badge][2] if row.history_row.badge in ENTRY_BADGES else "Other"
