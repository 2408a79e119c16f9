"""The facets of Compare: conditions without grammar, each a widget in the popover and a chip below the toolbar."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from lib.runs.analysis.metric_direction import titled
from lib.runs.filters.facet_options import Offer, offered
from lib.runs.filters.facets import AnyOf, Facet, Holds, Range, has_numbers, read, text
from lib.runs.table.number_format import setting, short_labels
from lib.runs.table.run_table import METRIC
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.pages.compare.view_state import View, asked, keep, said, told_apart

FEW = 12
"""Different values up to which numbers of a parameter are ticked one by one instead of by a range."""
ADD = "compare.narrow"


def known(texts: Sequence[str]) -> list[Facet]:
    """The facets of an address; what is none is left out."""
    return [facet for one in texts if (facet := read(one)) is not None]


def facet_widgets(view: View, whole: RunTable) -> None:
    """A select box that adds a facet, and a widget for each that is there."""
    offers = {offer.column: offer for offer in offered(whole)}
    there = known(view.facet)
    options = told_apart(offers, called)
    st.selectbox(
        "Narrow by",
        [column for column in offers if column not in {one.column for one in there}],
        index=None,
        format_func=options.__getitem__,
        placeholder="A metric, parameter, tag or fact",
        key=ADD,
        on_change=_add,
        args=(offers,),
    )
    for facet in there:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            _widget(facet, offers.get(facet.column, Offer(facet.column)))
            st.button("Remove", icon=":material/close:", type="tertiary", key=_key(facet, "gone"), on_click=drop, args=(facet,))


def called(column: str) -> str:
    """A column as people read it; a metric with its arrow."""
    return titled(said(column)) if column.startswith(METRIC) else said(column)


def chips(view: View) -> None:
    """Every facet as a button that takes it away."""
    there = known(view.facet)
    if not there:
        return
    with st.container(horizontal=True, gap="xsmall"):
        for facet in there:
            st.button(
                md(sentence(facet)),
                icon=":material/close:",
                key=_key(facet, "chip"),
                on_click=drop,
                args=(facet,),
                help="Take this condition away",
            )


def sentence(facet: Facet) -> str:
    """A facet in words: "accuracy 0.9 to 1", "max_features is sqrt or not set", "name has forest"."""
    name = said(facet.column)
    if isinstance(facet, Holds):
        return f"{name} has {facet.part[:40] or 'a value'}"
    if isinstance(facet, AnyOf):
        cut = short_labels([value for value in facet.values if value is not None], 30)
        values = ["not set" if value is None else cut[value] for value in facet.values]
        more = f" or {len(values) - 3} more" if len(values) > 3 else ""
        return f"{name} is {' or '.join(values[:3]) or 'any'}{more}"
    low, high = (setting(end) if end is not None else "" for end in (facet.least, facet.most))
    return (
        f"{name} {low} to {high}"
        if low and high
        else f"{name} from {low}"
        if low
        else f"{name} up to {high}"
        if high
        else f"{name} is set"
    )


def drop(facet: Facet) -> None:
    """Take a facet out of the address."""
    keep(facet=tuple(one for one in asked().facet if one != text(facet)))


def change(old: Facet, new: Facet) -> None:
    """Put another facet in the place of one."""
    keep(facet=tuple(text(new) if one == text(old) else one for one in asked().facet))


def _add(offers: dict[str, Offer]) -> None:
    column = st.session_state[ADD]
    st.session_state[ADD] = None
    if column in offers:
        keep(facet=(*asked().facet, text(_first(offers[column]))))


def _first(offer: Offer) -> Facet:
    """The widest facet of a column: it leaves every run that has a value."""
    if has_numbers(offer.column) and offer.least is not None and (offer.different > FEW or not offer.values):
        return Range(offer.column)
    if offer.column == "name" or not offer.values:
        return Holds(offer.column, "")
    return AnyOf(offer.column, tuple(value for value, _ in offer.values[:FEW]) + ((None,) if offer.missing else ()))


def _widget(facet: Facet, offer: Offer) -> None:
    name = called(facet.column)
    if isinstance(facet, Range):
        st.number_input(f"{name} from", format="%g", placeholder=setting(offer.least), **_bound(facet, "least"))
        st.number_input(f"{name} to", format="%g", placeholder=setting(offer.most), **_bound(facet, "most"))
    elif isinstance(facet, AnyOf):
        _values(facet, offer)
    else:
        st.text_input(f"{name} has", **_bound(facet, "part"))


def _values(facet: AnyOf, offer: Offer) -> None:
    counts: dict[str | None, int] = dict(offer.values) | ({None: offer.missing} if offer.missing else {})
    st.multiselect(
        f"{called(facet.column)} is",
        [*counts, *(value for value in facet.values if value not in counts)],
        format_func=lambda value: f"{'not set' if value is None else value} ({count(counts.get(value, 0), 'run')})",
        **_bound(facet, "values"),
    )


def _bound(facet: Facet, name: str) -> dict[str, Any]:
    """Key and callback of a widget that shows one part of a facet and writes the facet anew when a person moves it."""
    key, value = _key(facet, name), getattr(facet, name)
    shown = list(value) if isinstance(value, tuple) else value
    if st.session_state.get(key, ...) != shown:
        st.session_state[key] = shown
    return {"key": key, "on_change": _follow, "args": (facet, name, key)}


def _follow(facet: Facet, name: str, key: str) -> None:
    value = st.session_state[key]
    changed: Any = {name: tuple(value) if isinstance(value, list) else value}
    change(facet, replace(facet, **changed))


def _key(facet: Facet, name: str) -> str:
    """By the column and the kind of condition, never by its place in the list."""
    return f"compare.facet.{name}.{hashlib.sha256(f'{type(facet).__name__} {facet.column}'.encode()).hexdigest()[:12]}"
