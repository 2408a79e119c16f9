"""The entries of all books as one table, newest first, to pick from; one of them in full.

The address carries the entry that is open. What the table leaves out is chosen in `filters`; corrections are made in
`correction_dialog`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.entry.timestamps import parse_timestamp
from lib.ledger.entry.types import Closing, Decided, Observed, Registered
from lib.ledger.entry.vocabulary import REASON_CATEGORIES
from lib.ledger.queries.actor_names import displayed_name, writer_status
from lib.ledger.queries.history import HistoryRow
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.app.session import trusted_keys
from lib.ui.components.actor_name import actor_badge_markdown
from lib.ui.components.badges import ENTRY_BADGES, STAGE_BADGES, badge_column_options, badge_markdown
from lib.ui.components.drift_banner import show_unexplained_record
from lib.ui.components.formatting import escape, format_count, format_metric, format_time, short_hash, version_label
from lib.ui.components.layout import card, show_card_header, show_empty_state, show_facts, table_height
from lib.ui.pages.audit.correction_dialog import correction_button
from lib.ui.pages.audit.downloads import show_download_buttons
from lib.ui.pages.audit.entry_details import entry_facts
from lib.ui.pages.audit.entry_rows import AuditRow, kind_label, signature_note, verify_row
from lib.ui.pages.audit.packet_button import entry_packet_button

MAX_TABLE_ROWS = 2_000
"""Rows of the table on one page: more make every click slow."""
OPENED_ENTRY_KEY, TABLE_GENERATION_KEY = "audit.opened", "audit.turn"
"""The entry that was opened from elsewhere, and how often that happened: the table starts over with it."""


def show_no_entries() -> None:
    """In place of the table while no book has an entry: where the first one comes from, unless there is a record out of reach."""
    if show_unexplained_record():
        return
    with card(key="audit.empty"):
        show_empty_state("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Open the models", icon=":material/deployed_code:", key="audit.models"):
                switch_page("models")


def open_entry(entry_id: str) -> None:
    """Show this entry at the next run of the page, and select it in the table where that has it. A callback: the address waits."""
    st.session_state[OPENED_ENTRY_KEY] = entry_id
    st.session_state[TABLE_GENERATION_KEY] = st.session_state.get(TABLE_GENERATION_KEY, 0) + 1


def find_opened_row(rows: Sequence[AuditRow]) -> AuditRow | None:
    """The entry that was opened from a picture or a button, else the one that the address names; None for none."""
    entry_id = _requested_entry_id()
    return next((row for row in rows if row.entry.id == entry_id), None)


def show_unknown_entry(rows: Sequence[AuditRow]) -> None:
    """A link may name an entry that no book here holds: then what is shown instead says so."""
    entry_id = _requested_entry_id()
    if entry_id and find_opened_row(rows) is None:
        st.warning(f"No book here has an entry {escape(entry_id[:40])}. Here is the newest.", icon=":material/search_off:")


def update_url(row: AuditRow) -> None:
    """Put the entry into the address, at the end of a run: earlier the address would lose what later widgets keep there."""
    st.query_params["entry"] = row.entry.id


def _requested_entry_id() -> str:
    return str(st.session_state.get(OPENED_ENTRY_KEY) or st.query_params.get("entry", ""))


def show_entry_table(filtered_rows: Sequence[AuditRow], all_rows: Sequence[AuditRow]) -> AuditRow | None:
    """The table to select from; returns the selected row, else the newest. An entry that was opened elsewhere need not be in it."""
    with card("Entries", _count_note(len(filtered_rows), len(all_rows)), key="audit.entries"):
        if not filtered_rows:
            show_empty_state("search_off", "No entry matches", "Take a filter away.")
            return find_opened_row(all_rows) if OPENED_ENTRY_KEY in st.session_state else None
        first_index = _choose_first_row(filtered_rows, _requested_entry_id())
        row = _select_row(filtered_rows[first_index : first_index + MAX_TABLE_ROWS], _requested_entry_id())
        show_download_buttons(filtered_rows)
    return (find_opened_row(all_rows) if OPENED_ENTRY_KEY in st.session_state else None) or row


def _count_note(filtered_count: int, total_count: int) -> str:
    return (
        "newest first"
        if filtered_count == total_count
        else f"showing {filtered_count:,} of {format_count(total_count, 'entry', 'entries')}, newest first"
    )


def _choose_first_row(rows: Sequence[AuditRow], entry_id: str) -> int:
    """The first row of the page that is shown: nothing to choose while all rows fit, else the page of the entry that was asked for."""
    if len(rows) <= MAX_TABLE_ROWS:
        return 0
    ids = [row.entry.id for row in rows]
    starts = list(range(0, len(rows), MAX_TABLE_ROWS))
    labels = {first: f"{first + 1:,} to {min(first + MAX_TABLE_ROWS, len(rows)):,} of {len(rows):,}" for first in starts}
    start = starts[ids.index(entry_id) // MAX_TABLE_ROWS] if entry_id in ids else 0
    key = f"audit.page.{hashlib.sha256('|'.join(ids).encode()).hexdigest()[:12]}"
    return st.selectbox("Rows", starts, starts.index(start), format_func=labels.__getitem__, key=key, width=240)


def _select_row(rows: Sequence[AuditRow], entry_id: str) -> AuditRow:
    ids = [row.entry.id for row in rows]
    index = ids.index(entry_id) if entry_id in ids else 0
    identity = "|".join([*ids, str(st.session_state.get(TABLE_GENERATION_KEY, 0))])
    event: Any = st.dataframe(
        _entries_frame(rows),
        hide_index=True,
        key="audit.table." + hashlib.sha256(identity.encode()).hexdigest()[:12],
        height=table_height(len(rows), max_rows=14),
        on_select=_clear_opened_entry,
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [index]}},
        column_config=_column_config(),
        alt=f"{len(rows)} ledger entries, newest first",
    )
    selected_rows = event["selection"]["rows"]
    return rows[selected_rows[0] if selected_rows else index]


def _clear_opened_entry() -> None:
    """A row was selected in the table: that is what the person wants to see from now on."""
    st.session_state.pop(OPENED_ENTRY_KEY, None)


def show_entry(row: AuditRow) -> None:
    """One entry in full: what it says, by whom, on what evidence, and its hashes at the end."""
    body, keys = row.entry.body, trusted_keys()
    history_row = verify_row(row, keys)
    with st.container(border=True, key="audit.entry"):
        show_card_header(f"Entry {history_row.position}", format_time(history_row.at), (ENTRY_BADGES, history_row.badge))
        _show_summary(history_row)
        facts = {"Model": f"{escape(row.model)} {version_label(history_row.version) if history_row.version else ''}"}
        facts["By"] = actor_badge_markdown(history_row.actor_name, history_row.name_status)
        if isinstance(body, Decided):
            facts["Reason"] = REASON_CATEGORIES.get(body.reason.category, escape(body.reason.category))
            facts["Move"] = f"{badge_markdown(STAGE_BADGES, body.from_)} → {badge_markdown(STAGE_BADGES, body.to)}"
            facts["Decided against"] = escape(body.expected) if body.expected else "no guard"
        if isinstance(body, Closing) and body.displaced:
            facts["Displaced"] = ", ".join(version_label(number) for number in body.displaced)
        if isinstance(body, Registered):
            facts |= _lineage_facts(body)
        if isinstance(body, Observed):
            facts["Moved between"] = " and ".join(format_time(parse_timestamp(at)) for at in body.window)
        show_facts(facts | entry_facts(body, displayed_name(body.by.name, writer_status(row.book, row.entry, keys))))
        if isinstance(body, Registered | Decided) and body.identity.run_id:
            page_link("Open the run it was made from", "run", icon="science", query={"run": body.identity.run_id})
        with st.container(horizontal=True, gap="small"):
            correction_button(row.model, row.entry, row.corrections)
            entry_packet_button(row.model, row.entry.id, history_row.position)
        st.caption(f"Place, id, hash of the chain up to here{signature_note(row, keys)}")
        st.code(
            f"{history_row.position:06d} {row.entry.id} {row.entry.chain[:8]}…{row.entry.chain[-4:]}",
            language=None,
            wrap_lines=True,
        )


def _show_summary(row: HistoryRow) -> None:
    """What the entry says; what was corrected is struck through, with what is to be read instead beside it."""
    if not row.correction_positions:
        st.markdown(escape(row.summary))
        return
    st.markdown(f"~~{escape(row.summary.strip())}~~")
    positions = ", ".join(map(str, row.correction_positions))
    st.markdown(f":material/edit: **{escape(row.corrected_summary)}**  \n:gray[Superseded by entry {positions}]")


def _lineage_facts(body: Registered) -> dict[str, str]:
    """Where the version came from, as it was recorded."""
    lineage = body.lineage
    metrics = [
        f"{escape(name)} {format_metric(value) if isinstance(value, float) else escape(value)}"
        for name, value in list(lineage.metrics.items())[:4]
    ]
    data = [f"{escape(name)} {short_hash(escape(digest))}" for name, digest in lineage.data.items()]
    hashes = {"Commit": lineage.git_commit, "Model files": lineage.artifact, "Environment": lineage.environment}
    facts = {"Run": escape(lineage.run_name), "Measured": " · ".join(metrics), "Data": " · ".join(data)}
    facts |= {name: short_hash(escape(value)) for name, value in hashes.items()} | {"Missing": escape(lineage.missing)}
    return {name: value for name, value in facts.items() if value}


def _entries_frame(rows: Sequence[AuditRow]) -> pd.DataFrame:
    keys = trusted_keys()
    return pd.DataFrame(
        {
            "place": [row.history_row.position for row in rows],
            "at": [row.history_row.at for row in rows],
            "entry": [[kind_label(row)] for row in rows],
            "model": [f"{row.model} v{row.history_row.version}" if row.history_row.version else row.model for row in rows],
            "who": [verify_row(row, keys).displayed_name for row in rows],
            "what": [_summary_cell(row.history_row) for row in rows],
        }
    )


def _summary_cell(row: HistoryRow) -> str:
    """A cell has no strike-through: a corrected entry says so in words."""
    return (
        f"Corrected by entry {row.correction_positions[-1]}: {row.corrected_summary}" if row.correction_positions else row.summary
    )


def _column_config() -> dict[str, Any]:
    column = st.column_config
    return {
        "place": column.NumberColumn("#", width=40),
        "at": column.DatetimeColumn("When (UTC)", format="D MMM YYYY, HH:mm", width=122),
        "entry": column.MultiselectColumn("Entry", width=124, **badge_column_options(ENTRY_BADGES)),
        "model": column.TextColumn("Model", width=118),
        "who": column.TextColumn("By", width=70),
        "what": column.TextColumn("What", width=170),
    }
