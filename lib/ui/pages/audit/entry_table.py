"""The entries of all books as one table, newest first, to pick from; one of them in full.

The address carries the entry that is open. What the table leaves out is chosen in `audit_filters`; correcting stands in
`audit_correct`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.entry.types import Closing, Decided, Observed, Registered
from lib.ledger.entry.vocabulary import CATEGORIES, PODIUM, UNKNOWN, as_time
from lib.ledger.queries.history import Line
from lib.ui.app.routes import link
from lib.ui.components.badges import ENTRY, STAGE, chip, pills
from lib.ui.components.formatting import count, md, moment, score, short, version
from lib.ui.components.layout import card, empty, facts, head
from lib.ui.pages.audit.correction_dialog import correct_button
from lib.ui.pages.audit.downloads import downloads
from lib.ui.pages.audit.entry_details import more_facts
from lib.ui.pages.audit.entry_rows import Row, kind_of
from lib.ui.pages.audit.packet_button import entry_packet

MOST = 2_000
"""Rows of the table on one page: more make every click slow."""
OPENED, TURN = "audit.opened", "audit.turn"
"""The entry that was opened from elsewhere, and how often that happened: the table begins anew with it."""


def open_entry(entry_id: str) -> None:
    """Show this entry at the next run of the page, and pick it in the table where that has it. A callback: the address waits."""
    st.session_state[OPENED] = entry_id
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def opened(every: Sequence[Row]) -> Row | None:
    """The entry that was opened from a picture or a button, else the one that the address names; None for none."""
    asked = _asked()
    return next((row for row in every if row.entry.id == asked), None)


def say_when_unknown(every: Sequence[Row]) -> None:
    """A link may name an entry that no book here holds: then what is shown instead says so."""
    asked = _asked()
    if asked and opened(every) is None:
        st.warning(f"No book here has an entry {md(asked[:40])}. Here is the newest.", icon=":material/search_off:")


def remember(row: Row) -> None:
    """Put the entry into the address, at the end of a run: earlier the address would lose what later widgets keep there."""
    st.query_params["entry"] = row.entry.id


def _asked() -> str:
    return str(st.session_state.get(OPENED) or st.query_params.get("entry", ""))


def entries_card(left: Sequence[Row], every: Sequence[Row]) -> Row | None:
    """The table to pick from; gives the picked row, else the newest. An entry that was opened elsewhere needs no place in it."""
    with card("Entries", _note(len(left), len(every)), key="audit.entries"):
        if not left:
            empty("search_off", "No entry matches", "Take a filter away.")
            return opened(every) if OPENED in st.session_state else None
        first = _pager(left, _asked())
        row = _picked(left[first : first + MOST], _asked())
        downloads(left)
    return (opened(every) if OPENED in st.session_state else None) or row


def _note(left: int, every: int) -> str:
    return "newest first" if left == every else f"showing {left:,} of {count(every, 'entry', 'entries')}, newest first"


def _pager(left: Sequence[Row], asked: str) -> int:
    """The first row of the page that is shown: nothing to choose while all rows fit, else the page of the entry that was asked for."""
    if len(left) <= MOST:
        return 0
    ids = [row.entry.id for row in left]
    starts = list(range(0, len(left), MOST))
    said = {at: f"{at + 1:,} to {min(at + MOST, len(left)):,} of {len(left):,}" for at in starts}
    start = starts[ids.index(asked) // MOST] if asked in ids else 0
    key = f"audit.page.{hashlib.sha256('|'.join(ids).encode()).hexdigest()[:12]}"
    return st.selectbox("Rows", starts, starts.index(start), format_func=said.__getitem__, key=key, width=240)


def _picked(shown: Sequence[Row], asked: str) -> Row:
    ids = [row.entry.id for row in shown]
    chosen = ids.index(asked) if asked in ids else 0
    mark = "|".join([*ids, str(st.session_state.get(TURN, 0))])
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
    st.session_state.pop(OPENED, None)


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
        with st.container(horizontal=True, gap="small"):
            correct_button(row.model, row.entry, row.corrections)
            entry_packet(row.model, row.entry.id, line.place)
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


def _table(left: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": [row.line.place for row in left],
            "at": [row.line.at for row in left],
            "entry": [[kind_of(row)] for row in left],
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
