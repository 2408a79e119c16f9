"""Picked runs side by side: only what differs, with a signed change and a word for two of them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from lib.runs.analysis.comparison import ComparisonRow, compare_runs, count_equal_rows
from lib.runs.analysis.metric_direction import metric_title
from lib.runs.plots.style import LETTERS
from lib.runs.table.run_table import subset, test_row_count, top_two_runs
from lib.runs.table.types import RunTable
from lib.ui.app.routes import page_link
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.compare.view_state import ViewState, update_url

LINE_SYMBOLS = ("━", "╍", "┅", "━╍")
SHOWN_KINDS = ("metric", "parameter", "data", "code")
VERDICT_COLORS = {"better": "green", "worse": "red", "same": "gray"}


def show_differences(
    view: ViewState, all_runs: RunTable, listed_run_ids: Sequence[str], experiment_names: Mapping[str, str]
) -> None:
    """Two to four picked runs against each other; with fewer, the next step.

    `listed` are the runs in the table, `names` those of the experiments by id.
    """
    compared = view.pick[: len(LETTERS)]
    if len(compared) < 2:
        _pick_two(view, all_runs)
        return
    letters = LETTERS[: len(compared)]
    title = f"{', '.join(letters[:-1])} and {letters[-1]}"
    with card(title, "only what differs"):
        _who(all_runs, compared, experiment_names if len(view.experiment) > 1 else {})
        found = [row for row in compare_runs(subset(all_runs, compared), compared[1], view.color) if row.kind in SHOWN_KINDS]
        _rows(found, letters)
        _foot(all_runs, view.pick, listed_run_ids, count_equal_rows(found))


def _pick_two(view: ViewState, whole: RunTable) -> None:
    """What to do next, and the way to the one run that is picked."""
    if len(whole) < 2 and not view.pick:
        return
    with card("Side by side", "one picked" if view.pick else "nothing picked"):
        for run_id in view.pick:
            page_link(f"Open {escape(whole.identity.name[run_id] or run_id)}", "run", icon="open_in_new", query={"run": run_id})
        if len(whole) < 2:
            return
        show_empty_state("compare_arrows", "Pick two runs", "Tick them in the table: what differs between them stands here.")
        pair = top_two_runs(whole, view.color) if view.color else []
        if len(pair) == 2:
            with st.container(horizontal_alignment="center"):
                st.button("Compare the best two", key="compare.best_two", on_click=update_url, kwargs={"pick": tuple(pair)})
        st.space("small")


def _who(whole: RunTable, compared: Sequence[str], homes: Mapping[str, str]) -> None:
    """A chip per run that leads to its page; two of one name, and runs of several experiments, are told apart."""
    names, experiments = (whole.identity[what].loc[list(compared)] for what in ("name", "experiment"))
    with st.container(gap=None):
        for letter, mark, run_id in zip(LETTERS, LINE_SYMBOLS, compared, strict=False):
            twin = [run_id[:8]] if (names == names[run_id]).sum() > 1 else []
            home = [homes[experiments[run_id]]] if experiments[run_id] in homes else []
            more = f" :gray[{escape(' · '.join([*home, *twin]))}]" if home or twin else ""
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
                st.markdown(f":gray-badge[{letter} {mark}]", width="content")
                page_link(f"{escape(names[run_id] or run_id)}{more}", "run", icon="open_in_new", query={"run": run_id})


def _rows(found: Sequence[ComparisonRow], letters: str) -> None:
    differing = [row for row in found if row.is_different]
    if not differing:
        st.caption("Nothing differs: the same metrics, parameters, data and code.")
        return
    two = len(letters) == 2
    heads = [" ", *letters, *(["A − B"] if two else [])]
    show_table(
        [(f":gray[{_named(row)}]", *map(escape, row.values), *([_change(row)] if two else [])) for row in differing], heads
    )


def _named(row: ComparisonRow) -> str:
    return escape(
        metric_title(row.name).replace(" ↑", f"{NBSP}↑").replace(" ↓", f"{NBSP}↓") if row.kind == "metric" else row.name
    )


def _change(row: ComparisonRow) -> str:
    """How far A is from B."""
    word = f" :{VERDICT_COLORS[row.verdicts[0]]}[{row.verdicts[0]}]" if row.verdicts[0] else ""
    return escape(row.changes[0]) + word


def _foot(whole: RunTable, picked: Sequence[str], listed: Sequence[str], same: int) -> None:
    compared = picked[: len(LETTERS)]
    notes = []
    if hidden := [letter for letter, run_id in zip(LETTERS, compared, strict=False) if run_id not in set(listed)]:
        notes.append(f"Not in the table: {', '.join(hidden)}.")
    if same:
        notes.append(
            f"{format_count(same, 'metric or parameter', 'metrics and parameters')} {'is' if same == 1 else 'are'} the same."
        )
    if len(picked) > len(compared):
        notes.append(f"{format_count(len(picked) - len(compared), 'more picked run')} not shown: four stand side by side.")
    if rows := test_row_count(subset(whole, compared)):
        notes.append(f"One run each on {format_count(rows, 'row')}: a difference of one row is no evidence yet.")
    if notes:
        st.caption(" ".join(notes))
    st.button("Clear the picks", type="tertiary", key="compare.let_go", on_click=update_url, kwargs={"pick": (), "only": ""})
