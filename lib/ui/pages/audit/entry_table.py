"""The entries of all books as one table, newest first, to pick from; one of them in full.

The address carries the entry that is open. What the table leaves out is chosen in `audit_filters`; correcting stands in
`audit_correct`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Observed, Registered
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, REASON_CATEGORIES, UNKNOWN_ACTOR
from lib.ledger.queries.history import HistoryRow
from lib.ui.app.routes import page_link
from lib.ui.components.badges import ENTRY_BADGES, STAGE_BADGES, badge_column_options, badge_markdown
from lib.ui.components.formatting import escape, format_count, format_metric, format_time, short_hash, version_label
from lib.ui.components.layout import card, show_card_header, show_empty_state, show_facts
from lib.ui.pages.audit.correction_dialog import correction_button
from lib.ui.pages.audit.downloads import show_download_buttons
from lib.ui.pages.audit.entry_details import entry_facts
from lib.ui.pages.audit.entry_rows import AuditRow, kind_label
from lib.ui.pages.audit.packet_button import entry_packet_button

MAX_TABLE_ROWS = 2_000
"""Rows of the table on one page: more make every click slow."""
OPENED_ENTRY_KEY, TABLE_GENERATION_KEY = "audit.opened", "audit.turn"
"""The entry that was opened from elsewhere, and how often that happened: the table begins anew with it."""


def open_entry(entry_id: str) -> None:
    """Show this entry at the next run of the page, and pick it in the table where that has it. A callback: the address waits."""
    st.session_state[OPENED_ENTRY_KEY] = entry_id
    st.session_state[TABLE_GENERATION_KEY] = st.session_state.get(TABLE_GENERATION_KEY, 0) + 1


def find_opened_row(rows: Sequence[AuditRow]) -> AuditRow | None:
    """The entry that was opened from a picture or a button, else the one that the address names; None for none."""
    asked = _asked()
    return next((row for row in rows if row.entry.id == asked), None)


def show_unknown_entry(rows: Sequence[AuditRow]) -> None:
    """A link may name an entry that no book here holds: then what is shown instead says so."""
    asked = _asked()
    if asked and find_opened_row(rows) is None:
        st.warning(f"No book here has an entry {escape(asked[:40])}. Here is the newest.", icon=":material/search_off:")


def update_url(row: AuditRow) -> None:
    """Put the entry into the address, at the end of a run: earlier the address would lose what later widgets keep there."""
    st.query_params["entry"] = row.entry.id


def _asked() -> str:
    return str(st.session_state.get(OPENED_ENTRY_KEY) or st.query_params.get("entry", ""))


def show_entry_table(filtered_rows: Sequence[AuditRow], all_rows: Sequence[AuditRow]) -> AuditRow | None:
    """The table to pick from; gives the picked row, else the newest. An entry that was opened elsewhere needs no place in it."""
    with card("Entries", _note(len(filtered_rows), len(all_rows)), key="audit.entries"):
        if not filtered_rows:
            show_empty_state("search_off", "No entry matches", "Take a filter away.")
            return find_opened_row(all_rows) if OPENED_ENTRY_KEY in st.session_state else None
        first = _pager(filtered_rows, _asked())
        row = _picked(filtered_rows[first : first + MAX_TABLE_ROWS], _asked())
        show_download_buttons(filtered_rows)
    return (find_opened_row(all_rows) if OPENED_ENTRY_KEY in st.session_state else None) or row


def _note(left: int, every: int) -> str:
    return "newest first" if left == every else f"showing {left:,} of {format_count(every, 'entry', 'entries')}, newest first"


def _pager(left: Sequence[AuditRow], asked: str) -> int:
    """The first row of the page that is shown: nothing to choose while all rows fit, else the page of the entry that was asked for."""
    if len(left) <= MAX_TABLE_ROWS:
        return 0
    ids = [row.entry.id for row in left]
    starts = list(range(0, len(left), MAX_TABLE_ROWS))
    said = {at: f"{at + 1:,} to {min(at + MAX_TABLE_ROWS, len(left)):,} of {len(left):,}" for at in starts}
    start = starts[ids.index(asked) // MAX_TABLE_ROWS] if asked in ids else 0
    key = f"audit.page.{hashlib.sha256('|'.join(ids).encode()).hexdigest()[:12]}"
    return st.selectbox("Rows", starts, starts.index(start), format_func=said.__getitem__, key=key, width=240)


def _picked(shown: Sequence[AuditRow], asked: str) -> AuditRow:
    ids = [row.entry.id for row in shown]
    chosen = ids.index(asked) if asked in ids else 0
    mark = "|".join([*ids, str(st.session_state.get(TABLE_GENERATION_KEY, 0))])
    event: Any = st.dataframe(
        _table(shown),
        hide_index=True,
        key="audit.table." + hashlib.sha256(mark.encode()).hexdigest()[:12],
        height="content" if len(shown) <= 14 else 32 + 31 * 14 + 2,
        on_select=_by_hand,
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [chosen]}},
        column_config=_columns(),
        alt=f"{len(shown)} ledger entries, newest first",
    )
    picked = event["selection"]["rows"]
    return shown[picked[0] if picked else chosen]


def _by_hand() -> None:
    """A row was picked in the table: that is what the person wants to see from now on."""
    st.session_state.pop(OPENED_ENTRY_KEY, None)


def show_entry(row: AuditRow) -> None:
    """One entry in full: what it says, by whom, on what evidence, and its hashes at the end."""
    body, line = row.entry.body, row.history_row
    with st.container(border=True, key="audit.entry"):
        show_card_header(f"Entry {line.position}", format_time(line.at), (ENTRY_BADGES, line.badge))
        _said_in_full(line)
        told = {"Model": f"{escape(row.model)} {version_label(line.version) if line.version else ''}"}
        told["By"] = escape(line.actor_name) + _how(row)
        if isinstance(body, Decided):
            told["Reason"] = REASON_CATEGORIES.get(body.reason.category, escape(body.reason.category))
            told["Move"] = f"{badge_markdown(STAGE_BADGES, body.from_)} → {badge_markdown(STAGE_BADGES, body.to)}"
            told["Decided against"] = escape(body.expected) if body.expected else "no guard"
        if isinstance(body, Closing) and body.displaced:
            told["Displaced"] = ", ".join(version_label(number) for number in body.displaced)
        if isinstance(body, Registered):
            told |= _lineage(body)
        if isinstance(body, Observed):
            told["Moved between"] = " and ".join(format_time(parse_timestamp(at)) for at in body.window)
        show_facts(told | entry_facts(body))
        if isinstance(body, Registered | Decided) and body.identity.run_id:
            page_link("Open the run it was made from", "run", icon="science", query={"run": body.identity.run_id})
        with st.container(horizontal=True, gap="small"):
            correction_button(row.model, row.entry, row.corrections)
            entry_packet_button(row.model, row.entry.id, line.position)
        st.caption("Place, id, hash of the chain up to here")
        st.code(
            f"{line.position:06d} {row.entry.id} {row.entry.chain[:8]}…{row.entry.chain[-4:]}", language=None, wrap_lines=True
        )


def _said_in_full(line: HistoryRow) -> None:
    """What the entry says; what was corrected is struck through, with what is to be read instead beside it."""
    if not line.correction_positions:
        st.markdown(escape(line.summary))
        return
    st.markdown(f"~~{escape(line.summary.strip())}~~")
    places = ", ".join(map(str, line.correction_positions))
    st.markdown(f":material/edit: **{escape(line.corrected_summary)}**  \n:gray[Superseded by entry {places}]")


def _lineage(body: Registered) -> dict[str, str]:
    """Where the version came from, as it was recorded."""
    came = body.lineage
    metrics = [
        f"{escape(name)} {format_metric(value) if isinstance(value, float) else escape(value)}"
        for name, value in list(came.metrics.items())[:4]
    ]
    data = [f"{escape(name)} {short_hash(escape(digest))}" for name, digest in came.data.items()]
    hashes = {"Commit": came.git_commit, "Model files": came.artifact, "Environment": came.environment}
    told = {"Run": escape(came.run_name), "Measured": " · ".join(metrics), "Data": " · ".join(data)}
    told |= {name: short_hash(escape(value)) for name, value in hashes.items()} | {"Missing": escape(came.missing)}
    return {name: value for name, value in told.items() if value}


def _how(row: AuditRow) -> str:
    """How sure the name is; Podium itself and an unknown hand need no such word."""
    if row.entry.body.by in (PODIUM_ACTOR, UNKNOWN_ACTOR):
        return ""
    return f" :gray-badge[{'verified' if row.history_row.is_verified else 'typed, not verified'}]"


def _table(left: Sequence[AuditRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": [row.history_row.position for row in left],
            "at": [row.history_row.at for row in left],
            "entry": [[kind_label(row)] for row in left],
            "model": [f"{row.model} v{row.history_row.version}" if row.history_row.version else row.model for row in left],
            "who": [row.history_row.actor_name for row in left],
            "what": [_in_table(row.history_row) for row in left],
        }
    )


def _in_table(line: HistoryRow) -> str:
    """A cell has no strike-through: a corrected entry says so in words."""
    return (
        f"Corrected by entry {line.correction_positions[-1]}: {line.corrected_summary}"
        if line.correction_positions
        else line.summary
    )


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "place": column.NumberColumn("#", width=40),
        "at": column.DatetimeColumn("When (UTC)", format="D MMM YYYY, HH:mm", width=122),
        "entry": column.MultiselectColumn("Entry", width=104, **badge_column_options(ENTRY_BADGES)),
        "model": column.TextColumn("Model", width=118),
        "who": column.TextColumn("By", width=70),
        "what": column.TextColumn("What", width=190),
    }
