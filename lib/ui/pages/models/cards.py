"""Cards of the Models page: stage holders over time, the selected version, and its history."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.errors import NoAnswer
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.queries.history import HistoryRow, history_rows, verify_names
from lib.ledger.state.holdings import Holding, recorded_holdings
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.code_snippets import load_model_snippet
from lib.registry.drift import find_drifts
from lib.registry.move_plan import MoveRequest
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot, require_version
from lib.text import format_day
from lib.theme import ChartColors
from lib.ui.app.page_links import page_link, switch_page
from lib.ui.app.session import current_backend, now, trusted_keys
from lib.ui.components.actor_name import actor_markdown
from lib.ui.components.badges import ENTRY_BADGES, STAGE_BADGES, badge_markdown, icon_markdown
from lib.ui.components.formatting import (
    NBSP,
    escape,
    format_count,
    format_date,
    format_metric,
    format_recent_age,
    format_time,
    version_label,
)
from lib.ui.components.layout import card, show_card_header, show_empty_state, show_facts, show_table
from lib.ui.components.markdown_subset import first_line, safe_markdown
from lib.ui.components.write_access import disabled_kwargs, show_missing_permission
from lib.ui.pages.models import move_dialogs
from lib.ui.pages.models.version_table import rank_names, read_source_runs
from lib.ui.queries.registry import LoadedModelStatus, cached_rollback_target, source_run

MAX_HISTORY_ROWS = 100
"""Maximum number of entries shown in the history."""


def show_holdings_chart(cached_status: LoadedModelStatus, colors: ChartColors) -> None:
    """Show which version held which stage over time."""
    holdings = all_holdings(cached_status.status.state.book.entries)
    with card("Stage holders over time", "times in UTC", key="models.strip"):
        if not holdings:
            show_empty_state("trophy", "No version has held a stage yet", "Choose a version below and move it, with a reason.")
            return
        lanes = list(SLOTS.values())
        bars = bar_table([(SLOTS[h.slot], h) for h in holdings], now())
        st.altair_chart(holdings_chart(bars, colors, lanes), key="models.strip.chart", alt=_holdings_text(holdings))
        for holding in holdings:
            if holding.contenders and holding.until is None:
                st.caption(
                    f":orange[:material/help: {holding.holder_text}] have been in {SLOTS[holding.slot]} together since {format_time(holding.since)},"
                    " and no decision says which one counts. The next move to that stage replaces them."
                )


def _holdings_text(holdings: tuple[Holding, ...]) -> str:
    parts = [f"{h.holder_text} in {SLOTS[h.slot]} since {format_day(h.since)}" for h in holdings if h.until is None]
    return f"{len(holdings)} holdings; now {', '.join(parts) or 'none'}"


def selected_version(cached_status: LoadedModelStatus, requested_version: str) -> str:
    """Return the version to show: the one in the URL, else the holder of Production, else the newest."""
    snapshot = cached_status.status.snapshot
    holders = [number for number in snapshot.slot_states["production"].holders if number in snapshot.versions]
    return requested_version if requested_version in snapshot.versions else next(iter(holders), next(iter(snapshot.versions)))


def show_version(cached_status: LoadedModelStatus, number: str) -> None:
    """Show the selected version: its facts and the available actions."""
    snapshot = cached_status.status.snapshot
    version = require_version(snapshot, number)
    with st.container(border=True, key="models.version"):
        show_card_header(version_label(number), "", (STAGE_BADGES, version.stage))
        if version.description:
            st.markdown(safe_markdown(version.description))
        show_facts(_facts(cached_status, version))
        if source_run(current_backend(), version.run_id):
            page_link("Open run", "run", icon="science", query={"run": version.run_id})
        _show_actions(cached_status, version)
        _show_load_snippet(snapshot, version)


def _facts(cached_status: LoadedModelStatus, version: VersionSnapshot) -> dict[str, str]:
    run = source_run(current_backend(), version.run_id)
    facts: dict[str, str] = {}
    holdings = [
        h for h in all_holdings(cached_status.status.state.book.entries) if h.version == version.number and h.slot == "production"
    ]
    if holdings:
        facts["Production"] = ", ".join(_holding_text(h) for h in _join_holdings(holdings)[-3:])
    if run:
        runs = list(read_source_runs(cached_status.status.snapshot, current_backend()).values())
        metrics, params = rank_names([run.metrics for run in runs]), rank_names([run.params for run in runs])
        facts["Run"] = f"{escape(run.name)} :gray[{run.run_id[:8]}]"
        facts["Metrics"] = (
            " · ".join([f"{escape(name)} {format_metric(run.metrics[name])}" for name in metrics if name in run.metrics][:6])
            or "none"
        )
        facts["Parameters"] = (
            " · ".join([f"{escape(name)} {escape(run.params[name])}" for name in params if name in run.params][:4]) or "none"
        )
    others = cached_status.status.snapshot.other_aliases(version.number)
    if others:
        facts["Other aliases"] = ", ".join(escape(alias) for alias in others)
    facts["Created"] = format_time(pd.Timestamp(version.created_at).to_pydatetime())
    return facts


def _join_holdings(holdings: Sequence[Holding]) -> list[Holding]:
    """Join an imported holding with the recorded one that continues it."""
    joined_holdings = list[Holding]()
    for holding in holdings:
        continues = bool(joined_holdings) and joined_holdings[-1].until == holding.since
        joined_holdings = (
            [*joined_holdings[:-1], replace(joined_holdings[-1], until=holding.until)]
            if continues
            else [*joined_holdings, holding]
        )
    return joined_holdings


def _holding_text(holding: Holding) -> str:
    """Return start and end, with the time of day if the holding lasted a day or less."""
    until = holding.until or now()
    format_end = format_date if until - holding.since > timedelta(days=1) else format_time
    return f"{format_end(holding.since)} to {format_end(holding.until) if holding.until else 'now'}"


def _show_actions(cached_status: LoadedModelStatus, version: VersionSnapshot) -> None:
    """Show the action buttons, at most one of them primary; each opens a preview."""
    if cached_status.can_write and find_drifts(cached_status.status):
        st.caption("Resolve the external change above first.")
        return
    past_champions = {
        h.version for h in recorded_holdings(cached_status.status.state.current_life_entries) if h.slot == "production"
    }
    was_champion = (
        version.number in past_champions and version.number not in cached_status.status.snapshot.slot_states["production"].holders
    )
    if was_champion:
        _move_button(cached_status, version, f"Roll back to {version_label(version.number)}", ("undo", "Production", "roll_back"))
    elif version.stage != "Production" or not _is_champion(cached_status, version):
        _move_button(cached_status, version, "Move to Production", ("trophy", "Production", "promote"))
    with st.container(horizontal=True, gap="small"):
        if version.stage != "Staging":
            _move_button(cached_status, version, "Move to Staging", ("stairs", "Staging", "promote"))
        if version.stage != "Archived":
            _move_button(cached_status, version, "Archive", ("inventory_2", "Archived", "archive"))
    if cached_status.write_error:
        show_missing_permission(cached_status.write_error)
    else:
        st.caption("Opens a preview. Nothing changes until you confirm.")


def _move_button(cached_status: LoadedModelStatus, version: VersionSnapshot, label: str, action: tuple[str, Any, Any]) -> None:
    icon, to_stage, kind = action
    st.button(
        label,
        key=f"models.{kind}.{to_stage}",
        icon=f":material/{icon}:",
        type="primary" if to_stage == "Production" else "secondary",
        width="stretch",
        on_click=move_dialogs.open_move_dialog,
        args=(cached_status, MoveRequest(cached_status.status.snapshot.model, version.number, to_stage, kind)),
        **disabled_kwargs(cached_status.disabled_reason),
    )


def _is_champion(cached_status: LoadedModelStatus, version: VersionSnapshot) -> bool:
    return (
        cached_status.status.snapshot.slot_states["production"].holders == (version.number,)
        and cached_status.status.snapshot.slot_states["production"].alias is not None
    )


def _show_load_snippet(snapshot: RegistrySnapshot, version: VersionSnapshot) -> None:
    slot = next((alias for alias in SLOTS if snapshot.slot_states[alias].alias == version.number), None)
    reference = f"@{slot}" if snapshot.has_aliases else f"/{version.stage}"
    address = f"models:/{snapshot.model}{reference if slot else f'/{version.number}'}"
    with st.popover("How do I load it?", icon=":material/content_copy:"):
        st.code(address, language=None)
        st.code(load_model_snippet(current_backend().uri, address), language="python")
        pointer = "alias" if snapshot.has_aliases else "stage"
        st.caption(f"Follows the {pointer}: loads the version that holds it." if slot else "Always loads this exact version.")


def show_history(cached_status: LoadedModelStatus, number: str) -> None:
    """Show who moved what, when and why, for the selected version or the entire model."""
    state = cached_status.status.state
    with card("History", format_count(len(state.book.entries), "ledger entry", "ledger entries"), key="models.history"):
        selection = st.segmented_control(
            "Entries",
            [version_label(number), "All versions"],
            default=version_label(number),
            required=True,
            key="models.of",
            label_visibility="collapsed",
        )
        rows = history_rows(state, number if selection == version_label(number) else "")
        if not rows or cached_status.status.book_id == "":
            show_empty_state("history", "No entries yet", "Register or move a version to create the first entry.")
            return
        headings = ["When (UTC)", "Entry", "Version", f"From{NBSP}→{NBSP}to", "Why", "By"]
        hidden_columns = {2} if selection == version_label(number) else set()
        shown_rows = verify_names(rows[:MAX_HISTORY_ROWS], state.book, trusted_keys())
        cells = [_history_cells(history_row) for history_row in shown_rows]
        show_table([_without_columns(row, hidden_columns) for row in cells], _without_columns(headings, hidden_columns))
        limit_note = f"Showing {MAX_HISTORY_ROWS} of {len(rows):,} entries. " if len(rows) > MAX_HISTORY_ROWS else ""
        st.caption(f"{limit_note}Names are as typed, and unverified unless marked with a tick.")


def _without_columns(cells: Sequence[str], hidden_columns: Collection[int]) -> tuple[str, ...]:
    """Drop the hidden columns, for example the version when all rows belong to one."""
    return tuple(cell for n, cell in enumerate(cells) if n not in hidden_columns)


def _history_cells(row: HistoryRow) -> tuple[str, ...]:
    stage = (
        f"{icon_markdown(STAGE_BADGES, row.from_stage)}{NBSP}→{NBSP}{icon_markdown(STAGE_BADGES, row.to_stage)}"
        if row.to_stage and row.from_stage in STAGE_BADGES
        else ""
    )
    time = format_time(row.at).removesuffix("UTC").strip()
    return (
        f":gray[{time}]",
        badge_markdown(ENTRY_BADGES, row.badge),
        version_label(row.version) if row.version else "",
        stage,
        _summary_text(row),
        actor_markdown(row.actor_name, row.name_status),
    )


def _summary_text(row: HistoryRow) -> str:
    """Return the summary of an entry; a corrected one is struck through and followed by its correction."""
    if not row.correction_positions:
        return escape(row.summary)
    return f"~~{escape(row.summary.strip())}~~ {escape(row.corrected_summary)} :gray[(entry {row.correction_positions[-1]})]"


def show_model_menu(names: tuple[str, ...], model: str) -> None:
    """Show a menu of the other models."""
    others = [name for name in names if name != model]
    if others:
        selected_model = st.menu_button(
            "Other models", others, format_func=escape, key="models.other", icon=":material/deployed_code:"
        )
        if selected_model:
            switch_page("models", model=selected_model)


def header_note(cached_status: LoadedModelStatus) -> str:
    """Return the line below the title: description, counts, rollback target, and age of the data."""
    status = cached_status.status
    facts = [
        escape(first_line(status.snapshot.description)),
        format_count(len(status.snapshot.versions), "version"),
        format_count(status.state.book.head if status.book_id else 0, "ledger entry", "ledger entries"),
        _rollback_text(cached_status),
        f"read {format_recent_age(cached_status.read_at, now())}",
    ]
    return " · ".join(fact for fact in facts if fact)


def show_description(cached_status: LoadedModelStatus) -> None:
    """Show the model's description if it is longer than the line in the header."""
    description = cached_status.status.snapshot.description.strip()
    if description and description != first_line(description):
        with card("About", key="models.about"):
            st.markdown(safe_markdown(description))


def _rollback_text(cached_status: LoadedModelStatus) -> str:
    status = cached_status.status
    if not status.snapshot.slot_states["production"].holders:
        return ""
    try:
        target = cached_rollback_target(current_backend(), status.snapshot.model, status.state.book.head)
    except NoAnswer:
        return "rollback target unknown: server not responding"
    return f"rollback target: {version_label(target)}" if target else "no rollback target yet"
