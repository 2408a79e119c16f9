"""The entries of all books as the Audit page shows them: each with its model, its line and the corrections of it, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.corrections import corrections_by_entry_id
from lib.ui.components.badges import ENTRY_BADGES
from lib.ui.queries.registry import LoadedRegistry


@dataclass(frozen=True)
class AuditRow:
    """One entry with the model whose book it stands in."""

    model: str
    entry: Entry
    history_row: HistoryRow
    corrections: tuple[Entry, ...] = ()


def audit_rows(registry: LoadedRegistry) -> Sequence[AuditRow]:
    """Every entry of every book, newest first; within one moment, the higher position first. Never to be changed."""
    return _cached_rows(tuple((model, state.book.chain) for model, state in registry.states.items()), registry)


@st.cache_resource(max_entries=4, show_spinner=False)
def _cached_rows(heads: tuple[tuple[str, str], ...], _registry: LoadedRegistry) -> tuple[AuditRow, ...]:
    """Made once for these heads: they name the books' contents, so nothing has to be forgotten."""
    rows = [
        AuditRow(model, entry, history_row, corrections.get(entry.id, ()))
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


def kind_label(row: AuditRow) -> str:
    """What people read on the badge of an entry."""
    return ENTRY_BADGES[row.history_row.badge][2] if row.history_row.badge in ENTRY_BADGES else "Other"
