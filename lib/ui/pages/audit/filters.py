"""Filters of the Audit page: text, model, kind, actor, stage, version, and days. Each is stored in the URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import streamlit as st

from lib.ledger.entry.types import Closing, Observed
from lib.ledger.entry.vocabulary import SLOTS, STAGES
from lib.registry.snapshot import version_sort_key
from lib.ui.pages.audit.entry_rows import AuditRow, kind_label

ALL_MODELS = "All models"


@dataclass(frozen=True)
class EntryFilter:
    """Filter criteria; an empty value matches anything. Days are in UTC and inclusive."""

    text: str = ""
    model: str = ALL_MODELS
    kinds: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    days: tuple[date, ...] = ()


def matches_filter(row: AuditRow, entry_filter: EntryFilter) -> bool:
    """Return whether an entry matches every criterion."""
    return (
        entry_filter.model in (ALL_MODELS, row.model)
        and (not entry_filter.kinds or kind_label(row) in entry_filter.kinds)
        and (not entry_filter.actors or row.history_row.actor_name in entry_filter.actors)
        and (not entry_filter.stages or not _mentioned_stages(row).isdisjoint(entry_filter.stages))
        and (not entry_filter.versions or not _mentioned_versions(row).isdisjoint(entry_filter.versions))
        and _is_within(row, entry_filter.days)
        and entry_filter.text.lower()
        in f"{row.model} v{row.history_row.version} {row.history_row.summary} {row.history_row.corrected_summary} {row.history_row.actor_name}".lower()
    )


def _mentioned_stages(row: AuditRow) -> set[str]:
    """Return the stages an entry mentions: from, to, those left by displaced versions, and those changed outside Podium."""
    body, stages = row.entry.body, {row.history_row.from_stage, row.history_row.to_stage}
    if isinstance(body, Observed):
        stages |= {stage for slot, stage in SLOTS.items() if body.was.get(slot) != body.now.get(slot)}
    return stages - {""}


def _mentioned_versions(row: AuditRow) -> set[str]:
    """Return the versions an entry mentions."""
    body, versions = row.entry.body, {row.history_row.version}
    if isinstance(body, Closing):
        versions |= set(body.displaced)
    if isinstance(body, Observed):
        slot_states = [
            side.get(slot) for slot in SLOTS if body.was.get(slot) != body.now.get(slot) for side in (body.was, body.now)
        ]
        versions |= {version for slot_state in slot_states if slot_state for version in slot_state.holders} | set(body.gone)
    return versions - {""}


def show_filters(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """Show the filters in one line. Returns the matching rows."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = st.text_input(
            "Find",
            placeholder="Search reasons and names",
            key="audit.text",
            bind="query-params",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        models = sorted({row.model for row in rows})
        model = st.selectbox(
            "Model", [ALL_MODELS, *models], key="audit.model", bind="query-params", width=190, label_visibility="collapsed"
        )
        kinds = _ask_multiple("Kind", "Any kind", list(dict.fromkeys(kind_label(row) for row in rows)), 190)
        actors = _ask_multiple("By", "Anyone", sorted({row.history_row.actor_name for row in rows}), 170)
        entry_filter = _ask_more_filters(rows, EntryFilter(text or "", model or ALL_MODELS, kinds, actors))
    return [row for row in rows if matches_filter(row, entry_filter)]


def _ask_more_filters(rows: Sequence[AuditRow], entry_filter: EntryFilter) -> EntryFilter:
    """Show the less common filters; the button shows how many are active."""
    query = st.query_params
    active_count = sum(name in query for name in ("audit.stages", "audit.version", "audit.days"))
    with st.popover(f"More · {active_count}" if active_count else "More", icon=":material/filter_list:", key="audit.more"):
        known_versions = {
            number for row in rows if entry_filter.model in (ALL_MODELS, row.model) for number in _mentioned_versions(row)
        }
        stages = _ask_multiple("Stages", "Any stage", list(STAGES), "stretch")
        versions = _ask_multiple("Version", "Any version", sorted(known_versions, key=version_sort_key), "stretch")
        days = st.date_input(
            "Date range (UTC)", (), key="audit.days", bind="query-params", format="DD/MM/YYYY", min_value=date(2015, 1, 1)
        )
    day_range = days if isinstance(days, tuple) else (days,) if days else ()
    return EntryFilter(
        entry_filter.text, entry_filter.model, entry_filter.kinds, entry_filter.actors, stages, versions, day_range
    )


def _ask_multiple(label: str, placeholder: str, options: list[str], width: int | str) -> tuple[str, ...]:
    selection = st.multiselect(
        label,
        options,
        key=f"audit.{label.lower()}",
        bind="query-params",
        placeholder=placeholder,
        width=width,
        label_visibility="collapsed",
    )
    return tuple(selection)


def _is_within(row: AuditRow, days: Sequence[date]) -> bool:
    """Return whether the row is in the date range; a single day means from that day on."""
    if not days:
        return True
    day = row.history_row.at.date() if row.history_row.at else None
    return day is not None and days[0] <= day and (len(days) < 2 or day <= days[1])
