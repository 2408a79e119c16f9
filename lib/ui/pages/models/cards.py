"""The cards of the Models page: who held which stage, the versions, the chosen one, and its history."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.charts.holdings_chart import bar_table, holdings_chart
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.queries.history import HistoryRow, history_rows
from lib.ledger.state.holdings import Holding, recorded_holdings
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.code_snippets import load_model_snippet
from lib.registry.drift import find_drifts
from lib.registry.promote import require_version
from lib.registry.snapshot import RegistrySnapshot, VersionSnapshot
from lib.theme import ChartColors
from lib.ui.app.routes import page_link, switch_page
from lib.ui.app.session import current_backend, now
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
from lib.ui.components.write_access import disabled_kwargs, show_missing_permission
from lib.ui.pages.models import move_dialogs
from lib.ui.pages.models.version_table import rank_names, read_source_runs
from lib.ui.queries.registry import LoadedModelStatus, cached_rollback_target, source_run


def show_holdings_chart(cached_status: LoadedModelStatus, colors: ChartColors) -> None:
    """Who held which stage, over time."""
    held = all_holdings(cached_status.status.state.book.entries)
    with card("Who held which stage", "times in UTC", key="models.strip"):
        if not held:
            show_empty_state("trophy", "Nobody has held a stage yet", "Choose a version below and move it, with a reason.")
            return
        lanes = list(SLOTS.values())
        drawn = bar_table([(SLOTS[h.slot], h) for h in held], now())
        st.altair_chart(holdings_chart(drawn, colors, lanes), key="models.strip.chart", alt=_strip_said(held))


def _strip_said(held: tuple[Holding, ...]) -> str:
    parts = [f"v{h.version or ' unknown'} in {SLOTS[h.slot]} since {h.since:%-d %b %Y}" for h in held if h.until is None]
    return f"{len(held)} holdings; now {', '.join(parts) or 'nobody'}"


def show_version(cached_status: LoadedModelStatus, number: str) -> None:
    """The chosen version: what it is, what can be done with it."""
    seen = cached_status.status.snapshot
    chosen = require_version(seen, number)
    with st.container(border=True, key="models.version"):
        show_card_header(version_label(number), "", (STAGE_BADGES, chosen.stage))
        show_facts(_facts(cached_status, chosen))
        if source_run(current_backend(), chosen.run_id):
            page_link("Open its run", "run", icon="science", query={"run": chosen.run_id})
        _actions(cached_status, chosen)
        _load(seen, chosen)


def _facts(sight: LoadedModelStatus, chosen: VersionSnapshot) -> dict[str, str]:
    run = source_run(current_backend(), chosen.run_id)
    told = {"About": escape(chosen.description)} if chosen.description else {}
    held = [h for h in all_holdings(sight.status.state.book.entries) if h.version == chosen.number and h.slot == "production"]
    if held:
        told["Production"] = ", ".join(_held(h) for h in _joined(held)[-3:])
    if run:
        runs = list(read_source_runs(sight.status.snapshot, current_backend()).values())
        metrics, params = rank_names([one.metrics for one in runs]), rank_names([one.params for one in runs])
        told["Run"] = f"{escape(run.name)} :gray[{run.run_id[:8]}]"
        told["Measured"] = (
            " · ".join([f"{escape(name)} {format_metric(run.metrics[name])}" for name in metrics if name in run.metrics][:6])
            or "nothing"
        )
        told["Parameters"] = (
            " · ".join([f"{escape(name)} {escape(run.params[name])}" for name in params if name in run.params][:4]) or "none"
        )
    others = sight.status.snapshot.other_aliases(chosen.number)
    if others:
        told["Other aliases"] = ", ".join(escape(alias) for alias in others)
    told["Created"] = format_time(pd.Timestamp(chosen.created_at).to_pydatetime())
    return told


def _joined(held: Sequence[Holding]) -> list[Holding]:
    """What was imported up to the beginning of the record, and goes on in it, is one holding."""
    joined = list[Holding]()
    for one in held:
        goes_on = bool(joined) and joined[-1].until == one.since
        joined = [*joined[:-1], replace(joined[-1], until=one.until)] if goes_on else [*joined, one]
    return joined


def _held(holding: Holding) -> str:
    """From when until when; with the time of day when it was less than a day."""
    until = holding.until or now()
    show = format_date if until - holding.since > timedelta(days=1) else format_time
    return f"{show(holding.since)} to {show(holding.until) if holding.until else 'now'}"


def _actions(sight: LoadedModelStatus, chosen: VersionSnapshot) -> None:
    """At most one primary button; each opens a preview."""
    if sight.can_write and find_drifts(sight.status):
        st.caption("First say above whether the move made outside shall stand.")
        return
    held = {h.version for h in recorded_holdings(sight.status.state.current_life_entries) if h.slot == "production"}
    before = chosen.number in held and chosen.number not in sight.status.snapshot.slot_states["production"].holders
    if before:
        _button(sight, chosen, f"Roll back to {version_label(chosen.number)}", ("undo", "Production", "roll_back"))
    elif chosen.stage != "Production" or not _is_champion(sight, chosen):
        _button(sight, chosen, "Move to Production", ("trophy", "Production", "promote"))
    with st.container(horizontal=True, gap="small"):
        if chosen.stage != "Staging":
            _button(sight, chosen, "Move to Staging", ("stairs", "Staging", "promote"))
        if chosen.stage != "Archived":
            _button(sight, chosen, "Archive", ("inventory_2", "Archived", "archive"))
    if sight.write_error:
        show_missing_permission(sight.write_error)
    else:
        st.caption("Opens a preview. Nothing moves before you confirm.")


def _button(sight: LoadedModelStatus, chosen: VersionSnapshot, label: str, deed: tuple[str, Any, Any]) -> None:
    name, to, kind = deed
    st.button(
        label,
        key=f"models.{kind}.{to}",
        icon=f":material/{name}:",
        type="primary" if to == "Production" else "secondary",
        width="stretch",
        on_click=move_dialogs.open_move_dialog,
        args=(sight, chosen.number, to, kind),
        **disabled_kwargs(sight.disabled_reason),
    )


def _is_champion(sight: LoadedModelStatus, chosen: VersionSnapshot) -> bool:
    return (
        sight.status.snapshot.slot_states["production"].holders == (chosen.number,)
        and sight.status.snapshot.slot_states["production"].alias is not None
    )


def _load(seen: RegistrySnapshot, chosen: VersionSnapshot) -> None:
    slot = next((alias for alias in SLOTS if seen.slot_states[alias].alias == chosen.number), None)
    follows = f"@{slot}" if seen.has_aliases else f"/{chosen.stage}"
    address = f"models:/{seen.model}{follows if slot else f'/{chosen.number}'}"
    with st.popover("How do I load it?", icon=":material/content_copy:"):
        st.code(address, language=None)
        st.code(load_model_snippet(current_backend().uri, address), language="python")
        by = "alias" if seen.has_aliases else "stage"
        st.caption(f"Follows the {by}: whoever holds it is loaded." if slot else "Always loads this very version.")


def show_history(cached_status: LoadedModelStatus, number: str) -> None:
    """Who moved it, when and why; of the chosen version or of the whole model."""
    state = cached_status.status.state
    with card("History", format_count(len(state.book.entries), "ledger entry", "ledger entries"), key="models.history"):
        of = st.segmented_control(
            "Entries",
            [version_label(number), "All versions"],
            default=version_label(number),
            required=True,
            key="models.of",
            label_visibility="collapsed",
        )
        told = history_rows(state, number if of == version_label(number) else "")
        if not told or cached_status.status.book_id == "":
            show_empty_state("history", "No entry yet", "An entry appears when a version is registered or moved.")
            return
        heads = ["When (UTC)", "Entry", "Version", f"From{NBSP}→{NBSP}to", "Why", "By"]
        apart = {2} if of == version_label(number) else set()
        rows = [_row(line) for line in told[:100]]
        show_table([_without(row, apart) for row in rows], _without(heads, apart))
        shown = f"Showing 100 of {len(told):,} entries. " if len(told) > 100 else ""
        st.caption(f"{shown}Names are as typed, not verified, unless they carry a tick.")


def _without(cells: Sequence[str], apart: Collection[int]) -> tuple[str, ...]:
    """The version needs no column where all lines are of one."""
    return tuple(cell for n, cell in enumerate(cells) if n not in apart)


def _row(line: HistoryRow) -> tuple[str, ...]:
    stage = (
        f"{icon_markdown(STAGE_BADGES, line.from_stage)}{NBSP}→{NBSP}{icon_markdown(STAGE_BADGES, line.to_stage)}"
        if line.to_stage and line.from_stage in STAGE_BADGES
        else ""
    )
    who = escape(line.actor_name) + (" :material/verified:" if line.is_verified else "")
    at = format_time(line.at).removesuffix("UTC").strip()
    return (
        f":gray[{at}]",
        badge_markdown(ENTRY_BADGES, line.badge),
        version_label(line.version) if line.version else "",
        stage,
        _said(line),
        who,
    )


def _said(line: HistoryRow) -> str:
    """What an entry says; what was corrected is struck through, beside what is to be read instead."""
    if not line.correction_positions:
        return escape(line.summary)
    return f"~~{escape(line.summary.strip())}~~ {escape(line.corrected_summary)} :gray[(entry {line.correction_positions[-1]})]"


def show_model_menu(names: tuple[str, ...], model: str) -> None:
    """A menu to the other models."""
    others = [name for name in names if name != model]
    if others:
        picked = st.menu_button("Other models", others, format_func=escape, key="models.other", icon=":material/deployed_code:")
        if picked:
            switch_page("models", model=picked)


def header_note(cached_status: LoadedModelStatus) -> str:
    """The line under the title: what the model is, how much is known of it, whether a roll-back would work, how old this is."""
    found = cached_status.status
    facts = [
        escape(found.snapshot.description[:160]),
        format_count(len(found.snapshot.versions), "version"),
        format_count(found.state.book.head if found.book_id else 0, "ledger entry", "ledger entries"),
        _way_back_line(cached_status),
        f"read {format_recent_age(cached_status.read_at, now())}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _way_back_line(sight: LoadedModelStatus) -> str:
    found = sight.status
    if not found.snapshot.slot_states["production"].holders:
        return ""
    back = cached_rollback_target(current_backend(), found.snapshot.model, found.state.book.head)
    return f"way back: {version_label(back)}" if back else "no way back yet"
