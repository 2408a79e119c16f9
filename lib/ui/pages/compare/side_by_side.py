"""Picked runs side by side: only differing rows, with signed change and verdict for a pair."""

from collections.abc import Mapping, Sequence

import streamlit as st

from lib.runs.analysis.comparison import MAX_RUNS, ComparisonRow, compare_runs, count_equal_rows
from lib.runs.plots.style import LETTERS
from lib.runs.table.run_table import column_direction, subset, test_row_count, top_two_runs
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.app.page_links import page_link
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import card, show_empty_state, show_table
from lib.ui.pages.compare.view_state import update_url

LINE_SYMBOLS = ("━", "╍", "┅", "━╍")
SHOWN_KINDS = ("metric", "parameter", "data", "code")
VERDICT_COLORS = {"better": "green", "worse": "red", "same": "gray"}


def show_differences(
    view: ViewState, all_runs: RunTable, listed_run_ids: Sequence[str], experiment_names: Mapping[str, str]
) -> None:
    """Show two to four picked runs side by side; with fewer, the next step.

    `listed_run_ids` are the runs in the table; `experiment_names` maps ids to names.
    """
    compared_run_ids = view.pick[: len(LETTERS)]
    if len(compared_run_ids) < 2:
        _show_pick_hint(view, all_runs)
        return
    letters = LETTERS[: len(compared_run_ids)]
    title = f"{', '.join(letters[:-1])} and {letters[-1]}"
    with card(title, "differences only"):
        _show_run_links(all_runs, compared_run_ids, experiment_names if len(view.experiment) > 1 else {})
        rows = [
            row
            for row in compare_runs(subset(all_runs, compared_run_ids), compared_run_ids[1], view.color)
            if row.kind in SHOWN_KINDS
        ]
        _show_rows(rows, letters)
        _show_footer(all_runs, view.pick, listed_run_ids, count_equal_rows(rows))


def _show_pick_hint(view: ViewState, all_runs: RunTable) -> None:
    """Show the next step, and a link to the picked run if there is one."""
    if len(all_runs) < 2 and not view.pick:
        return
    with card("Side by side", "one picked" if view.pick else "nothing picked"):
        for run_id in view.pick:
            page_link(
                f"Open {escape(all_runs.identity.name[run_id] or run_id)}", "run", icon="open_in_new", query={"run": run_id}
            )
        if len(all_runs) < 2:
            return
        show_empty_state("compare_arrows", "Pick two runs", "Select them in the table to see their differences here.")
        best_run_ids = top_two_runs(all_runs, view.color) if view.color else []
        if len(best_run_ids) == 2:
            with st.container(horizontal_alignment="center"):
                is_known = column_direction(all_runs, view.color) != "neither"
                st.button(
                    f"Compare the {'best' if is_known else 'highest'} two",
                    key="compare.best_two",
                    on_click=update_url,
                    kwargs={"pick": tuple(best_run_ids)},
                )
        st.space("small")


def _show_run_links(all_runs: RunTable, compared_run_ids: Sequence[str], experiment_names: Mapping[str, str]) -> None:
    """Show a linked chip per run; repeated names get an id, runs of several experiments the experiment name."""
    names, experiments = (all_runs.identity[column].loc[list(compared_run_ids)] for column in ("name", "experiment"))
    with st.container(gap=None):
        for letter, symbol, run_id in zip(LETTERS, LINE_SYMBOLS, compared_run_ids, strict=False):
            id_parts = [run_id[:8]] if (names == names[run_id]).sum() > 1 else []
            experiment_parts = [experiment_names[experiments[run_id]]] if experiments[run_id] in experiment_names else []
            suffix = f" :gray[{escape(' · '.join([*experiment_parts, *id_parts]))}]" if experiment_parts or id_parts else ""
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
                st.markdown(f":gray-badge[{letter} {symbol}]", width="content")
                page_link(f"{escape(names[run_id] or run_id)}{suffix}", "run", icon="open_in_new", query={"run": run_id})


def _show_rows(rows: Sequence[ComparisonRow], letters: str) -> None:
    different_rows = [row for row in rows if row.is_different]
    if not different_rows:
        st.caption("No differences: same metrics, parameters, data and code.")
        return
    is_pair = len(letters) == 2
    headings = [" ", *letters, *(["A − B"] if is_pair else [])]
    show_table(
        [
            (f":gray[{_row_title(row)}]", *map(escape, row.values), *([_change_text(row)] if is_pair else []))
            for row in different_rows
        ],
        headings,
    )


def _row_title(row: ComparisonRow) -> str:
    return escape(row.title.replace(" ↑", f"{NBSP}↑").replace(" ↓", f"{NBSP}↓") if row.kind == "metric" else row.name)


def _change_text(row: ComparisonRow) -> str:
    """Return the change from B to A with its verdict."""
    verdict_text = f" :{VERDICT_COLORS[row.verdicts[0]]}[{row.verdicts[0]}]" if row.verdicts[0] else ""
    return escape(row.changes[0]) + verdict_text


def _show_footer(all_runs: RunTable, selected_run_ids: Sequence[str], listed_run_ids: Sequence[str], same_count: int) -> None:
    compared_run_ids = selected_run_ids[: len(LETTERS)]
    notes = []
    if hidden_letters := [
        letter for letter, run_id in zip(LETTERS, compared_run_ids, strict=False) if run_id not in set(listed_run_ids)
    ]:
        notes.append(f"Not in the table: {', '.join(hidden_letters)}.")
    if same_count:
        notes.append(
            f"{format_count(same_count, 'metric or parameter', 'metrics and parameters')} {'is' if same_count == 1 else 'are'} equal and hidden."
        )
    if row_count := test_row_count(subset(all_runs, compared_run_ids)):
        notes.append(f"One run each on {format_count(row_count, 'row')}: a difference of one row is not evidence.")
    if notes:
        st.caption(" ".join(notes))
    with st.container(horizontal=True, gap="small"):
        if len(selected_run_ids) > len(compared_run_ids):
            st.button(
                f"All {len(selected_run_ids)} side by side",
                key="compare.all_differences",
                icon=":material/difference:",
                help=f"Up to four runs fit here. The Differences plot above shows up to {MAX_RUNS}.",
                on_click=update_url,
                kwargs={"plot": "Differences"},
            )
        st.button("Clear picks", type="tertiary", key="compare.let_go", on_click=update_url, kwargs={"pick": (), "only": ""})
