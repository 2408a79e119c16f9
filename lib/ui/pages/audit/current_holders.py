"""Who holds what at present, model by model with the age of each holding, and what the versions of one model measured over time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.charts.holdings_chart import bars, clickable, strip
from lib.ledger.charts.version_metric_chart import timeline
from lib.ledger.entry.vocabulary import PODIUM, SLOTS, UNKNOWN, Slot
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.time_query import When
from lib.ledger.queries.version_metrics import Point, metrics, points
from lib.ledger.state.imported_holdings import every_holding
from lib.registry.snapshot import Seen
from lib.runs.analysis.metric_direction import ARROWS, direction
from lib.ui.app.session import now
from lib.ui.components.badges import STAGE, pills
from lib.ui.components.chart_theme import ink
from lib.ui.components.formatting import count
from lib.ui.components.layout import card, empty
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.queries.registry import Registry

BOARD, VERSIONS, ENTRIES = "Now", "Versions", "Entries"
LANES = 20
"""How many models the strip shows."""
_OF = "audit.of"


def board(found: Registry) -> None:
    """Every model and stage: who holds it, since when, for how long, by whose decision. A click asks about that model above."""
    models = sorted(found.models, key=lambda seen: seen.model)
    with card("Who holds what now", _said(models), key="audit.board"):
        if not models:
            empty("deployed_code", "No model yet", "A model appears when a version is registered.")
            return
        lines = [line for seen in models for line in _lines(found, seen, now())]
        known, key = frozenset(found.records), "audit.board.table"
        st.dataframe(
            pd.DataFrame(lines),
            hide_index=True,
            key=key,
            on_select=partial(_asked, key, [str(line["model"]) for line in lines], known),
            selection_mode="single-row",
            column_config=_columns(),
            placeholder="",
            height="content" if len(lines) <= 14 else 32 + 31 * 14 + 2,
            alt=f"Holders of {len(models)} models by stage",
        )
        st.caption("Tick a line to ask about its model above.")
    _lanes(found, models)


def _lanes(found: Registry, models: Sequence[Seen]) -> None:
    """Who held Production over time, a lane per model; a click opens the entry by which a holding began."""
    states = {seen.model: found.records[seen.model] for seen in models if seen.model in found.records}
    held = [(m, h) for m, state in states.items() for h in every_holding(state.reading.entries) if h.slot == "production"]
    every = list(dict.fromkeys(model for model, _ in held))
    if not every:
        return
    lanes, key = every[:LANES], "audit.lanes"
    note = f"showing {LANES} of {len(every):,} models" if len(every) > LANES else "times in UTC"
    ids = {(m, e.place): e.id for m in lanes for e in states[m].reading.entries}
    with card("Who held Production", note, key="audit.lanes.card"):
        st.altair_chart(
            clickable(strip(bars([(m, h) for m, h in held if m in lanes], now()), ink(), lanes, 34)),
            key=key,
            alt=f"Production over time of {', '.join(lanes)}",
            on_select=partial(_bar, key, ids),
            selection_mode="holding",
        )


def versions(found: Registry, model: str) -> None:
    """The version timeline of a model: one metric at each registration, and who held Production behind it."""
    state = found.records.get(model)
    entries = state.reading.entries if state else ()
    known = metrics(entries)
    with card("What the versions measured", "times in UTC", key="audit.versions"):
        if not known:
            empty("timeline", "Nothing was measured", "Versions registered through Podium bring the metrics of their run along.")
            return
        metric = st.selectbox("Metric", known, key="audit.metric", bind="query-params", width=280, label_visibility="collapsed")
        shown = points(entries, metric or known[0])
        if shown:
            _drawn(model, metric or known[0], shown, entries)


def _drawn(model: str, metric: str, shown: Sequence[Point], entries: Sequence[Entry]) -> None:
    held = [one for one in every_holding(entries) if one.slot == "production"]
    key, arrow = "audit.timeline", ARROWS[direction(metric)]
    st.altair_chart(
        timeline(shown, held, ink(), now(), f"{model}: {metric} {arrow}".strip()),
        key=key,
        alt=f"{metric} of {count(len(shown), 'version')} of {model}: "
        + ", ".join(f"v{one.version} {one.value:.4f}" for one in shown),
        on_select=partial(_opened, key),
        selection_mode="version",
    )
    ways = sorted({one.how for one in shown if one.how})
    without = sum(one.low is None for one in shown)
    said = [f"Lines: {', '.join(ways)}."] if ways else []
    said += [f"{count(without, 'version')} without a known interval."] if without else []
    st.caption(" ".join([*said, "Bands: who held Production. Click a point for its entry."]))


def _opened(key: str) -> None:
    picked = st.session_state[key]["selection"].get("version") or []
    if picked and isinstance(picked[0].get("entry"), str):
        open_entry(picked[0]["entry"])


def _asked(key: str, shown: Sequence[str], known: Collection[str]) -> None:
    """Ask about the picked model in the box above; one without a record cannot be asked about."""
    picked = st.session_state[key]["selection"]["rows"]
    if picked and shown[picked[0]] in known:
        st.session_state[_OF] = shown[picked[0]]


def _said(models: Sequence[Seen]) -> str:
    held = sum(bool(seen.now["production"].holders) for seen in models)
    return f"{count(len(models), 'model')}, {held:,} in Production"


def _lines(found: Registry, seen: Seen, at: datetime) -> list[dict[str, Any]]:
    """A line for Production, held or not, and one for Staging where somebody stands there."""
    state = found.records.get(seen.model)
    entries = state.reading.entries if state else ()
    drifted = state.drift(seen.now) if state else ()
    slots = [slot for slot in SLOTS if slot == "production" or seen.now[slot].holders]
    return [
        {"model": seen.model, "stage": [SLOTS[slot]], **_held(seen, slot, entries, at)}
        | {"state": "moved outside" if slot in drifted else "" if state else _without(found, seen.model)}
        for slot in slots
    ]


def _without(found: Registry, model: str) -> str:
    return "book deleted" if model in found.lost else "book gone" if model in found.gone else "no record yet"


def _held(seen: Seen, slot: Slot, entries: Sequence[Entry], at: datetime) -> dict[str, Any]:
    """Who holds a slot, and since when and by whom as far as the record says so."""
    holders = seen.now[slot].holders
    told = as_of(entries, slot, When(at)).holders if holders else ()
    one = next((held for held in told if (held.version,) == holders), None)
    return {
        "version": " and ".join(f"v{number}" for number in holders) or "nobody",
        "since": one.since if one else None,
        "days": (at - one.since).total_seconds() / 86_400 if one else None,
        "by": one.by.name if one and one.by not in (PODIUM, UNKNOWN) else "",
    }


def _bar(key: str, ids: Mapping[tuple[str, int], str]) -> None:
    picked = st.session_state[key]["selection"].get("holding") or []
    if picked and (entry_id := ids.get((picked[0].get("lane", ""), picked[0].get("place", 0)))):
        open_entry(entry_id)


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "model": column.TextColumn("Model", width=150),
        "stage": column.MultiselectColumn("Stage", width=98, **pills(STAGE)),
        "version": column.TextColumn("Version", width=72),
        "since": column.DatetimeColumn("Since (UTC)", format="D MMM YYYY, HH:mm", width=126),
        "days": column.NumberColumn("Days", format="%.1f", width=60),
        "by": column.TextColumn("By", width=84),
        "state": column.TextColumn("State", width=90),
    }
