"""What was done outside Podium, shown where people look: in full with the ways out on Models, as one line per model elsewhere."""

from collections.abc import Sequence

import streamlit as st

from lib.backends.uri import Backend
from lib.registry.drift import Way
from lib.registry.notices import Notice, notices
from lib.registry.record import Look
from lib.registry.watch import lost_runs, of_book
from lib.ui import models_dialogs
from lib.ui.models_reads import Registry, Sight, source_run
from lib.ui.routes import link
from lib.ui.session import backend
from lib.ui.text import count, md, version

ICONS = {"broken": "error", "drift": "visibility", "told": "info"}
MOST = 5
"""How many models the short banner names."""
RUNS_OF = 20
"""Of how many models the short banner asks whether the runs of their champions are still there: that is a call each."""


def notices_of(here: Backend, found: Look) -> tuple[Notice, ...]:
    """Everything a look found, deleted source runs included."""
    return notices(found, lost_runs(here, found.seen, source_run))


def banner(sight: Sight) -> None:
    """One box per thing a look found, with the ways out."""
    for number, notice in enumerate(notices_of(backend(), sight.found)):
        with st.container(border=True, key=f"models.outside.{notice.slot or number}"):
            _box(notice, f"{md(notice.means)} {md(notice.next)}{_recorded(notice)}")
            if notice.ways and sight.may_write:
                _ways_out(sight, notice)


def short_banner(found: Registry) -> None:
    """One box for all models: which were moved outside, or have no sound book, with a link to each. Nothing when all is well."""
    here = backend()
    looks = enumerate(sorted(found.looks.items()))
    told = [
        (model, notice)
        for number, (model, look) in looks
        for notice in (notices_of(here, look) if number < RUNS_OF else notices(look, {}))
    ]
    told = [(model, of_book(lost)) for model, lost in found.lost.items()] + told
    due = sorted({model for model, notice in told if notice.weight != "told"})
    if not due:
        return
    lines = [f"**{md(model)}**: {_whats([one for name, one in told if name == model and one.weight != 'told'])}" for model in due]
    more = f"\n- and {count(len(due) - MOST, 'more model')}" if len(due) > MOST else ""
    broken = any(notice.weight == "broken" for _, notice in told)
    with st.container(border=True, key="outside.banner"):
        box = st.error if broken else st.warning
        box(
            "\n".join(f"- {line}" for line in lines[:MOST]) + more,
            title="A record needs attention" if broken else "Moved outside Podium",
            icon=f":material/{ICONS['broken' if broken else 'drift']}:",
        )
        with st.container(horizontal=True, gap="small"):
            for model in [one for one in due if one not in found.lost][:MOST]:
                link(f"Settle {md(model)}", "models", icon="deployed_code", query={"model": model})


def _whats(told: Sequence[Notice]) -> str:
    return "; ".join(f"{md(one.what)}. {md(one.next)}" if one.weight == "broken" else md(one.what) for one in told)


def _box(notice: Notice, text: str) -> None:
    box = {"broken": st.error, "drift": st.warning, "told": st.info}[notice.weight]
    box(text, title=md(notice.what), icon=f":material/{ICONS[notice.weight]}:")


def _recorded(notice: Notice) -> str:
    return f" :gray[Entry {notice.place}]" if notice.place else ""


def _ways_out(sight: Sight, notice: Notice) -> None:
    with st.container(horizontal=True, gap="small"):
        for way in notice.ways:
            st.button(
                _way_said(way),
                key=f"models.{way.kind}.{notice.slot}.{way.version}.{way.to}",
                on_click=models_dialogs.ask,
                args=(sight, way.version, way.to, way.kind),
            )


def _way_said(way: Way) -> str:
    fills = way.to in ("Production", "Staging")
    if way.kind == "adopt":
        return f"Adopt {version(way.version)} with a reason" if fills else "Adopt nobody, with a reason"
    return f"Put {version(way.version)} back" if fills else f"Take {version(way.version)} out again"
