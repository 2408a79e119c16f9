"""The cards of Overview that speak of models: who is in Production, and the latest entries of the ledger.

All models are read in a few calls; what nobody recorded is written down by the reading (`models_reads.registry`).
"""

from typing import Literal

import streamlit as st

from lib.backends.backend import Backend
from lib.ledger.charts.holdings_chart import bars, strip
from lib.ledger.queries.history import Line, lines
from lib.ledger.state.holdings import Holding
from lib.ledger.state.imported_holdings import every_holding
from lib.registry.snapshot import Seen
from lib.ui.app.routes import goto, link
from lib.ui.app.session import now
from lib.ui.components.badges import ENTRY, HEALTH, STAGE, chip, icon
from lib.ui.components.chart_theme import ink
from lib.ui.components.drift_banner import short_banner
from lib.ui.components.formatting import count, day, md, moment, score, version
from lib.ui.components.layout import card, empty, table
from lib.ui.pages.overview.first_steps import steps
from lib.ui.queries.registry import Registry, registry, source_run

SHOWN = 6
"""How many models and entries the cards show."""


def progress(backend: Backend) -> Literal["nothing", "registered", "in production"]:
    """How far the models of a backend have come: the steps are drawn until the first one is in Production."""
    models = registry(backend).models
    if any(seen.now["production"].holders for seen in models):
        return "in production"
    return "registered" if any(seen.versions for seen in models) else "nothing"


def lead(backend: Backend) -> None:
    """The answer first, under the title: how many models are in Production, how many were moved outside, and what to settle."""
    found = registry(backend)
    if said := standing(backend):
        st.markdown(f":gray[{said}]")
    short_banner(found)
    if progress(backend) == "registered":
        steps(3, lambda: goto("models"))


def standing(backend: Backend) -> str:
    """How many models are in Production, and how many were moved outside; empty before there is one."""
    found = registry(backend)
    held = sum(bool(seen.now["production"].holders) for seen in found.models)
    drifted = sum(bool(state.drift(seen.now)) for seen in found.models if (state := found.records.get(seen.model)))
    outside = f" · {count(drifted, 'model')} moved outside Podium" if drifted else ""
    return f"{count(held, 'model')} in Production{outside}" if held else ""


def in_production(backend: Backend) -> None:
    """The champion of each model, since when, and how it measured."""
    found = registry(backend)
    models = [seen for seen in found.models if seen.now["production"].holders]
    if not models:
        return
    with card("In Production", _more(len(models), "models"), key="overview.production"):
        shown = models[:SHOWN]
        held = [(seen.model, h) for seen in shown for h in _production(found, seen)]
        if held:
            lanes = [seen.model for seen in shown]
            said = f"Production over time of {', '.join(lanes)}"
            st.altair_chart(strip(bars(held, now()), ink(), lanes, 34), key="overview.strip", alt=said)
        table([_champion(backend, found, seen) for seen in shown], ["Model", "Champion", "Since", "Measured", "State"])
        with st.container(horizontal=True, gap="small"):
            for seen in shown:
                link(f"Open {md(seen.model)}", "models", icon="deployed_code", query={"model": seen.model})


def latest_entries(backend: Backend) -> None:
    """The newest entries of all books: when, what, which version, who."""
    records = registry(backend).records
    told = [(model, line) for model, state in records.items() for line in lines(state)[:SHOWN] if line.at]
    newest = sorted(told, key=lambda pair: (pair[1].at, pair[1].place), reverse=True)[:SHOWN]
    with card("Latest entries", _more(sum(state.reading.head for state in records.values()), "entries"), key="overview.entries"):
        if newest:
            table([_entry(model, line) for model, line in newest])
            link("Open the audit", "audit", icon="history")
            return
        empty("history", "No entry yet", "An entry appears with the first version that is registered or moved.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Register a version", icon=":material/add_box:", key="overview.register"):
                goto("models")


def _more(number: int, what: str) -> str:
    return f"showing {SHOWN} of {number:,} {what}" if number > SHOWN else "all models"


def _production(found: Registry, seen: Seen) -> list[Holding]:
    state = found.records.get(seen.model)
    return [h for h in every_holding(state.reading.entries) if h.slot == "production"] if state else []


def _champion(backend: Backend, found: Registry, seen: Seen) -> tuple[str, ...]:
    holders, held = seen.now["production"].holders, _production(found, seen)
    since = next((h.since for h in held if h.until is None and h.version in holders), None)
    champions = " ".join(chip(STAGE, "Production", version(number)) for number in holders)
    return (
        f"**{md(seen.model)}**",
        champions,
        day(since) or "before the record",
        _measured(backend, seen, holders),
        _state(found, seen),
    )


def _measured(backend: Backend, seen: Seen, holders: tuple[str, ...]) -> str:
    run = source_run(backend, seen.versions[holders[0]].run_id) if len(holders) == 1 and holders[0] in seen.versions else None
    first = sorted(run.metrics.items(), key=lambda metric: (metric[0] not in ("accuracy", "auc"), metric[0])) if run else []
    return f"{md(first[0][0])} {score(first[0][1])}" if first else ""


def _state(found: Registry, seen: Seen) -> str:
    """Whether registry and ledger agree, in a word."""
    state = found.records.get(seen.model)
    if seen.model in found.lost:
        return f"{icon(HEALTH, 'broken')} its book was deleted"
    if seen.model in found.gone:
        return f"{icon(HEALTH, 'broken')} its book is gone"
    if state is None:
        return ":gray[no record yet]"
    if state.open:
        return ":gray[a move is under way]"
    drifted = state.drift(seen.now)
    return f"{icon(HEALTH, 'warning')} moved outside" if drifted else f"{icon(HEALTH, 'ok')} as decided"


def _entry(model: str, line: Line) -> tuple[str, ...]:
    what = f"**{md(model)}** {version(line.version) if line.version else ''} {f'to {md(line.to)}' if line.to else ''}"
    return chip(ENTRY, line.word), f"{what}  \n:gray[{md(line.who)} · {moment(line.at).removesuffix('UTC').strip()}]"
