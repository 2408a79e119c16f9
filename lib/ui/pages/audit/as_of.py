"""The as-of query: which version held a stage at a given time, who moved it there, and why. Its inputs are in the URL."""

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
from lib.ledger.queries.as_of import BEFORE_RECORD, AsOfAnswer, Holder, verify_holders
from lib.ledger.queries.as_of_text import answer_sentence, answer_text
from lib.ledger.queries.time_query import TimeQuery, format_local_time, is_in_gap_or_fold, parse_time_query
from lib.ledger.queries.version_metrics import main_metrics
from lib.ledger.state.imported_holdings import all_holdings
from lib.registry.audit_queries import AsOfQuery, answer_from_status
from lib.text import strip_invisible
from lib.ui.app.session import current_backend, now, trusted_keys
from lib.ui.components.badges import chart_colors
from lib.ui.components.data_table import hashed_key
from lib.ui.components.error_box import show_error
from lib.ui.components.formatting import NBSP, escape, format_metric, version_label
from lib.ui.components.layout import card
from lib.ui.pages.audit.entry_table import open_entry
from lib.ui.pages.audit.packet_button import answer_packet_button
from lib.ui.queries.registry import LoadedRegistry, has_unexplained_record

EARLIEST_DATE = date(2000, 1, 1)
UTC_NAME = "UTC"
MAX_HEADLINE_LENGTH = 90
"""Longer answers, such as many moves on one day, are shown as a subheader."""


def show_as_of_query(registry: LoadedRegistry) -> None:
    """Ask for a model, a stage and a day or instant, and show the answer as one sentence with its reason."""
    models = sorted(model for model, state in registry.states.items() if state.is_opened)
    if not models:
        return
    with card(key="audit.asof"):
        _warn_unknown_model(models)
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
            time_of_day = st.time_input(
                "at", None, key="audit.at", bind="query-params", width=110, help="Leave empty for the entire day"
            )
            zone = st.selectbox("in time zone", _zone_names(), key="audit.zone", bind="query-params", width=170)
            offset = _ask_offset(day, time_of_day, zone)
        at = now()
        try:
            when = parse_time_query(_time_text(day, time_of_day) + offset, at, zone)
        except PodiumError as error:
            show_error(error)
            return
        slot: Slot = "production" if stage == "Production" else "staging"
        result = answer_from_status(registry.statuses[model], AsOfQuery(slot, when, at))
        _show_answer(registry, model, verify_holders(result.answer, result.book, trusted_keys()))


def _warn_unknown_model(models: list[str]) -> None:
    """Warn if the link names a model without a record, so the answer is not mistaken for that model's."""
    requested_model = st.query_params.get("audit.of")
    if requested_model and requested_model not in models:
        subject = "No index points to a record" if has_unexplained_record(current_backend()) else "There is no record"
        st.warning(f"{subject} of a model {escape(requested_model)}. Showing another model.", icon=":material/search_off:")


@cache
def _named_zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))))


def _zone_names() -> list[str]:
    """Return UTC, the browser's time zone, then all others."""
    browser_zone = st.context.timezone or UTC_NAME
    return list(dict.fromkeys([UTC_NAME, *([browser_zone] if browser_zone in _named_zones() else []), *_named_zones()]))


def _time_text(day: date | None, time_of_day: time | None) -> str:
    """Return the day or instant as text."""
    day = day or now().date()
    return f"{day:%Y-%m-%d}" if time_of_day is None else f"{day:%Y-%m-%d}T{time_of_day:%H:%M}"


def _ask_offset(day: date | None, time_of_day: time | None, zone: str) -> str:
    """Ask which of the two is meant when the clocks went back. Returns its UTC offset, or an empty string if unambiguous."""
    if day is None or time_of_day is None:
        return ""
    instants = [datetime.combine(day, time_of_day, ZoneInfo(zone)).replace(fold=fold) for fold in (0, 1)]
    first_offset, second_offset = (f"{instant:%z}"[:3] + ":" + f"{instant:%z}"[3:5] for instant in instants)
    if not is_in_gap_or_fold(instants[0]) or instants[0].astimezone(UTC) > instants[1].astimezone(UTC):  # once, or never
        return ""
    labels = {first_offset: "first occurrence", second_offset: "second, after the clocks went back"}
    offset = st.segmented_control(
        "which occurred twice",
        list(labels),
        default=first_offset,
        format_func=labels.__getitem__,
        key="audit.which",
        required=True,
    )
    return str(offset)


def _show_answer(registry: LoadedRegistry, model: str, answer: AsOfAnswer) -> None:
    left_column, right_column = st.columns([9, 11], gap="large", vertical_alignment="center")
    with left_column:
        sentence = answer_sentence(answer)
        (st.header if len(sentence) <= MAX_HEADLINE_LENGTH else st.subheader)(escape(sentence), anchor=False)
        for holder in answer.holders[:3]:
            st.markdown(_holder_text(holder, answer.query.zone))
        if len(answer.holders) > 3:
            st.caption(f"Showing 3 of {len(answer.holders)} holders.")
        with st.container(horizontal=True, gap="small"):
            _decision_buttons(registry, model, answer)
            answer_packet_button(model, answer.slot, answer.query)
    with right_column:
        bars = bar_table([(SLOTS[h.slot], h) for h in all_holdings(registry.states[model].book.entries)], now())
        if len(bars):
            chart = holdings_chart(
                bars, chart_colors(), list(SLOTS.values()), marked_at=_query_mark(answer.query, bars.since.min().to_pydatetime())
            )
            key = hashed_key("audit.strip", model)
            st.altair_chart(
                make_clickable(chart),
                key=key,
                alt=f"Holdings of {model}; {answer_sentence(answer)}",
                on_select=partial(_open_selected_entry, key, _entry_ids(registry, model)),
                selection_mode="holding",
            )
            st.caption("Click a bar for its entry · drag to move, Shift and wheel to zoom")
    if (status := registry.statuses.get(model)) and status.snapshot.created_at is None:
        st.caption(":material/delete: This model was deleted from the registry. Its record still covers the time before.")
    if any(
        interval.explanation == BEFORE_RECORD and interval.until and answer.query.end <= interval.until
        for interval in answer.unknown
    ):
        _show_import_hint(model)
    st.caption("The answer as text, for sharing")
    text = strip_invisible(answer_text(model, answer))
    st.code(text, language=None, wrap_lines=True, height="content" if len(answer.holders) <= 1 else 190)


def _show_import_hint(model: str) -> None:
    """Show how to import decisions made before the record began."""
    st.caption(
        "This is before the record begins. Decisions from that time can be imported from a file and are marked as imported:"
    )
    st.code(f"python -m lib import {shlex.quote(strip_invisible(model))} history.csv", language="bash")


def _decision_buttons(registry: LoadedRegistry, model: str, answer: AsOfAnswer) -> None:
    """Show a button to the decision behind each displayed holder."""
    proof_positions = {position for holder in answer.holders[:3] for position in holder.entry_positions}
    decisions = [
        entry for entry in registry.states[model].book.entries if entry.position in proof_positions and _is_decision(entry.body)
    ]
    for entry in decisions[:3]:
        st.button(
            f"Why: entry {entry.position}",
            icon=":material/gavel:",
            key=f"audit.why.{entry.id}",
            on_click=open_entry,
            args=(entry.id,),
        )


def _is_decision(body: Body) -> bool:
    return isinstance(body, Decided) or (isinstance(body, Imported) and body.of == "DECIDED")


def _entry_ids(registry: LoadedRegistry, model: str) -> dict[int, str]:
    return {entry.position: entry.id for entry in registry.states[model].book.entries}


def _open_selected_entry(key: str, ids: Mapping[int, str]) -> None:
    """Open the entry that began the selected holding."""
    selection = st.session_state[key]["selection"].get("holding") or []
    if selection and (entry_id := ids.get(selection[0].get("place", 0))):
        open_entry(entry_id)


def _query_mark(when: TimeQuery, record_start: datetime) -> datetime | None:
    """Return where to mark the query on the chart: the middle of a day, or None before the record begins."""
    if when.end < record_start:
        return None
    return max(record_start, when.at + (when.end - when.at) / 2)


def _holder_text(holder: Holder, zone: str) -> str:
    """Return who moved the version there, when and why, its main metrics, and the positions of the supporting entries."""
    text = f"{version_label(holder.version)} since {format_local_time(holder.since, zone).replace(' ', NBSP)}"
    if holder.reason:
        text += f", moved there by **{escape(holder.displayed_name)}**: *{escape(holder.reason.text)}* ({REASON_CATEGORIES.get(holder.reason.category, 'other').lower()})"
    else:
        text += ", without a decision in the record"
    names = main_metrics(name for name, value in holder.metrics.items() if isinstance(value, float | int))
    metrics = [(name, holder.metrics[name]) for name in names][:2]
    metrics_text = " · ".join(f"{escape(name)} {_format_value(float(value))}" for name, value in metrics)
    positions = ", ".join(str(position) for position in holder.entry_positions)
    return f"{text}. {metrics_text}  \n:gray[Entries {positions}{_import_source_text(holder)}]"


def _format_value(value: float) -> str:
    """Format a metric value; integers from 10 up are counts and get no decimals."""
    return f"{value:,.0f}" if abs(value) >= 10 and value.is_integer() else format_metric(value)


def _import_source_text(holder: Holder) -> str:
    return f" · imported from {escape(holder.import_body.source.name)}" if holder.import_body else ""
