"""The cards of the Models page: who held which stage, the versions, the chosen one, and its history."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from lib.ledger.charts.holdings_chart import Ink, bars, strip
from lib.ledger.entry.vocabulary import SLOTS
from lib.ledger.queries.history import Line, lines
from lib.ledger.state.holdings import Holding, holdings
from lib.ledger.state.imported_holdings import every_holding
from lib.registry.code_snippets import load_code
from lib.registry.drift import drifts
from lib.registry.promote import version_of
from lib.registry.snapshot import Seen, Version
from lib.ui.app.routes import goto, link
from lib.ui.app.session import backend, now
from lib.ui.components.badges import ENTRY, STAGE, chip, icon
from lib.ui.components.formatting import NARROW, count, day, lately, md, moment, score, version
from lib.ui.components.layout import card, empty, facts, head, table
from lib.ui.components.write_access import greyed, what_to_ask_for
from lib.ui.pages.models import move_dialogs as models_dialogs
from lib.ui.pages.models.version_table import runs_of, told_first
from lib.ui.queries.registry import Sight, source_run, way_back_of


def strip_card(sight: Sight, ink: Ink) -> None:
    """Who held which stage, over time."""
    held = every_holding(sight.found.state.reading.entries)
    with card("Who held which stage", "times in UTC", key="models.strip"):
        if not held:
            empty("trophy", "Nobody has held a stage yet", "Choose a version below and move it, with a reason.")
            return
        lanes = list(SLOTS.values())
        drawn = bars([(SLOTS[h.slot], h) for h in held], now())
        st.altair_chart(strip(drawn, ink, lanes), key="models.strip.chart", alt=_strip_said(held))


def _strip_said(held: tuple[Holding, ...]) -> str:
    parts = [f"v{h.version or ' unknown'} in {SLOTS[h.slot]} since {h.since:%-d %b %Y}" for h in held if h.until is None]
    return f"{len(held)} holdings; now {', '.join(parts) or 'nobody'}"


def version_card(sight: Sight, number: str) -> None:
    """The chosen version: what it is, what can be done with it."""
    seen = sight.found.seen
    chosen = version_of(seen, number)
    with st.container(border=True, key="models.version"):
        head(version(number), "", (STAGE, chosen.stage))
        facts(_facts(sight, chosen))
        if source_run(backend(), chosen.run_id):
            link("Open its run", "run", icon="science", query={"run": chosen.run_id})
        _actions(sight, chosen)
        _load(seen, chosen)


def _facts(sight: Sight, chosen: Version) -> dict[str, str]:
    run = source_run(backend(), chosen.run_id)
    told = {"About": md(chosen.description)} if chosen.description else {}
    held = [h for h in every_holding(sight.found.state.reading.entries) if h.version == chosen.number and h.slot == "production"]
    if held:
        told["Production"] = ", ".join(_held(h) for h in _joined(held)[-3:])
    if run:
        runs = list(runs_of(sight.found.seen, backend()).values())
        metrics, params = told_first([one.metrics for one in runs]), told_first([one.params for one in runs])
        told["Run"] = f"{md(run.name)} :gray[{run.run_id[:8]}]"
        told["Measured"] = (
            " · ".join([f"{md(name)} {score(run.metrics[name])}" for name in metrics if name in run.metrics][:6]) or "nothing"
        )
        told["Parameters"] = (
            " · ".join([f"{md(name)} {md(run.params[name])}" for name in params if name in run.params][:4]) or "none"
        )
    others = sight.found.seen.other_aliases(chosen.number)
    if others:
        told["Other aliases"] = ", ".join(md(alias) for alias in others)
    told["Created"] = moment(pd.Timestamp(chosen.created).to_pydatetime())
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
    show = day if until - holding.since > timedelta(days=1) else moment
    return f"{show(holding.since)} to {show(holding.until) if holding.until else 'now'}"


def _actions(sight: Sight, chosen: Version) -> None:
    """At most one primary button; each opens a preview."""
    if sight.may_write and drifts(sight.found):
        st.caption("First say above whether the move made outside shall stand.")
        return
    held = {h.version for h in holdings(sight.found.state.life) if h.slot == "production"}
    before = chosen.number in held and chosen.number not in sight.found.seen.now["production"].holders
    if before:
        _button(sight, chosen, f"Roll back to {version(chosen.number)}", ("undo", "Production", "roll_back"))
    elif chosen.stage != "Production" or not _is_champion(sight, chosen):
        _button(sight, chosen, "Move to Production", ("trophy", "Production", "promote"))
    with st.container(horizontal=True, gap="small"):
        if chosen.stage != "Staging":
            _button(sight, chosen, "Move to Staging", ("stairs", "Staging", "promote"))
        if chosen.stage != "Archived":
            _button(sight, chosen, "Archive", ("inventory_2", "Archived", "archive"))
    if sight.why_not:
        what_to_ask_for(sight.why_not)
    else:
        st.caption("Opens a preview. Nothing moves before you confirm.")


def _button(sight: Sight, chosen: Version, label: str, deed: tuple[str, Any, Any]) -> None:
    name, to, kind = deed
    st.button(
        label,
        key=f"models.{kind}.{to}",
        icon=f":material/{name}:",
        type="primary" if to == "Production" else "secondary",
        width="stretch",
        on_click=models_dialogs.ask,
        args=(sight, chosen.number, to, kind),
        **greyed(sight.why),
    )


def _is_champion(sight: Sight, chosen: Version) -> bool:
    return sight.found.seen.now["production"].holders == (chosen.number,) and sight.found.seen.now["production"].alias is not None


def _load(seen: Seen, chosen: Version) -> None:
    slot = next((alias for alias in SLOTS if seen.now[alias].alias == chosen.number), None)
    follows = f"@{slot}" if seen.has_aliases else f"/{chosen.stage}"
    address = f"models:/{seen.model}{follows if slot else f'/{chosen.number}'}"
    with st.popover("How do I load it?", icon=":material/content_copy:"):
        st.code(address, language=None)
        st.code(load_code(backend().uri, address), language="python")
        by = "alias" if seen.has_aliases else "stage"
        st.caption(f"Follows the {by}: whoever holds it is loaded." if slot else "Always loads this very version.")


def history_card(sight: Sight, number: str) -> None:
    """Who moved it, when and why; of the chosen version or of the whole model."""
    state = sight.found.state
    with card("History", count(len(state.reading.entries), "ledger entry", "ledger entries"), key="models.history"):
        of = st.segmented_control(
            "Entries",
            [version(number), "All versions"],
            default=version(number),
            required=True,
            key="models.of",
            label_visibility="collapsed",
        )
        told = lines(state, number if of == version(number) else "")
        if not told or sight.found.book == "":
            empty("history", "No entry yet", "An entry appears when a version is registered or moved.")
            return
        heads = ["When (UTC)", "Entry", "Version", f"From{NARROW}→{NARROW}to", "Why", "By"]
        apart = {2} if of == version(number) else set()
        rows = [_row(line) for line in told[:100]]
        table([_without(row, apart) for row in rows], _without(heads, apart))
        shown = f"Showing 100 of {len(told):,} entries. " if len(told) > 100 else ""
        st.caption(f"{shown}Names are as typed, not verified, unless they carry a tick.")


def _without(cells: Sequence[str], apart: Collection[int]) -> tuple[str, ...]:
    """The version needs no column where all lines are of one."""
    return tuple(cell for n, cell in enumerate(cells) if n not in apart)


def _row(line: Line) -> tuple[str, ...]:
    stage = f"{icon(STAGE, line.from_)}{NARROW}→{NARROW}{icon(STAGE, line.to)}" if line.to and line.from_ in STAGE else ""
    who = md(line.who) + (" :material/verified:" if line.verified else "")
    at = moment(line.at).removesuffix("UTC").strip()
    return f":gray[{at}]", chip(ENTRY, line.word), version(line.version) if line.version else "", stage, _said(line), who


def _said(line: Line) -> str:
    """What an entry says; what was corrected is struck through, beside what is to be read instead."""
    if not line.superseded_by:
        return md(line.why)
    return f"~~{md(line.why.strip())}~~ {md(line.instead)} :gray[(entry {line.superseded_by[-1]})]"


def other_models(names: tuple[str, ...], model: str) -> None:
    """A menu to the other models."""
    others = [name for name in names if name != model]
    if others:
        picked = st.menu_button("Other models", others, format_func=md, key="models.other", icon=":material/deployed_code:")
        if picked:
            goto("models", model=picked)


def header_facts(sight: Sight) -> str:
    """The line under the title: what the model is, how much is known of it, whether a roll-back would work, how old this is."""
    found = sight.found
    facts = [
        md(found.seen.description[:160]),
        count(len(found.seen.versions), "version"),
        count(found.state.reading.head if found.book else 0, "ledger entry", "ledger entries"),
        _way_back_line(sight),
        f"read {lately(sight.read_at, now())}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _way_back_line(sight: Sight) -> str:
    found = sight.found
    if not found.seen.now["production"].holders:
        return ""
    back = way_back_of(backend(), found.seen.model, found.state.reading.head)
    return f"way back: {version(back)}" if back else "no way back yet"
