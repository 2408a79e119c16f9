"""The question Podium exists for: which version held a stage then, who put it there, and why. The address carries the question."""

import hashlib
import shlex
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache, partial
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.charts.holdings_chart import bars, clickable, strip
from lib.ledger.entry.types import Body, Decided, Imported
from lib.ledger.entry.vocabulary import CATEGORIES, SLOTS, Slot
from lib.ledger.queries.as_of import BEFORE, Answer, Holder, as_of, sentence
from lib.ledger.queries.as_of_text import statement
from lib.ledger.queries.time_query import When, read_when, said, twice
from lib.ledger.queries.version_metrics import telling
from lib.ledger.state.imported_holdings import every_holding
from lib.ui.app.session import now
from lib.ui.components.chart_theme import ink
from lib.ui.components.error_box import show
from lib.ui.components.formatting import NARROW, md, plain, score, version
from lib.ui.components.layout import card
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.pages.audit.packet_button import answer_packet
from lib.ui.queries.registry import Registry

EARLIEST = date(2000, 1, 1)
UTC_NAME = "UTC"
LONG_LINE = 90
"""A longer answer is no headline: many moves on one day."""


def as_of_card(found: Registry) -> None:
    """Ask for a model, a stage and a day or an instant; the answer stands below as one sentence with its reason."""
    models = sorted(model for model, state in found.records.items() if state.opened)
    if not models:
        return
    with card(key="audit.asof"):
        _say_when_unknown(models)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            model = st.selectbox("Which version of", models, key="audit.of", bind="query-params", width=220)
            stage = st.selectbox("was in", list(SLOTS.values()), key="audit.stage", bind="query-params", width=140)
            day = st.date_input(
                "on",
                now().date(),
                min_value=EARLIEST,
                key="audit.on",
                bind="query-params",
                format="DD/MM/YYYY",
                width=150,
            )
            clock = st.time_input("at", None, key="audit.at", bind="query-params", width=110, help="Empty: the whole day")
            zone = st.selectbox("of time zone", _zones(), key="audit.zone", bind="query-params", width=170)
            offset = _which(day, clock, zone)
        try:
            when = read_when(_asked(day, clock) + offset, now(), zone)
        except PodiumError as error:
            show(error)
            return
        slot: Slot = "production" if stage == "Production" else "staging"
        _answered(found, model, as_of(found.records[model].reading.entries, slot, when, found.records[model].held))


def _say_when_unknown(models: list[str]) -> None:
    """A link may name a model that never had a record here: the answer must not seem to be about that one."""
    asked = st.query_params.get("audit.of")
    if asked and asked not in models:
        st.warning(f"There is no record of a model {md(asked)}. Below is another one.", icon=":material/search_off:")


@cache
def _named_zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))))


def _zones() -> list[str]:
    """UTC, the zone of this browser, then every other."""
    here = st.context.timezone or UTC_NAME
    return list(dict.fromkeys([UTC_NAME, *([here] if here in _named_zones() else []), *_named_zones()]))


def _asked(day: date | None, clock: time | None) -> str:
    """The day, or the instant, as text."""
    day = day or now().date()
    return f"{day:%Y-%m-%d}" if clock is None else f"{day:%Y-%m-%d}T{clock:%H:%M}"


def _which(day: date | None, clock: time | None, zone: str) -> str:
    """Where clocks were put back, a time came twice: let the person say which of the two. Gives its offset, else nothing."""
    if day is None or clock is None:
        return ""
    both = [datetime.combine(day, clock, ZoneInfo(zone)).replace(fold=fold) for fold in (0, 1)]
    first, second = (f"{one:%z}"[:3] + ":" + f"{one:%z}"[3:5] for one in both)
    if not twice(both[0]) or both[0].astimezone(UTC) > both[1].astimezone(UTC):  # once, or never
        return ""
    names = {first: "the first", second: "the second, clocks put back"}
    kept = st.segmented_control(
        "which came twice", list(names), default=first, format_func=names.__getitem__, key="audit.which", required=True
    )
    return str(kept)


def _answered(found: Registry, model: str, answer: Answer) -> None:
    left, right = st.columns([9, 11], gap="large", vertical_alignment="center")
    with left:
        line = sentence(answer)
        (st.header if len(line) <= LONG_LINE else st.subheader)(md(line), anchor=False)
        for held in answer.holders[:3]:
            st.markdown(_why(held, answer.when.zone))
        if len(answer.holders) > 3:
            st.caption(f"Showing 3 of {len(answer.holders)} holders.")
        with st.container(horizontal=True, gap="small"):
            _why_buttons(found, model, answer)
            answer_packet(model, answer.slot, answer.when)
    with right:
        drawn = bars([(SLOTS[h.slot], h) for h in every_holding(found.records[model].reading.entries)], now())
        if len(drawn):
            chart = strip(drawn, ink(), list(SLOTS.values()), mark=_mark(answer.when, drawn.since.min().to_pydatetime()))
            key = "audit.strip." + hashlib.sha256(model.encode()).hexdigest()[:12]
            st.altair_chart(
                clickable(chart),
                key=key,
                alt=f"Holdings of {model}; {sentence(answer)}",
                on_select=partial(_clicked, key, _ids(found, model)),
                selection_mode="holding",
            )
            st.caption("Click a bar for its entry · drag to move, Shift and wheel to zoom")
    if (look := found.looks.get(model)) and look.seen.created is None:
        st.caption(
            ":material/delete: This model was deleted from the registry. Its record stays, and answers for the time before."
        )
    if any(one.why == BEFORE and one.until and answer.when.last <= one.until for one in answer.unknown):
        _before(model)
    st.caption("The answer in words, to send on")
    told = plain(statement(model, answer))
    st.code(told, language=None, wrap_lines=True, height="content" if len(answer.holders) <= 1 else 190)


def _before(model: str) -> None:
    """The way to an answer for a time before the record."""
    st.caption(
        "That is before the record begins. Decisions of that time can be imported from a file, and stay marked as imported:"
    )
    st.code(f"python -m lib import {shlex.quote(plain(model))} history.csv", language="bash")


def _why_buttons(found: Registry, model: str, answer: Answer) -> None:
    """The way to the decision behind each holder that is shown."""
    proof = {place for holder in answer.holders[:3] for place in holder.entries}
    decided = [e for e in found.records[model].reading.entries if e.place in proof and _decides(e.body)]
    for entry in decided[:3]:
        st.button(
            f"Why: entry {entry.place}",
            icon=":material/gavel:",
            key=f"audit.why.{entry.id}",
            on_click=open_entry,
            args=(entry.id,),
        )


def _decides(body: Body) -> bool:
    return isinstance(body, Decided) or (isinstance(body, Imported) and body.of == "DECIDED")


def _ids(found: Registry, model: str) -> dict[int, str]:
    return {entry.place: entry.id for entry in found.records[model].reading.entries}


def _clicked(key: str, ids: Mapping[int, str]) -> None:
    """Open the entry by which a holding began."""
    picked = st.session_state[key]["selection"].get("holding") or []
    if picked and (entry_id := ids.get(picked[0].get("place", 0))):
        open_entry(entry_id)


def _mark(when: When, begins: datetime) -> datetime | None:
    """Where to draw what was asked about: a day in its middle, nothing for a time before the record."""
    if when.last < begins:
        return None
    return max(begins, when.at + (when.last - when.at) / 2)


def _why(held: Holder, zone: str) -> str:
    """Who put a version there, when, why, and what it had measured; the places of the entries that prove it."""
    told = f"{version(held.version)} since {said(held.since, zone).replace(' ', NARROW)}"
    if held.reason:
        told += f", put there by **{md(held.by.name)}**: *{md(held.reason.text)}* ({CATEGORIES.get(held.reason.category, 'other').lower()})"
    else:
        told += ", without a decision in the record"
    names = telling(name for name, value in held.metrics.items() if isinstance(value, float | int))
    numbers = [(name, held.metrics[name]) for name in names][:2]
    measured = " · ".join(f"{md(name)} {_figure(float(value))}" for name, value in numbers)
    proof = ", ".join(str(place) for place in held.entries)
    return f"{told}. {measured}  \n:gray[Entries {proof}{_imported(held)}]"


def _figure(value: float) -> str:
    """A metric; a large whole number is a count and needs no decimals."""
    return f"{value:,.0f}" if abs(value) >= 10 and value.is_integer() else score(value)


def _imported(held: Holder) -> str:
    return f" · imported from {md(held.imported.source.name)}" if held.imported else ""
