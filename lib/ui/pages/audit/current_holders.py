"""Current stage holders by model with the age of each holding, and one model's metrics across versions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.chain.hash_chain import Entry
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart, make_clickable
from lib.ledger.charts.version_metric_chart import version_metric_chart
from lib.ledger.entry.vocabulary import PODIUM_ACTOR, SLOTS, UNKNOWN_ACTOR, Slot
from lib.ledger.queries.as_of import Holder, as_of, verify_holders
from lib.ledger.queries.time_query import TimeQuery
from lib.ledger.queries.version_metrics import VersionMetric, metric_names, version_metrics
from lib.ledger.state.imported_holdings import all_holdings
from lib.ledger.state.replay import BookState
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.analysis.metric_direction import SYSTEM_PREFIX, direction_by_name, title_with_arrow
from lib.ui.app.session import current_backend, now, trusted_keys
from lib.ui.components.badges import STAGE_BADGES, badge_column_options, chart_colors
from lib.ui.components.data_table import table_height
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import card, show_empty_state
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.queries.registry import LoadedRegistry, has_unexplained_record

MAX_LANES = 20
"""Maximum number of models in the chart."""
_AS_OF_MODEL_KEY = "audit.of"


def show_current_holders(registry: LoadedRegistry) -> None:
    """Show who holds each stage of each model, since when, for how many days, and by whose decision; selecting a row queries that model."""
    models = sorted(registry.models, key=lambda snapshot: snapshot.model)
    with card("Current stage holders", _note_text(models), key="audit.board"):
        if not models:
            show_empty_state("deployed_code", "No models yet", "Register a version to create the first model.")
            return
        keys = trusted_keys()
        rows = [row for snapshot in models for row in _holder_rows(registry, snapshot, now(), keys)]
        recorded_models, key = frozenset(registry.states), "audit.board.table"
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            key=key,
            on_select=partial(_select_as_of_model, key, [str(row["model"]) for row in rows], recorded_models),
            selection_mode="single-row",
            column_config=_column_config(),
            placeholder="",
            height=table_height(len(rows), max_rows=14),
            alt=f"Holders of {len(models)} models by stage",
        )
        st.caption("Select a row to look up that model above.")
    _show_lanes(registry, models)


def _show_lanes(registry: LoadedRegistry, models: Sequence[RegistrySnapshot]) -> None:
    """Show who held Production over time, one lane per model; a click opens the entry that began the holding."""
    states = {snapshot.model: registry.states[snapshot.model] for snapshot in models if snapshot.model in registry.states}
    holdings = [(model, h) for model, state in states.items() for h in all_holdings(state.book.entries) if h.slot == "production"]
    lanes = list(dict.fromkeys(model for model, _ in holdings))
    if not lanes:
        return
    shown_lanes, key = lanes[:MAX_LANES], "audit.lanes"
    note = f"showing {MAX_LANES} of {len(lanes):,} models" if len(lanes) > MAX_LANES else "times in UTC"
    ids = {(model, entry.position): entry.id for model in shown_lanes for entry in states[model].book.entries}
    with card("Production holders over time", note, key="audit.lanes.card"):
        st.altair_chart(
            make_clickable(
                holdings_chart(
                    bar_table([(model, h) for model, h in holdings if model in shown_lanes], now()),
                    chart_colors(),
                    shown_lanes,
                    34,
                )
            ),
            key=key,
            alt=f"Production over time of {', '.join(shown_lanes)}",
            on_select=partial(_open_selected_holding, key, ids),
            selection_mode="holding",
        )


def show_version_metrics(registry: LoadedRegistry, model: str) -> None:
    """Show a metric at each version's registration, over the periods in Production."""
    state = registry.states.get(model)
    entries = state.book.entries if state else ()
    names = sorted(metric_names(entries), key=lambda name: name.startswith(SYSTEM_PREFIX))
    with card("Metrics by version", "times in UTC", key="audit.versions"):
        if not names:
            show_empty_state("timeline", "No metrics recorded", "Versions registered through Podium include their run's metrics.")
            return
        metric = st.selectbox("Metric", names, key="audit.metric", bind="query-params", width=280, label_visibility="collapsed")
        points = version_metrics(entries, metric or names[0])
        if points:
            _show_metric_chart(model, metric or names[0], points, entries)


def _show_metric_chart(model: str, metric: str, points: Sequence[VersionMetric], entries: Sequence[Entry]) -> None:
    holdings = [h for h in all_holdings(entries) if h.slot == "production"]
    key, title = "audit.timeline", title_with_arrow(metric, direction_by_name(metric))
    st.altair_chart(
        version_metric_chart(points, holdings, chart_colors(), now(), f"{model}: {title}"),
        key=key,
        alt=f"{metric} of {format_count(len(points), 'version')} of {model}: "
        + ", ".join(f"v{point.version} {point.value:.4f}" for point in points),
        on_select=partial(_open_selected_version, key),
        selection_mode="version",
    )
    interval_sources = sorted({point.interval_source for point in points if point.interval_source})
    without_interval = sum(point.low is None for point in points)
    notes = [f"Lines: {', '.join(interval_sources)}."] if interval_sources else []
    notes += [f"{format_count(without_interval, 'version')} without a known interval."] if without_interval else []
    st.caption(" ".join([*notes, "Bands: version in Production. Click a point to open its entry."]))


def _open_selected_version(key: str) -> None:
    selection = st.session_state[key]["selection"].get("version") or []
    if selection and isinstance(selection[0].get("entry"), str):
        open_entry(selection[0]["entry"])


def _select_as_of_model(key: str, models: Sequence[str], recorded_models: Collection[str]) -> None:
    """Query the selected model in the as-of box; a model without a record cannot be queried."""
    selected_rows = st.session_state[key]["selection"]["rows"]
    if selected_rows and models[selected_rows[0]] in recorded_models:
        st.session_state[_AS_OF_MODEL_KEY] = models[selected_rows[0]]


def _note_text(models: Sequence[RegistrySnapshot]) -> str:
    champion_count = sum(bool(snapshot.slot_states["production"].holders) for snapshot in models)
    return f"{format_count(len(models), 'model')}, {champion_count:,} in Production"


def _holder_rows(registry: LoadedRegistry, snapshot: RegistrySnapshot, at: datetime, keys: TrustedKeys) -> list[dict[str, Any]]:
    """Return a row for Production, held or empty, and one for Staging if it is held."""
    state = registry.states.get(snapshot.model)
    status = registry.statuses.get(snapshot.model)
    drifted_slots = status.drifted_slots if status else ()
    slots = [slot for slot in SLOTS if slot == "production" or snapshot.slot_states[slot].holders]
    return [
        {
            "model": snapshot.model,
            "stage": [SLOTS[slot]],
            **_holder_cells(
                snapshot, _find_holders(state, slot, at, keys) if snapshot.slot_states[slot].holders else (), slot, at
            ),
        }
        | {
            "state": "changed outside"
            if slot in drifted_slots
            else ""
            if state
            else _missing_record_text(registry, snapshot.model)
        }
        for slot in slots
    ]


def _missing_record_text(registry: LoadedRegistry, model: str) -> str:
    if model in registry.deleted_books:
        return "book deleted"
    if model in registry.missing_books:
        return "book missing"
    return "record unclear" if has_unexplained_record(current_backend()) else "no record yet"


def _find_holders(state: BookState | None, slot: Slot, at: datetime, keys: TrustedKeys) -> tuple[Holder, ...]:
    """Return the holders of a slot according to the record."""
    return verify_holders(as_of(state.book.entries, slot, TimeQuery(at)), state.book, keys).holders if state else ()


def _holder_cells(snapshot: RegistrySnapshot, known_holders: Sequence[Holder], slot: Slot, at: datetime) -> dict[str, Any]:
    """Return the cells for a slot's holder, and since when and by whom if recorded."""
    holders = snapshot.slot_states[slot].holders
    holder = next((holder for holder in known_holders if (holder.version,) == holders), None)
    return {
        "version": " and ".join(f"v{number}" for number in holders) or "none",
        "since": holder.since if holder else None,
        "days": (at - holder.since).total_seconds() / 86_400 if holder else None,
        "by": holder.displayed_name if holder and holder.actor not in (PODIUM_ACTOR, UNKNOWN_ACTOR) else "",
    }


def _open_selected_holding(key: str, ids: Mapping[tuple[str, int], str]) -> None:
    selection = st.session_state[key]["selection"].get("holding") or []
    if selection and (entry_id := ids.get((selection[0].get("lane", ""), selection[0].get("place", 0)))):
        open_entry(entry_id)


def _column_config() -> dict[str, Any]:
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
