"""The question Podium exists for: which version held a stage then, who put it there, and why. The address carries the question."""

import shlex
from datetime import UTC, date, datetime, time

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.asof import BEFORE, Answer, Holder, as_of, sentence
from lib.ledger.imported import every_holding
from lib.ledger.statement import statement
from lib.ledger.strip import bars, strip
from lib.ledger.when import When, read_when
from lib.ledger.words import CATEGORIES, SLOTS, Slot
from lib.ui.cards import card
from lib.ui.errors import show
from lib.ui.ink import ink
from lib.ui.models_reads import Registry
from lib.ui.session import now
from lib.ui.text import md, moment, plain, score, version

EARLIEST = date(2015, 1, 1)


def as_of_card(found: Registry) -> None:
    """Ask for a model, a stage and a day or an instant; the answer stands below as one sentence with its reason."""
    models = sorted(model for model, state in found.records.items() if state.opened)
    if not models:
        return
    with card(key="audit.asof"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            model = st.selectbox("Which version of", models, key="audit.of", bind="query-params", width=220)
            stage = st.selectbox("was in", list(SLOTS.values()), key="audit.stage", bind="query-params", width=140)
            day = st.date_input(
                "on",
                "today",
                min_value=EARLIEST,
                key="audit.on",
                bind="query-params",
                format="DD/MM/YYYY",
                width=150,
            )
            clock = st.time_input("at, UTC", None, key="audit.at", bind="query-params", width=120, help="Empty: the whole day")
        try:
            when = _when(day, clock)
        except PodiumError as error:
            show(error)
            return
        slot: Slot = "production" if stage == "Production" else "staging"
        _answered(found, model, as_of(found.records[model].reading.entries, slot, when))


def _when(day: date | None, clock: time | None) -> When:
    day = day or now().date()
    text = f"{day:%Y-%m-%d}" if clock is None else f"{day:%Y-%m-%d}T{clock:%H:%M}Z"
    return read_when(text, now())


def _answered(found: Registry, model: str, answer: Answer) -> None:
    left, right = st.columns([9, 11], gap="large", vertical_alignment="center")
    with left:
        st.header(md(sentence(answer)), anchor=False)
        for held in answer.holders[:3]:
            st.markdown(_why(held))
        if len(answer.holders) > 3:
            st.caption(f"Showing 3 of {len(answer.holders)} holders.")
    with right:
        drawn = bars([(SLOTS[h.slot], h) for h in every_holding(found.records[model].reading.entries)], now())
        if len(drawn):
            chart = strip(drawn, ink(), list(SLOTS.values()), mark=_mark(answer.when, drawn.since.min().to_pydatetime()))
            st.altair_chart(chart, key="audit.strip", alt=f"Holdings of {model}; {sentence(answer)}")
    if any(one.why == BEFORE and one.until and answer.when.last <= one.until for one in answer.unknown):
        _before(model)
    st.caption("The answer in words, to send on")
    st.code(plain(statement(model, answer)), language=None, wrap_lines=True)


def _before(model: str) -> None:
    """The way to an answer for a time before the record."""
    st.caption(
        "That is before the record begins. Decisions of that time can be imported from a file, and stay marked as imported:"
    )
    st.code(f"python -m lib import {shlex.quote(plain(model))} history.csv", language="bash")


def _mark(when: When, begins: datetime) -> datetime | None:
    """Where to draw what was asked about: a day in its middle, nothing for a time before the record."""
    if when.last < begins:
        return None
    return max(begins, when.at + (when.last - when.at) / 2)


def _why(held: Holder) -> str:
    """Who put a version there, when, why, and what it had measured; the places of the entries that prove it."""
    told = f"{version(held.version)} since {moment(held.since.astimezone(UTC))}"
    if held.reason:
        told += f", put there by **{md(held.by.name)}**: *{md(held.reason.text)}* ({CATEGORIES.get(held.reason.category, 'other').lower()})"
    else:
        told += ", without a decision in the record"
    numbers = [(name, value) for name, value in held.metrics.items() if isinstance(value, float | int)][:2]
    measured = " · ".join(f"{md(name)} {score(float(value))}" for name, value in numbers)
    proof = ", ".join(str(place) for place in held.entries)
    return f"{told}. {measured}  \n:gray[Entries {proof}{_imported(held)}]"


def _imported(held: Holder) -> str:
    return f" · imported from {md(held.imported.source.name)}" if held.imported else ""
