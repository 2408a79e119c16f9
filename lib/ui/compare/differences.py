"""Picked runs side by side: only what differs, with a signed change and a word for two of them."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.direction import titled
from lib.runs.plots.charts import LETTERS
from lib.runs.table import Difference, differences, held_out, same, subset, top_two
from lib.runs.values import RunTable
from lib.ui.cards import card, empty, table
from lib.ui.compare.view import View, keep
from lib.ui.text import NARROW, count, md

MARKS = ("━", "╍", "┅", "━╍")
COLORS = {"better": "green", "worse": "red", "same": "gray"}


def difference_card(view: View, whole: RunTable, listed: Sequence[str]) -> None:
    """Two to four picked runs against each other; with fewer, the next step. `listed` are the runs in the table."""
    compared = view.pick[: len(LETTERS)]
    if len(compared) < 2:
        _pick_two(view, whole)
        return
    letters = LETTERS[: len(compared)]
    title = f"{', '.join(letters[:-1])} and {letters[-1]}"
    with card(title, "only what differs"):
        _who(whole, compared)
        _rows(whole, compared, view.color)
        _foot(whole, view.pick, listed)


def _pick_two(view: View, whole: RunTable) -> None:
    if len(whole) < 2:
        return
    with card("Side by side", "one picked" if view.pick else "nothing picked"):
        empty("compare_arrows", "Pick two runs", "Tick them in the table: what differs between them stands here.")
        pair = top_two(whole, view.color) if view.color else []
        if len(pair) == 2:
            with st.container(horizontal_alignment="center"):
                st.button("Compare the best two", key="compare.best_two", on_click=keep, kwargs={"pick": tuple(pair)})
        st.space("small")


def _who(whole: RunTable, compared: Sequence[str]) -> None:
    names = whole.identity.name.loc[list(compared)]
    with st.container(gap="xsmall"):
        for letter, mark, run_id in zip(LETTERS, MARKS, compared, strict=False):
            twin = f" :gray[{run_id[:8]}]" if (names == names[run_id]).sum() > 1 else ""
            st.markdown(f":gray-badge[{letter} {mark}] {md(names[run_id] or run_id)}{twin}")


def _rows(whole: RunTable, compared: Sequence[str], color: str) -> None:
    found = differences(whole, compared, color)
    if not found:
        st.caption("Nothing differs: the same metrics, parameters, data and code.")
        return
    letters = list(LETTERS[: len(compared)])
    two = len(compared) == 2
    heads = [" ", *letters, *(["A − B"] if two else [])]
    table([(f":gray[{_named(one)}]", *map(md, one.values), *([_change(one)] if two else [])) for one in found], heads)


def _named(one: Difference) -> str:
    return md(titled(one.name).replace(" ↑", f"{NARROW}↑").replace(" ↓", f"{NARROW}↓") if one.kind == "metric" else one.name)


def _change(one: Difference) -> str:
    word = f" :{COLORS[one.verdict]}[{one.verdict}]" if one.verdict else ""
    return md(one.change) + word


def _foot(whole: RunTable, picked: Sequence[str], listed: Sequence[str]) -> None:
    compared = picked[: len(LETTERS)]
    notes = []
    if hidden := [letter for letter, run_id in zip(LETTERS, compared, strict=False) if run_id not in set(listed)]:
        notes.append(f"Not in the table: {', '.join(hidden)}.")
    if alike := same(whole, compared):
        notes.append(f"{count(alike, 'metric or parameter', 'metrics and parameters')} {'is' if alike == 1 else 'are'} the same.")
    if len(picked) > len(compared):
        notes.append(f"{count(len(picked) - len(compared), 'more picked run')} not shown: four stand side by side.")
    if rows := held_out(subset(whole, compared)):
        notes.append(f"One run each on {count(rows, 'row')}: a difference of one row is no evidence yet.")
    if notes:
        st.caption(" ".join(notes))
    st.button("Clear the picks", type="tertiary", key="compare.let_go", on_click=keep, kwargs={"pick": (), "only": ""})
