"""Downloads of the filtered entries as CSV and JSON. Packets are in `packet_button`."""

import csv
import io
import json
from collections.abc import Sequence
from functools import partial

import streamlit as st

from lib.ledger.chain.entry_signatures import signature_status
from lib.ledger.chain.signatures import SignatureStatus, TrustedKeys
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Imported
from lib.ledger.queries.history import entry_to_json
from lib.runs.export.table_files import BOM, escape_formula
from lib.ui.app.session import trusted_keys
from lib.ui.pages.audit.entry_rows import AuditRow

CSV_COLUMNS = (
    "model",
    "place",
    "at",
    "type",
    "version",
    "from",
    "to",
    "by",
    "how",
    "category",
    "why",
    "instead",
    "superseded_by",
    "id",
    "chain",
    "signature",
)


def show_download_buttons(rows: Sequence[AuditRow]) -> None:
    """Offer the filtered entries as files; each is generated on click."""
    with st.container(horizontal=True, gap="small"):
        for kind, encode, mime_type in (("CSV", encode_csv, "text/csv"), ("JSON", encode_json, "application/json")):
            st.download_button(
                f"Download as {kind}",
                partial(encode, rows),
                f"entries.{kind.lower()}",
                mime_type,
                icon=":material/download:",
                key=f"audit.download.{kind.lower()}",
                type="tertiary",
                on_click="ignore",
            )


def encode_json(rows: Sequence[AuditRow]) -> bytes:
    """Encode the entries with their bodies, as printed by `log --json`."""
    keys = trusted_keys()
    return json.dumps(
        [{"model": row.model, **entry_to_json(row.entry, row.corrections, _signature(row, keys))} for row in rows],
        ensure_ascii=False,
        indent=2,
    ).encode()


def encode_csv(rows: Sequence[AuditRow]) -> bytes:
    """Encode the entries as a table, times in UTC, no cell a formula. UTF-8 with a byte order mark, which Excel needs."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    keys = trusted_keys()
    writer.writerows([escape_formula(cell) for cell in (*_cells(row), _signature(row, keys))] for row in rows)
    return (BOM + buffer.getvalue()).encode("utf-8", "replace")


def _signature(row: AuditRow, keys: TrustedKeys) -> SignatureStatus:
    return signature_status(row.book, row.entry, keys)


def _cells(row: AuditRow) -> tuple[str, ...]:
    history_row, body = row.history_row, row.entry.body
    at = format_timestamp(history_row.at) if history_row.at else ""
    category = body.reason.category if body.reason else ""
    move = (history_row.version, history_row.from_stage, history_row.to_stage)
    return (
        row.model,
        str(history_row.position),
        at,
        body.type,
        *move,
        history_row.actor_name,
        "imported" if isinstance(body, Imported) else body.by.how,
        category,
        history_row.summary,
        history_row.corrected_summary,
        " ".join(map(str, history_row.correction_positions)),
        history_row.id,
        row.entry.chain,
    )
