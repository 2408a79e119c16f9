"""The filters of the Audit page: by text, model, kind, person, stage, version and days. The address carries every one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import streamlit as st

from lib.ledger.entry.types import Closing, Observed
from lib.ledger.entry.vocabulary import SLOTS, STAGES
from lib.registry.snapshot import by_number
from lib.ui.pages.audit.entry_rows import Row, kind_of

EVERY = "All models"


@dataclass(frozen=True)
class Filter:
    """What is looked for; an empty value stands for anything. Days are days in UTC, both included."""

    words: str = ""
    model: str = EVERY
    kinds: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    days: tuple[date, ...] = ()


def fits(row: Row, wish: Filter) -> bool:
    """Does an entry fit every part of the filter?"""
    return (
        wish.model in (EVERY, row.model)
        and (not wish.kinds or kind_of(row) in wish.kinds)
        and (not wish.people or row.line.who in wish.people)
        and (not wish.stages or not stages_of(row).isdisjoint(wish.stages))
        and (not wish.versions or not versions_of(row).isdisjoint(wish.versions))
        and _within(row, wish.days)
        and wish.words.lower() in f"{row.model} v{row.line.version} {row.line.why} {row.line.instead} {row.line.who}".lower()
    )


def stages_of(row: Row) -> set[str]:
    """The stages an entry speaks of: from and to, those a displaced version left, those that were moved outside."""
    body, named = row.entry.body, {row.line.from_, row.line.to}
    if isinstance(body, Observed):
        named |= {stage for slot, stage in SLOTS.items() if body.was.get(slot) != body.now.get(slot)}
    return named - {""}


def versions_of(row: Row) -> set[str]:
    """The versions an entry speaks of."""
    body, named = row.entry.body, {row.line.version}
    if isinstance(body, Closing):
        named |= set(body.displaced)
    if isinstance(body, Observed):
        moved = [side.get(slot) for slot in SLOTS if body.was.get(slot) != body.now.get(slot) for side in (body.was, body.now)]
        named |= {version for held in moved if held for version in held.holders} | set(body.gone)
    return named - {""}


def toolbar(every: Sequence[Row]) -> list[Row]:
    """The filters in one line; gives the rows they leave."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words = st.text_input(
            "Find",
            placeholder="Find in reasons and names",
            key="audit.text",
            bind="query-params",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        models = sorted({row.model for row in every})
        model = st.selectbox(
            "Model", [EVERY, *models], key="audit.model", bind="query-params", width=190, label_visibility="collapsed"
        )
        kinds = _several("Kind", "Any kind", list(dict.fromkeys(kind_of(row) for row in every)), 190)
        people = _several("By", "Anybody", sorted({row.line.who for row in every}), 170)
        wish = _more(every, Filter(words or "", model or EVERY, kinds, people))
    return [row for row in every if fits(row, wish)]


def _more(every: Sequence[Row], wish: Filter) -> Filter:
    """The filters that are asked for less often; the button says how many of them are set."""
    query = st.query_params
    used = sum(name in query for name in ("audit.stages", "audit.version", "audit.days"))
    with st.popover(f"More · {used}" if used else "More", icon=":material/filter_list:", key="audit.more"):
        known = {number for row in every if wish.model in (EVERY, row.model) for number in versions_of(row)}
        stages = _several("Stages", "Any stage", list(STAGES), "stretch")
        versions = _several("Version", "Any version", sorted(known, key=by_number), "stretch")
        days = st.date_input(
            "Days (UTC), from and to", (), key="audit.days", bind="query-params", format="DD/MM/YYYY", min_value=date(2015, 1, 1)
        )
    chosen = days if isinstance(days, tuple) else (days,) if days else ()
    return Filter(wish.words, wish.model, wish.kinds, wish.people, stages, versions, chosen)


def _several(name: str, nothing: str, options: list[str], width: int | str) -> tuple[str, ...]:
    picked = st.multiselect(
        name,
        options,
        key=f"audit.{name.lower()}",
        bind="query-params",
        placeholder=nothing,
        width=width,
        label_visibility="collapsed",
    )
    return tuple(picked)


def _within(row: Row, days: Sequence[date]) -> bool:
    """A range with one end so far means: from that day on."""
    if not days:
        return True
    day = row.line.at.date() if row.line.at else None
    return day is not None and days[0] <= day and (len(days) < 2 or day <= days[1])
