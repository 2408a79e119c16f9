"""The entries that the filters leave as files to take along: CSV and JSON. Packets stand in `audit_packet`."""

import csv
import io
import json
from collections.abc import Sequence
from functools import partial

import streamlit as st

from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.entry.types import Imported
from lib.ledger.queries.history import entry_to_json
from lib.runs.export.table_files import BOM, escape_formula
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
)


def show_download_buttons(rows: Sequence[AuditRow]) -> None:
    """All entries that fit the filter as files; each is made when it is clicked."""
    with st.container(horizontal=True, gap="small"):
        for kind, made, mime in (("CSV", encode_csv, "text/csv"), ("JSON", encode_json, "application/json")):
            st.download_button(
                f"Download as {kind}",
                partial(made, rows),
                f"entries.{kind.lower()}",
                mime,
                icon=":material/download:",
                key=f"audit.download.{kind.lower()}",
                type="tertiary",
                on_click="ignore",
            )


def encode_json(rows: Sequence[AuditRow]) -> bytes:
    """The entries with their bodies, as `log --json` prints them."""
    return json.dumps(
        [{"model": row.model, **entry_to_json(row.entry, row.corrections)} for row in rows], ensure_ascii=False, indent=2
    ).encode()


def encode_csv(rows: Sequence[AuditRow]) -> bytes:
    """The entries as a sheet, times in UTC. No cell runs as a formula; UTF-8 with a mark, because Excel needs one."""
    sheet = io.StringIO()
    write = csv.writer(sheet, lineterminator="\r\n")
    write.writerow(CSV_COLUMNS)
    write.writerows([escape_formula(cell) for cell in _cells(row)] for row in rows)
    return (BOM + sheet.getvalue()).encode("utf-8", "replace")


def _cells(row: AuditRow) -> tuple[str, ...]:
    line, body = row.history_row, row.entry.body
    at = format_timestamp(line.at) if line.at else ""
    category = body.reason.category if body.reason else ""
    moved = (line.version, line.from_stage, line.to_stage)
    return (
        row.model,
        str(line.position),
        at,
        body.type,
        *moved,
        line.actor_name,
        "imported" if isinstance(body, Imported) else body.by.how,
        category,
        line.summary,
        line.corrected_summary,
        " ".join(map(str, line.correction_positions)),
        line.id,
        row.entry.chain,
    )
