"""Overview cards for models: versions in Production, and the latest ledger entries.

All models are read in a few calls; reading also records changes that are not recorded yet (`queries.registry.load_registry`).
"""

from typing import Literal

import streamlit as st

from lib.backends.backend import Backend
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.queries.history import HistoryRow, history_rows, verify_names
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.model_status import ModelStatus
from lib.registry.snapshot import RegistrySnapshot
from lib.runs.analysis.metric_direction import order_metric_names
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.app.session import now, trusted_keys
from lib.ui.components.actor_name import actor_markdown
from lib.ui.components.badges import ENTRY_BADGES, HEALTH_BADGES, STAGE_BADGES, badge_markdown, chart_colors, icon_markdown
from lib.ui.components.drift_banner import show_drift_summary, show_unexplained_record
from lib.ui.components.formatting import escape, format_count, format_date, format_metric, format_time, version_label
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.overview.first_steps import show_first_steps
from lib.ui.queries.registry import LoadedRegistry, has_unexplained_record, load_registry, source_run

MAX_ROWS = 6
"""Maximum models and entries shown per card."""


def _setup_progress(backend: Backend) -> Literal["nothing", "registered", "in production"]:
    """Return the setup progress of a backend: the first steps are shown until a version is in Production."""
    models = load_registry(backend).models
    if any(snapshot.slot_states["production"].holders for snapshot in models):
        return "in production"
    return "registered" if any(snapshot.versions for snapshot in models) else "nothing"


def show_summary(backend: Backend) -> None:
    """Show the summary line below the title: models in Production, models changed outside Podium, and decisions to settle."""
    registry = load_registry(backend)
    if text := _summary_text(backend):
        st.markdown(f":gray[{text}]")
    show_drift_summary(registry)
    if _setup_progress(backend) == "registered":
        show_first_steps(3, lambda: switch_page("models"))


def _summary_text(backend: Backend) -> str:
    """Return how many models are in Production and how many were changed outside Podium; empty if there are none."""
    registry = load_registry(backend)
    champion_count = sum(bool(snapshot.slot_states["production"].holders) for snapshot in registry.models)
    drift_count = sum(bool(status.drifted_slots) for status in registry.statuses.values() if status.snapshot.created_at)
    drift_text = f" · {format_count(drift_count, 'model')} changed outside Podium" if drift_count else ""
    return f"{format_count(champion_count, 'model')} in Production{drift_text}" if champion_count else ""


def show_champions(backend: Backend) -> None:
    """Show the champion of each model, since when, its main metric and its state."""
    registry = load_registry(backend)
    models = [snapshot for snapshot in registry.models if snapshot.slot_states["production"].holders]
    if not models:
        return
    with card("In Production", _count_note(len(models), "models"), key="overview.production"):
        snapshots = models[:MAX_ROWS]
        holdings = [(snapshot.model, h) for snapshot in snapshots for h in _production_holdings(registry, snapshot)]
        if holdings:
            lanes = [snapshot.model for snapshot in snapshots]
            alt = f"Production over time of {', '.join(lanes)}"
            st.altair_chart(holdings_chart(bar_table(holdings, now()), chart_colors(), lanes, 34), key="overview.strip", alt=alt)
        show_table(
            [_champion_row(backend, registry, snapshot) for snapshot in snapshots],
            ["Model", "Champion", "Since", "Metric", "State"],
        )
        with st.container(horizontal=True, gap="small"):
            for snapshot in snapshots:
                page_link(f"Open {escape(snapshot.model)}", "models", icon="deployed_code", query={"model": snapshot.model})


def show_latest_entries(backend: Backend) -> None:
    """Show the newest entries of all books: type, model, version, actor and time."""
    states = load_registry(backend).states
    rows = [(model, row) for model, state in states.items() for row in history_rows(state)[:MAX_ROWS] if row.at]
    newest_rows = sorted(rows, key=lambda pair: (pair[1].at, pair[1].position), reverse=True)[:MAX_ROWS]
    with card(
        "Latest entries", _count_note(sum(state.book.head for state in states.values()), "entries"), key="overview.entries"
    ):
        if newest_rows:
            keys = trusted_keys()
            show_table([_entry_row(model, *verify_names([row], states[model].book, keys)) for model, row in newest_rows])
            page_link("Open Audit", "audit", icon="history")
            return
        if show_unexplained_record():
            return
        show_empty_state("history", "No entry yet", "Registering or moving a version creates the first entry.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Register a version", icon=":material/add_box:", key="overview.register"):
                switch_page("models")


def _count_note(count: int, noun: str) -> str:
    return f"showing {MAX_ROWS} of {count:,} {noun}" if count > MAX_ROWS else "all models"


def _production_holdings(registry: LoadedRegistry, snapshot: RegistrySnapshot) -> list[Holding]:
    state = registry.states.get(snapshot.model)
    return [h for h in all_holdings(state.book.entries) if h.slot == "production"] if state else []


def _champion_row(backend: Backend, registry: LoadedRegistry, snapshot: RegistrySnapshot) -> tuple[str, ...]:
    holders, holdings = snapshot.slot_states["production"].holders, _production_holdings(registry, snapshot)
    since = next((h.since for h in holdings if h.until is None and (h.version in holders or h.contenders)), None)
    champions = " ".join(badge_markdown(STAGE_BADGES, "Production", version_label(number)) for number in holders)
    return (
        f"**{escape(snapshot.model)}**",
        champions,
        format_date(since) or "before the ledger",
        _metric_text(backend, snapshot, holders),
        _state_text(backend, registry, snapshot),
    )


def _metric_text(backend: Backend, snapshot: RegistrySnapshot, holders: tuple[str, ...]) -> str:
    run = (
        source_run(backend, snapshot.versions[holders[0]].run_id)
        if len(holders) == 1 and holders[0] in snapshot.versions
        else None
    )
    names = order_metric_names(run.metrics) if run else []
    return f"{escape(names[0])} {format_metric(run.metrics[names[0]])}" if run and names else ""


def _state_text(backend: Backend, registry: LoadedRegistry, snapshot: RegistrySnapshot) -> str:
    """Return a short text on whether registry and ledger agree."""
    status = registry.statuses.get(snapshot.model)
    if snapshot.model in registry.deleted_books:
        return f"{icon_markdown(HEALTH_BADGES, 'broken')} its book was deleted"
    if snapshot.model in registry.missing_books:
        return f"{icon_markdown(HEALTH_BADGES, 'broken')} its book is gone"
    if status is not None:
        return _agreement_text(status)
    is_unclear = has_unexplained_record(backend)
    return f"{icon_markdown(HEALTH_BADGES, 'broken')} record unclear" if is_unclear else ":gray[no record yet]"


def _agreement_text(status: ModelStatus) -> str:
    """Return whether the registry matches the decisions, for a model with a record."""
    if len(status.snapshot.slot_states["production"].holders) > 1:
        return f"{icon_markdown(HEALTH_BADGES, 'warning')} several in Production"
    if status.drifted_slots:
        return f"{icon_markdown(HEALTH_BADGES, 'warning')} changed outside"
    if {intent.id for intent in status.state.open_intents} - status.in_flight:
        return f"{icon_markdown(HEALTH_BADGES, 'warning')} decision unfinished"
    return ":gray[move in progress]" if status.in_flight else f"{icon_markdown(HEALTH_BADGES, 'ok')} as decided"


def _entry_row(model: str, row: HistoryRow) -> tuple[str, ...]:
    text = f"**{escape(model)}** {version_label(row.version) if row.version else ''} {f'to {escape(row.to_stage)}' if row.to_stage else ''}"
    return badge_markdown(
        ENTRY_BADGES, row.badge
    ), f"{text}  \n:gray[{actor_markdown(row.actor_name, row.name_status)} · {format_time(row.at).removesuffix('UTC').strip()}]"
