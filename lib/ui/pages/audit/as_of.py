"""The question Podium exists for: which version held a stage then, who put it there, and why. The address carries the question."""

import hashlib
import shlex
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache, partial
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from lib.errors import PodiumError
from lib.ledger.charts.holdings_chart import bar_table, holdings_chart, make_clickable
from lib.ledger.entry.types import Body, Decided, Imported
from lib.ledger.entry.vocabulary import REASON_CATEGORIES, SLOTS, Slot
from lib.ledger.queries.as_of import BEFORE_RECORD, AsOfAnswer, Holder, as_of
from lib.ledger.queries.as_of_text import answer_sentence, answer_text
from lib.ledger.queries.time_query import TimeQuery, format_local_time, is_in_gap_or_fold, parse_time_query
from lib.ledger.queries.version_metrics import main_metrics
from lib.ledger.state.imported_holdings import all_holdings
from lib.ui.app.session import now
from lib.ui.components.chart_theme import chart_colors
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import NBSP, escape, format_metric, strip_invisible, version_label
from lib.ui.components.layout import card
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.pages.audit.packet_button import answer_packet_button
from lib.ui.queries.registry import LoadedRegistry

EARLIEST_DATE = date(2000, 1, 1)
UTC_NAME = "UTC"
MAX_HEADLINE_LENGTH = 90
"""A longer answer is no headline: many moves on one day."""


def show_as_of_query(registry: LoadedRegistry) -> None:
    """Ask for a model, a stage and a day or an instant; the answer stands below as one sentence with its reason."""
    models = sorted(model for model, state in registry.states.items() if state.is_opened)
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
                min_value=EARLIEST_DATE,
                key="audit.on",
                bind="query-params",
                format="DD/MM/YYYY",
                width=150,
            )
            clock = st.time_input("at", None, key="audit.at", bind="query-params", width=110, help="Empty: the whole day")
            zone = st.selectbox("of time zone", _zones(), key="audit.zone", bind="query-params", width=170)
            offset = _which(day, clock, zone)
        try:
            when = parse_time_query(_asked(day, clock) + offset, now(), zone)
        except PodiumError as error:
            show_error(error)
            return
        slot: Slot = "production" if stage == "Production" else "staging"
        _answered(registry, model, as_of(registry.states[model].book.entries, slot, when, registry.states[model].holdings))


def _say_when_unknown(models: list[str]) -> None:
    """A link may name a model that never had a record here: the answer must not seem to be about that one."""
    asked = st.query_params.get("audit.of")
    if asked and asked not in models:
        st.warning(f"There is no record of a model {escape(asked)}. Below is another one.", icon=":material/search_off:")


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
    if not is_in_gap_or_fold(both[0]) or both[0].astimezone(UTC) > both[1].astimezone(UTC):  # once, or never
        return ""
    names = {first: "the first", second: "the second, clocks put back"}
    kept = st.segmented_control(
        "which came twice", list(names), default=first, format_func=names.__getitem__, key="audit.which", required=True
    )
    return str(kept)


def _answered(found: LoadedRegistry, model: str, answer: AsOfAnswer) -> None:
    left, right = st.columns([9, 11], gap="large", vertical_alignment="center")
    with left:
        line = answer_sentence(answer)
        (st.header if len(line) <= MAX_HEADLINE_LENGTH else st.subheader)(escape(line), anchor=False)
        for held in answer.holders[:3]:
            st.markdown(_why(held, answer.query.zone))
        if len(answer.holders) > 3:
            st.caption(f"Showing 3 of {len(answer.holders)} holders.")
        with st.container(horizontal=True, gap="small"):
            _why_buttons(found, model, answer)
            answer_packet_button(model, answer.slot, answer.query)
    with right:
        drawn = bar_table([(SLOTS[h.slot], h) for h in all_holdings(found.states[model].book.entries)], now())
        if len(drawn):
            chart = holdings_chart(
                drawn, chart_colors(), list(SLOTS.values()), marked_at=_mark(answer.query, drawn.since.min().to_pydatetime())
            )
            key = "audit.strip." + hashlib.sha256(model.encode()).hexdigest()[:12]
            st.altair_chart(
                make_clickable(chart),
                key=key,
                alt=f"Holdings of {model}; {answer_sentence(answer)}",
                on_select=partial(_clicked, key, _ids(found, model)),
                selection_mode="holding",
            )
            st.caption("Click a bar for its entry · drag to move, Shift and wheel to zoom")
    if (look := found.statuses.get(model)) and look.snapshot.created_at is None:
        st.caption(
            ":material/delete: This model was deleted from the registry. Its record stays, and answers for the time before."
        )
    if any(one.explanation == BEFORE_RECORD and one.until and answer.query.end <= one.until for one in answer.unknown):
        _before(model)
    st.caption("The answer in words, to send on")
    told = strip_invisible(answer_text(model, answer))
    st.code(told, language=None, wrap_lines=True, height="content" if len(answer.holders) <= 1 else 190)


def _before(model: str) -> None:
    """The way to an answer for a time before the record."""
    st.caption(
        "That is before the record begins. Decisions of that time can be imported from a file, and stay marked as imported:"
    )
    st.code(f"python -m lib import {shlex.quote(strip_invisible(model))} history.csv", language="bash")


def _why_buttons(found: LoadedRegistry, model: str, answer: AsOfAnswer) -> None:
    """The way to the decision behind each holder that is shown."""
    proof = {place for holder in answer.holders[:3] for place in holder.entry_positions}
    decided = [e for e in found.states[model].book.entries if e.position in proof and _decides(e.body)]
    for entry in decided[:3]:
        st.button(
            f"Why: entry {entry.position}",
            icon=":material/gavel:",
            key=f"audit.why.{entry.id}",
            on_click=open_entry,
            args=(entry.id,),
        )


def _decides(body: Body) -> bool:
    return isinstance(body, Decided) or (isinstance(body, Imported) and body.of == "DECIDED")


def _ids(found: LoadedRegistry, model: str) -> dict[int, str]:
    return {entry.position: entry.id for entry in found.states[model].book.entries}


def _clicked(key: str, ids: Mapping[int, str]) -> None:
    """Open the entry by which a holding began."""
    picked = st.session_state[key]["selection"].get("holding") or []
    if picked and (entry_id := ids.get(picked[0].get("place", 0))):
        open_entry(entry_id)


def _mark(when: TimeQuery, begins: datetime) -> datetime | None:
    """Where to draw what was asked about: a day in its middle, nothing for a time before the record."""
    if when.end < begins:
        return None
    return max(begins, when.at + (when.end - when.at) / 2)


def _why(held: Holder, zone: str) -> str:
    """Who put a version there, when, why, and what it had measured; the places of the entries that prove it."""
    told = f"{version_label(held.version)} since {format_local_time(held.since, zone).replace(' ', NBSP)}"
    if held.reason:
        told += f", put there by **{escape(held.actor.name)}**: *{escape(held.reason.text)}* ({REASON_CATEGORIES.get(held.reason.category, 'other').lower()})"
    else:
        told += ", without a decision in the record"
    names = main_metrics(name for name, value in held.metrics.items() if isinstance(value, float | int))
    numbers = [(name, held.metrics[name]) for name in names][:2]
    measured = " · ".join(f"{escape(name)} {_figure(float(value))}" for name, value in numbers)
    proof = ", ".join(str(place) for place in held.entry_positions)
    return f"{told}. {measured}  \n:gray[Entries {proof}{_imported(held)}]"


def _figure(value: float) -> str:
    """A metric; a large whole number is a count and needs no decimals."""
    return f"{value:,.0f}" if abs(value) >= 10 and value.is_integer() else format_metric(value)


def _imported(held: Holder) -> str:
    return f" · imported from {escape(held.import_body.source.name)}" if held.import_body else ""
