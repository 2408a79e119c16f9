"""The entries of all books as one table, newest first: found by model, kind, person, version and text; one of them in full.

The address carries what was chosen. Correcting stands in `audit_correct`; exporting packets comes with later work.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.bodies import Closing, Decided, Observed, Registered
from lib.ledger.chain import Entry
from lib.ledger.corrections import superseded
from lib.ledger.history import Line, as_json, lines
from lib.ledger.words import CATEGORIES, PODIUM, UNKNOWN, as_time
from lib.ui.audit_correct import correct_button
from lib.ui.audit_facts import more_facts
from lib.ui.cards import card, empty, facts, head
from lib.ui.models_reads import Registry
from lib.ui.routes import link
from lib.ui.text import count, md, moment, score, short, version
from lib.ui.words import ENTRY, STAGE, chip, pills

MOST = 10_000
EVERY = "All models"


@dataclass(frozen=True)
class Row:
    """One entry with the model whose book it stands in."""

    model: str
    entry: Entry
    line: Line
    corrections: tuple[Entry, ...] = ()


def rows(found: Registry) -> list[Row]:
    """Every entry of every book, newest first; within one moment, the higher place first."""
    every = [
        Row(model, entry, line, corrections.get(entry.id, ()))
        for model, state in found.records.items()
        for corrections in [superseded(state.reading.entries)]
        for entry, line in zip(reversed(state.reading.entries), lines(state), strict=True)
    ]
    return sorted(every, key=lambda row: (row.line.at.timestamp() if row.line.at else 0.0, row.line.place), reverse=True)


def toolbar(every: Sequence[Row]) -> list[Row]:
    """The filters in one line; gives the rows they leave."""
    models, kinds = sorted({row.model for row in every}), list(dict.fromkeys(_said(row) for row in every))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words = st.text_input(
            "Find",
            placeholder="Find in reasons and names",
            key="audit.text",
            bind="query-params",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        model = st.selectbox(
            "Model", [EVERY, *models], key="audit.model", bind="query-params", width=190, label_visibility="collapsed"
        )
        kind = st.multiselect(
            "Kind", kinds, key="audit.kind", bind="query-params", placeholder="Any kind", width=210, label_visibility="collapsed"
        )
        people = sorted({row.line.who for row in every})
        who = st.multiselect(
            "By", people, key="audit.by", bind="query-params", placeholder="Anybody", width=190, label_visibility="collapsed"
        )
    return [
        row
        for row in every
        if model in (EVERY, row.model)
        and (not kind or _said(row) in kind)
        and (not who or row.line.who in who)
        and (words or "").lower() in f"{row.model} v{row.line.version} {row.line.why} {row.line.instead} {row.line.who}".lower()
    ]


def entries_card(left: Sequence[Row], every: int) -> Row | None:
    """The table to pick from; gives the picked row, else the newest."""
    note = "newest first" if len(left) == every else f"showing {len(left):,} of {count(every, 'entry', 'entries')}, newest first"
    with card("Entries", note, key="audit.entries"):
        if not left:
            empty("search_off", "No entry matches", "Take a filter away.")
            return None
        ids = [row.entry.id for row in left[:MOST]]
        asked = st.query_params.get("entry", "")
        chosen = ids.index(asked) if asked in ids else 0
        event: Any = st.dataframe(
            _table(left[:MOST]),
            hide_index=True,
            key="audit.table." + hashlib.sha256("|".join(ids).encode()).hexdigest()[:12],
            height="content" if len(left) <= 14 else 32 + 31 * 14 + 2,
            on_select="rerun",
            selection_mode="single-row-required",
            selection_default={"selection": {"rows": [chosen]}},
            column_config=_columns(),
            alt=f"{len(left)} ledger entries, newest first",
        )
        picked = event["selection"]["rows"]
        row = left[picked[0] if picked else chosen]
        st.query_params["entry"] = row.entry.id
        st.download_button(
            "Download as JSON",
            json.dumps([{"model": r.model, **as_json(r.entry, r.corrections)} for r in left], ensure_ascii=False, indent=2),
            "entries.json",
            "application/json",
            icon=":material/download:",
            key="audit.download",
            type="tertiary",
            on_click="ignore",
        )
        return row


def entry_card(row: Row) -> None:
    """One entry in full: what it says, by whom, on what evidence, and its hashes at the end."""
    body, line = row.entry.body, row.line
    with st.container(border=True, key="audit.entry"):
        head(f"Entry {line.place}", moment(line.at), (ENTRY, line.word))
        _said_in_full(line)
        told = {"Model": f"{md(row.model)} {version(line.version) if line.version else ''}"}
        told["By"] = md(line.who) + _how(row)
        if isinstance(body, Decided):
            told["Reason"] = CATEGORIES.get(body.reason.category, md(body.reason.category))
            told["Move"] = f"{chip(STAGE, body.from_)} → {chip(STAGE, body.to)}"
            told["Decided against"] = md(body.expected) if body.expected else "no guard"
        if isinstance(body, Closing) and body.displaced:
            told["Displaced"] = ", ".join(version(number) for number in body.displaced)
        if isinstance(body, Registered):
            told |= _lineage(body)
        if isinstance(body, Observed):
            told["Moved between"] = " and ".join(moment(as_time(at)) for at in body.window)
        facts(told | more_facts(body))
        if isinstance(body, Registered | Decided) and body.identity.run_id:
            link("Open the run it was made from", "run", icon="science", query={"run": body.identity.run_id})
        correct_button(row.model, row.entry, row.corrections)
        st.caption("Place, id, hash of the chain up to here")
        st.code(f"{line.place:06d} {row.entry.id} {row.entry.chain[:8]}…{row.entry.chain[-4:]}", language=None, wrap_lines=True)


def _said_in_full(line: Line) -> None:
    """What the entry says; what was corrected is struck through, with what is to be read instead beside it."""
    if not line.superseded_by:
        st.markdown(md(line.why))
        return
    st.markdown(f"~~{md(line.why.strip())}~~")
    places = ", ".join(map(str, line.superseded_by))
    st.markdown(f":material/edit: **{md(line.instead)}**  \n:gray[Superseded by entry {places}]")


def _lineage(body: Registered) -> dict[str, str]:
    """Where the version came from, as it was recorded."""
    came = body.lineage
    metrics = [
        f"{md(name)} {score(value) if isinstance(value, float) else md(value)}" for name, value in list(came.metrics.items())[:4]
    ]
    data = [f"{md(name)} {short(md(digest))}" for name, digest in came.data.items()]
    hashes = {"Commit": came.git_commit, "Model files": came.artifact, "Environment": came.environment}
    told = {"Run": md(came.run_name), "Measured": " · ".join(metrics), "Data": " · ".join(data)}
    told |= {name: short(md(value)) for name, value in hashes.items()} | {"Missing": md(came.missing)}
    return {name: value for name, value in told.items() if value}


def _how(row: Row) -> str:
    """How sure the name is; Podium itself and an unknown hand need no such word."""
    if row.entry.body.by in (PODIUM, UNKNOWN):
        return ""
    return f" :gray-badge[{'verified' if row.line.verified else 'typed, not verified'}]"


def _said(row: Row) -> str:
    return ENTRY[row.line.word][2] if row.line.word in ENTRY else "Other"


def _table(left: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": [row.line.place for row in left],
            "at": [row.line.at for row in left],
            "entry": [[_said(row)] for row in left],
            "model": [f"{row.model} v{row.line.version}" if row.line.version else row.model for row in left],
            "who": [row.line.who for row in left],
            "what": [_in_table(row.line) for row in left],
        }
    )


def _in_table(line: Line) -> str:
    """A cell has no strike-through: a corrected entry says so in words."""
    return f"Corrected by entry {line.superseded_by[-1]}: {line.instead}" if line.superseded_by else line.why


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "place": column.NumberColumn("#", width=40),
        "at": column.DatetimeColumn("When (UTC)", format="D MMM YYYY, HH:mm", width=122),
        "entry": column.MultiselectColumn("Entry", width=104, **pills(ENTRY)),
        "model": column.TextColumn("Model", width=118),
        "who": column.TextColumn("By", width=70),
        "what": column.TextColumn("What", width=190),
    }
