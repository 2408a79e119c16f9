"""The entries of all books as the Audit page shows them: each with its model, its line and the corrections of it, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.queries.history import Line, lines
from lib.ledger.state.corrections import superseded
from lib.ui.components.badges import ENTRY
from lib.ui.queries.registry import Registry


@dataclass(frozen=True)
class Row:
    """One entry with the model whose book it stands in."""

    model: str
    entry: Entry
    line: Line
    corrections: tuple[Entry, ...] = ()


def rows(found: Registry) -> Sequence[Row]:
    """Every entry of every book, newest first; within one moment, the higher place first. Never to be changed."""
    return _rows(tuple((model, state.reading.chain) for model, state in found.records.items()), found)


@st.cache_resource(max_entries=4, show_spinner=False)
def _rows(heads: tuple[tuple[str, str], ...], _found: Registry) -> tuple[Row, ...]:
    """Made once for these heads: they name the books' contents, so nothing has to be forgotten."""
    every = [
        Row(model, entry, line, corrections.get(entry.id, ()))
        for model, _ in heads
        for state in [_found.records[model]]
        for corrections in [superseded(state.reading.entries)]
        for entry, line in zip(reversed(state.reading.entries), lines(state), strict=True)
    ]
    return tuple(sorted(every, key=lambda row: (row.line.at.timestamp() if row.line.at else 0.0, row.line.place), reverse=True))


def kind_of(row: Row) -> str:
    """What people read on the badge of an entry."""
    return ENTRY[row.line.word][2] if row.line.word in ENTRY else "Other"
