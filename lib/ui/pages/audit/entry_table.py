"""Selectable table of the entries of all books, newest first, and the full view of one entry.

The URL holds the open entry. Filters are in `filters`, corrections in `correction_dialog`.
"""

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
from lib.ui.components.data_table import hashed_key, table_height
from lib.ui.components.drift_banner import show_unexplained_record
from lib.ui.components.formatting import escape, format_count, format_metric, format_time, short_hash, version_label
from lib.ui.components.layout import card, show_card_header, show_empty_state, show_facts
from lib.ui.pages.audit.correction_dialog import correction_button
from lib.ui.pages.audit.downloads import show_download_buttons
from lib.ui.pages.audit.entry_details import entry_facts
from lib.ui.pages.audit.entry_rows import AuditRow, kind_label, signature_note, verify_row
from lib.ui.pages.audit.packet_button import entry_packet_button

MAX_TABLE_ROWS = 2_000
"""Table rows per page; more would slow down every click."""
OPENED_ENTRY_KEY, TABLE_GENERATION_KEY = "audit.opened", "audit.turn"
"""The entry opened from outside the table, and a counter that resets the table's selection."""


def show_no_entries() -> None:
    """Explain how the first entry is created, unless a record exists but cannot be reached."""
    if show_unexplained_record():
        return
    with card(key="audit.empty"):
        show_empty_state("history", "No entries yet", "Register or move a version to create the first entry.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Open models", icon=":material/deployed_code:", key="audit.models"):
                switch_page("models")


def open_entry(entry_id: str) -> None:
    """Show this entry on the next rerun and select it in the table if listed. A callback, so the URL is updated later."""
    st.session_state[OPENED_ENTRY_KEY] = entry_id
    st.session_state[TABLE_GENERATION_KEY] = st.session_state.get(TABLE_GENERATION_KEY, 0) + 1


def find_opened_row(rows: Sequence[AuditRow]) -> AuditRow | None:
    """Return the entry opened from a chart or button, else the one in the URL, else None."""
    entry_id = _requested_entry_id()
    return next((row for row in rows if row.entry.id == entry_id), None)


def show_unknown_entry(rows: Sequence[AuditRow]) -> None:
    """Warn if the link names an entry that is in no book here and the newest is shown instead."""
    entry_id = _requested_entry_id()
    if entry_id and find_opened_row(rows) is None:
        st.warning(
            f"No book here contains entry {escape(entry_id[:40])}. Showing the newest entry.", icon=":material/search_off:"
        )


def update_url(row: AuditRow) -> None:
    """Put the entry into the URL at the end of a run; earlier, later widgets would lose their URL parameters."""
    st.query_params["entry"] = row.entry.id


def _requested_entry_id() -> str:
    return str(st.session_state.get(OPENED_ENTRY_KEY) or st.query_params.get("entry", ""))


def show_entry_table(filtered_rows: Sequence[AuditRow], all_rows: Sequence[AuditRow]) -> AuditRow | None:
    """Show the table. Returns the selected row, else the newest; an entry opened from elsewhere may not be listed."""
    with card("Entries", _count_note(len(filtered_rows), len(all_rows)), key="audit.entries"):
        if not filtered_rows:
            show_empty_state("search_off", "No matching entries", "Remove a filter.")
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
    """Return the first row of the current page; defaults to the requested entry's page. No selector if all rows fit."""
    if len(rows) <= MAX_TABLE_ROWS:
        return 0
    ids = [row.entry.id for row in rows]
    starts = list(range(0, len(rows), MAX_TABLE_ROWS))
    labels = {first: f"{first + 1:,} to {min(first + MAX_TABLE_ROWS, len(rows)):,} of {len(rows):,}" for first in starts}
    start = starts[ids.index(entry_id) // MAX_TABLE_ROWS] if entry_id in ids else 0
    key = hashed_key("audit.page", *ids)
    return st.selectbox("Rows", starts, starts.index(start), format_func=labels.__getitem__, key=key, width=240)


def _select_row(rows: Sequence[AuditRow], entry_id: str) -> AuditRow:
    ids = [row.entry.id for row in rows]
    index = ids.index(entry_id) if entry_id in ids else 0
    event: Any = st.dataframe(
        _entries_frame(rows),
        hide_index=True,
        key=hashed_key("audit.table", *ids, st.session_state.get(TABLE_GENERATION_KEY, 0)),
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
    """Forget the entry opened from elsewhere once a row is selected in the table."""
    st.session_state.pop(OPENED_ENTRY_KEY, None)


def show_entry(row: AuditRow) -> None:
    """Show one entry in full: its summary, actor, evidence, and hashes."""
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
            facts["Changed between"] = " and ".join(format_time(parse_timestamp(at)) for at in body.window)
        show_facts(facts | entry_facts(body, displayed_name(body.by.name, writer_status(row.book, row.entry, keys))))
        if isinstance(body, Registered | Decided) and body.identity.run_id:
            page_link("Open source run", "run", icon="science", query={"run": body.identity.run_id})
        with st.container(horizontal=True, gap="small"):
            correction_button(row.model, row.entry, row.corrections)
            entry_packet_button(row.model, row.entry.id, history_row.position)
        st.caption(f"Position, id, chain hash up to this entry{signature_note(row, keys)}")
        st.code(
            f"{history_row.position:06d} {row.entry.id} {row.entry.chain[:8]}…{row.entry.chain[-4:]}",
            language=None,
            wrap_lines=True,
        )


def _show_summary(row: HistoryRow) -> None:
    """Show the summary; a corrected one is struck through and followed by its correction."""
    if not row.correction_positions:
        st.markdown(escape(row.summary))
        return
    st.markdown(f"~~{escape(row.summary.strip())}~~")
    positions = ", ".join(map(str, row.correction_positions))
    st.markdown(f":material/edit: **{escape(row.corrected_summary)}**  \n:gray[Superseded by entry {positions}]")


def _lineage_facts(body: Registered) -> dict[str, str]:
    """Return the version's lineage as recorded."""
    lineage = body.lineage
    metrics = [
        f"{escape(name)} {format_metric(value) if isinstance(value, float) else escape(value)}"
        for name, value in list(lineage.metrics.items())[:4]
    ]
    data = [f"{escape(name)} {short_hash(escape(digest))}" for name, digest in lineage.data.items()]
    hashes = {"Commit": lineage.git_commit, "Model files": lineage.artifact, "Environment": lineage.environment}
    facts = {"Run": escape(lineage.run_name), "Metrics": " · ".join(metrics), "Data": " · ".join(data)}
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
    """Return the summary as plain text; cells cannot strike through, so a correction is stated in words."""
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
