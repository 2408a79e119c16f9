"""The entries that the filters leave as files to take along: CSV and JSON. Packets stand in `audit_packet`."""

import csv
import io
import json
from collections.abc import Sequence
from functools import partial

import streamlit as st

from lib.ledger.entry.types import Imported
from lib.ledger.entry.vocabulary import as_text
from lib.ledger.queries.history import as_json
from lib.runs.export.table_files import BOM, harmless
from lib.ui.pages.audit.entry_rows import Row

CSV = (
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


def downloads(left: Sequence[Row]) -> None:
    """All entries that fit the filter as files; each is made when it is clicked."""
    with st.container(horizontal=True, gap="small"):
        for kind, made, mime in (("CSV", as_csv, "text/csv"), ("JSON", as_data, "application/json")):
            st.download_button(
                f"Download as {kind}",
                partial(made, left),
                f"entries.{kind.lower()}",
                mime,
                icon=":material/download:",
                key=f"audit.download.{kind.lower()}",
                type="tertiary",
                on_click="ignore",
            )


def as_data(left: Sequence[Row]) -> bytes:
    """The entries with their bodies, as `log --json` prints them."""
    return json.dumps(
        [{"model": row.model, **as_json(row.entry, row.corrections)} for row in left], ensure_ascii=False, indent=2
    ).encode()


def as_csv(left: Sequence[Row]) -> bytes:
    """The entries as a sheet, times in UTC. No cell runs as a formula; UTF-8 with a mark, because Excel needs one."""
    sheet = io.StringIO()
    write = csv.writer(sheet, lineterminator="\r\n")
    write.writerow(CSV)
    write.writerows([harmless(cell) for cell in _cells(row)] for row in left)
    return (BOM + sheet.getvalue()).encode("utf-8", "replace")


def _cells(row: Row) -> tuple[str, ...]:
    line, body = row.line, row.entry.body
    at = as_text(line.at) if line.at else ""
    category = body.reason.category if body.reason else ""
    moved = (line.version, line.from_, line.to)
    return (
        row.model,
        str(line.place),
        at,
        body.type,
        *moved,
        line.who,
        "imported" if isinstance(body, Imported) else body.by.how,
        category,
        line.why,
        line.instead,
        " ".join(map(str, line.superseded_by)),
        line.id,
        row.entry.chain,
    )
