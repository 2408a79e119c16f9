"""Who holds what at present, model by model with the age of each holding, and what the versions of one model measured over time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart, make_clickable
from lib.ledger.charts.version_metric_chart import version_metric_chart
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, SLOTS, UNKNOWN_ACTOR, Slot
from lib.ledger.queries.as_of import as_of
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.queries.version_metrics import VersionMetric, metric_names, version_metrics
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.analysis.metric_direction import ARROWS, metric_direction
from lib.ui.app.session import now
from lib.ui.components.badges import STAGE_BADGES, badge_column_options, chart_colors
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import card, show_empty_state
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.queries.registry import LoadedRegistry

MAX_LANES = 20
"""How many models the strip shows."""
_OF = "audit.of"


def show_current_holders(registry: LoadedRegistry) -> None:
    """Every model and stage: who holds it, since when, for how long, by whose decision. A click asks about that model above."""
    models = sorted(registry.models, key=lambda seen: seen.model)
    with card("Who holds what now", _said(models), key="audit.board"):
        if not models:
            show_empty_state("deployed_code", "No model yet", "A model appears when a version is registered.")
            return
        lines = [line for seen in models for line in _lines(registry, seen, now())]
        known, key = frozenset(registry.states), "audit.board.table"
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
    _lanes(registry, models)


def _lanes(found: LoadedRegistry, models: Sequence[RegistrySnapshot]) -> None:
    """Who held Production over time, a lane per model; a click opens the entry by which a holding began."""
    states = {seen.model: found.states[seen.model] for seen in models if seen.model in found.states}
    held = [(m, h) for m, state in states.items() for h in all_holdings(state.book.entries) if h.slot == "production"]
    every = list(dict.fromkeys(model for model, _ in held))
    if not every:
        return
    lanes, key = every[:MAX_LANES], "audit.lanes"
    note = f"showing {MAX_LANES} of {len(every):,} models" if len(every) > MAX_LANES else "times in UTC"
    ids = {(m, e.position): e.id for m in lanes for e in states[m].book.entries}
    with card("Who held Production", note, key="audit.lanes.card"):
        st.altair_chart(
            make_clickable(holdings_chart(bar_table([(m, h) for m, h in held if m in lanes], now()), chart_colors(), lanes, 34)),
            key=key,
            alt=f"Production over time of {', '.join(lanes)}",
            on_select=partial(_bar, key, ids),
            selection_mode="holding",
        )


def show_version_metrics(registry: LoadedRegistry, model: str) -> None:
    """The version timeline of a model: one metric at each registration, and who held Production behind it."""
    state = registry.states.get(model)
    entries = state.book.entries if state else ()
    known = metric_names(entries)
    with card("What the versions measured", "times in UTC", key="audit.versions"):
        if not known:
            show_empty_state(
                "timeline", "Nothing was measured", "Versions registered through Podium bring the metrics of their run along."
            )
            return
        metric = st.selectbox("Metric", known, key="audit.metric", bind="query-params", width=280, label_visibility="collapsed")
        shown = version_metrics(entries, metric or known[0])
        if shown:
            _drawn(model, metric or known[0], shown, entries)


def _drawn(model: str, metric: str, shown: Sequence[VersionMetric], entries: Sequence[Entry]) -> None:
    held = [one for one in all_holdings(entries) if one.slot == "production"]
    key, arrow = "audit.timeline", ARROWS[metric_direction(metric)]
    st.altair_chart(
        version_metric_chart(shown, held, chart_colors(), now(), f"{model}: {metric} {arrow}".strip()),
        key=key,
        alt=f"{metric} of {format_count(len(shown), 'version')} of {model}: "
        + ", ".join(f"v{one.version} {one.value:.4f}" for one in shown),
        on_select=partial(_opened, key),
        selection_mode="version",
    )
    ways = sorted({one.interval_source for one in shown if one.interval_source})
    without = sum(one.low is None for one in shown)
    said = [f"Lines: {', '.join(ways)}."] if ways else []
    said += [f"{format_count(without, 'version')} without a known interval."] if without else []
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


def _said(models: Sequence[RegistrySnapshot]) -> str:
    held = sum(bool(seen.slot_states["production"].holders) for seen in models)
    return f"{format_count(len(models), 'model')}, {held:,} in Production"


def _lines(found: LoadedRegistry, seen: RegistrySnapshot, at: datetime) -> list[dict[str, Any]]:
    """A line for Production, held or not, and one for Staging where somebody stands there."""
    state = found.states.get(seen.model)
    entries = state.book.entries if state else ()
    drifted = state.drifted_slots(seen.slot_states) if state else ()
    slots = [slot for slot in SLOTS if slot == "production" or seen.slot_states[slot].holders]
    return [
        {"model": seen.model, "stage": [SLOTS[slot]], **_held(seen, slot, entries, at)}
        | {"state": "moved outside" if slot in drifted else "" if state else _without(found, seen.model)}
        for slot in slots
    ]


def _without(found: LoadedRegistry, model: str) -> str:
    return "book deleted" if model in found.deleted_books else "book gone" if model in found.missing_books else "no record yet"


def _held(seen: RegistrySnapshot, slot: Slot, entries: Sequence[Entry], at: datetime) -> dict[str, Any]:
    """Who holds a slot, and since when and by whom as far as the record says so."""
    holders = seen.slot_states[slot].holders
    told = as_of(entries, slot, TimeQuery(at)).holders if holders else ()
    one = next((held for held in told if (held.version,) == holders), None)
    return {
        "version": " and ".join(f"v{number}" for number in holders) or "nobody",
        "since": one.since if one else None,
        "days": (at - one.since).total_seconds() / 86_400 if one else None,
        "by": one.actor.name if one and one.actor not in (PODIUM_ACTOR, UNKNOWN_ACTOR) else "",
    }


def _bar(key: str, ids: Mapping[tuple[str, int], str]) -> None:
    picked = st.session_state[key]["selection"].get("holding") or []
    if picked and (entry_id := ids.get((picked[0].get("lane", ""), picked[0].get("place", 0)))):
        open_entry(entry_id)


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "model": column.TextColumn("Model", width=150),
        "stage": column.MultiselectColumn("Stage", width=98, **badge_column_options(STAGE_BADGES)),
        "version": column.TextColumn("Version", width=72),
        "since": column.DatetimeColumn("Since (UTC)", format="D MMM YYYY, HH:mm", width=126),
        "days": column.NumberColumn("Days", format="%.1f", width=60),
        "by": column.TextColumn("By", width=84),
        "state": column.TextColumn("State", width=90),
    }
