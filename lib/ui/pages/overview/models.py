"""The cards of Overview that speak of models: who is in Production, and the latest entries of the ledger.

All models are read in a few calls; what nobody recorded is written down by the reading (`models_reads.registry`).
"""

from typing import Literal

import streamlit as st

from lib.backends.backend import Backend
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.snapshot import RegistrySnapshot
from lib.ui.app.routes import page_link, switch_page
from lib.ui.app.session import now
from lib.ui.components.badges import ENTRY_BADGES, HEALTH_BADGES, STAGE_BADGES, badge_markdown, chart_colors, icon_markdown
from lib.ui.components.drift_banner import show_drift_summary
from lib.ui.components.formatting import escape, format_count, format_date, format_metric, format_time, version_label
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.overview.first_steps import show_first_steps
from lib.ui.queries.registry import LoadedRegistry, load_registry, source_run

MAX_ROWS = 6
"""How many models and entries the cards show."""


def _setup_progress(backend: Backend) -> Literal["nothing", "registered", "in production"]:
    """How far the models of a backend have come: the steps are drawn until the first one is in Production."""
    models = load_registry(backend).models
    if any(seen.slot_states["production"].holders for seen in models):
        return "in production"
    return "registered" if any(seen.versions for seen in models) else "nothing"


def show_summary(backend: Backend) -> None:
    """The answer first, under the title: how many models are in Production, how many were moved outside, and what to settle."""
    found = load_registry(backend)
    if said := _summary_text(backend):
        st.markdown(f":gray[{said}]")
    show_drift_summary(found)
    if _setup_progress(backend) == "registered":
        show_first_steps(3, lambda: switch_page("models"))


def _summary_text(backend: Backend) -> str:
    """How many models are in Production, and how many were moved outside; empty before there is one."""
    found = load_registry(backend)
    held = sum(bool(seen.slot_states["production"].holders) for seen in found.models)
    drifted = sum(bool(state.drifted_slots(seen.slot_states)) for seen in found.models if (state := found.states.get(seen.model)))
    outside = f" · {format_count(drifted, 'model')} moved outside Podium" if drifted else ""
    return f"{format_count(held, 'model')} in Production{outside}" if held else ""


def show_champions(backend: Backend) -> None:
    """The champion of each model, since when, and how it measured."""
    found = load_registry(backend)
    models = [seen for seen in found.models if seen.slot_states["production"].holders]
    if not models:
        return
    with card("In Production", _more(len(models), "models"), key="overview.production"):
        shown = models[:MAX_ROWS]
        held = [(seen.model, h) for seen in shown for h in _production(found, seen)]
        if held:
            lanes = [seen.model for seen in shown]
            said = f"Production over time of {', '.join(lanes)}"
            st.altair_chart(holdings_chart(bar_table(held, now()), chart_colors(), lanes, 34), key="overview.strip", alt=said)
        show_table([_champion(backend, found, seen) for seen in shown], ["Model", "Champion", "Since", "Measured", "State"])
        with st.container(horizontal=True, gap="small"):
            for seen in shown:
                page_link(f"Open {escape(seen.model)}", "models", icon="deployed_code", query={"model": seen.model})


def show_latest_entries(backend: Backend) -> None:
    """The newest entries of all books: when, what, which version, who."""
    records = load_registry(backend).states
    told = [(model, line) for model, state in records.items() for line in history_rows(state)[:MAX_ROWS] if line.at]
    newest = sorted(told, key=lambda pair: (pair[1].at, pair[1].position), reverse=True)[:MAX_ROWS]
    with card("Latest entries", _more(sum(state.book.head for state in records.values()), "entries"), key="overview.entries"):
        if newest:
            show_table([_entry(model, line) for model, line in newest])
            page_link("Open the audit", "audit", icon="history")
            return
        show_empty_state("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Register a version", icon=":material/add_box:", key="overview.register"):
                switch_page("models")


def _more(number: int, what: str) -> str:
    return f"showing {MAX_ROWS} of {number:,} {what}" if number > MAX_ROWS else "all models"


def _production(found: LoadedRegistry, seen: RegistrySnapshot) -> list[Holding]:
    state = found.states.get(seen.model)
    return [h for h in all_holdings(state.book.entries) if h.slot == "production"] if state else []


def _champion(backend: Backend, found: LoadedRegistry, seen: RegistrySnapshot) -> tuple[str, ...]:
    holders, held = seen.slot_states["production"].holders, _production(found, seen)
    since = next((h.since for h in held if h.until is None and h.version in holders), None)
    champions = " ".join(badge_markdown(STAGE_BADGES, "Production", version_label(number)) for number in holders)
    return (
        f"**{escape(seen.model)}**",
        champions,
        format_date(since) or "before the record",
        _measured(backend, seen, holders),
        _state(found, seen),
    )


def _measured(backend: Backend, seen: RegistrySnapshot, holders: tuple[str, ...]) -> str:
    run = source_run(backend, seen.versions[holders[0]].run_id) if len(holders) == 1 and holders[0] in seen.versions else None
    first = sorted(run.metrics.items(), key=lambda metric: (metric[0] not in ("accuracy", "auc"), metric[0])) if run else []
    return f"{escape(first[0][0])} {format_metric(first[0][1])}" if first else ""


def _state(found: LoadedRegistry, seen: RegistrySnapshot) -> str:
    """Whether registry and ledger agree, in a word."""
    state = found.states.get(seen.model)
    if seen.model in found.deleted_books:
        return f"{icon_markdown(HEALTH_BADGES, 'broken')} its book was deleted"
    if seen.model in found.missing_books:
        return f"{icon_markdown(HEALTH_BADGES, 'broken')} its book is gone"
    if state is None:
        return ":gray[no record yet]"
    if state.open_intents:
        return ":gray[a move is under way]"
    drifted = state.drifted_slots(seen.slot_states)
    return (
        f"{icon_markdown(HEALTH_BADGES, 'warning')} moved outside"
        if drifted
        else f"{icon_markdown(HEALTH_BADGES, 'ok')} as decided"
    )


def _entry(model: str, line: HistoryRow) -> tuple[str, ...]:
    what = f"**{escape(model)}** {version_label(line.version) if line.version else ''} {f'to {escape(line.to_stage)}' if line.to_stage else ''}"
    return badge_markdown(
        ENTRY_BADGES, line.badge
    ), f"{what}  \n:gray[{escape(line.actor_name)} · {format_time(line.at).removesuffix('UTC').strip()}]"
