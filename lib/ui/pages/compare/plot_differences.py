"""Compare's Differences table: picked runs against a baseline, item by item. Shows only differing rows unless all are requested."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.analysis import comparison
from lib.runs.analysis.comparison import ComparisonRow
from lib.runs.plots.style import LETTERS
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import subset
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.badges import chart_colors
from lib.ui.components.data_table import table_height
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import has_best_run
from lib.ui.pages.compare.view_state import bind_widget, flag_toggle, has_flag

MAX_ROWS = 500
MAX_VISIBLE_ROWS = 14
MAX_TEXT_LENGTH = 36
"""Maximum characters of a name or value; longer ones are shortened in the middle to distinct texts."""
SUMMARY_LABEL = "All metrics"
VERDICT_COLORS = {"better": "green", "worse": "red", "same": "soft"}


@dataclass(frozen=True)
class _DifferenceTable:
    """The table content: runs with the baseline first, their headings, and the rows."""

    runs: RunTable
    headings: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """Return the headings, the first one marked as the baseline."""
        return (f"{self.headings[0]} · baseline", *self.headings[1:])


_StyledTable = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
"""Cells, colour role of each cell, and column configuration."""


def draw(context: PlotContext) -> None:
    """Draw the runs against the baseline."""
    run_ids = comparison.runs_to_compare(context.all_runs, context.runs, context.view.pick, context.view.color)
    if len(run_ids) < 2:
        show_empty_state("difference", "Two runs are needed", "Only one run to show. Clear the filter or log another run.")
        return
    runs = subset(context.all_runs, run_ids)
    baseline = comparison.choose_baseline(runs, context.view.base)
    runs = subset(runs, [baseline, *(run_id for run_id in run_ids if run_id != baseline)])
    all_rows = comparison.compare_runs(runs, baseline, context.view.color)
    rows = [row for row in all_rows if row.is_different or has_flag(context.view, "all")]
    table = _DifferenceTable(runs, _run_headings(runs, context.view), tuple(rows))
    _show_options(context, run_ids, table)
    if rows:
        _show_table(context.view, table)
    else:
        show_empty_state("equal", "No differences", "These runs have the same metrics, parameters, data, code and tags.")
    _show_notes(context, table, all_rows)


def _run_headings(runs: RunTable, view: ViewState) -> tuple[str, ...]:
    """Return letter and name of each run; repeated names get the start of the run id."""
    names = [_run_name(runs, run_id) for run_id in runs.ids]
    repeated_names = {name for name in names if names.count(name) > 1}
    full = [f"{name} {run_id[:8]}" if name in repeated_names else name for name, run_id in zip(names, runs.ids, strict=True)]
    labels = short_labels(full, 24)
    letters = dict(zip(view.pick, LETTERS, strict=False))
    return tuple(f"{letters.get(run_id, '')} {labels[name]}".strip() for name, run_id in zip(full, runs.ids, strict=True))


def _run_name(runs: RunTable, run_id: str) -> str:
    return str(runs.identity.name[run_id]) or run_id


def _show_options(context: PlotContext, run_ids: Sequence[str], table: _DifferenceTable) -> None:
    headings = dict(zip(table.runs.ids, table.headings, strict=True))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Baseline",
            list(run_ids),
            format_func=lambda run_id: f"Baseline: {headings.get(run_id, run_id)}{_production_note(table.runs, run_id)}",
            label_visibility="collapsed",
            width=330,
            **bind_widget("base", table.runs.ids[0]),
        )
        flag_toggle(context.view, "all", "Show equal rows")
        flag_toggle(context.view, "transposed", "One row per run")
        st.space("stretch")
        st.download_button(
            "Download CSV",
            comparison.rows_as_csv(
                table.rows, [f"{_run_name(table.runs, run_id)} {run_id[:8]}" for run_id in table.runs.ids]
            ).encode("utf-8-sig"),
            file_name="differences.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            key="compare.differences_csv",
            on_click="ignore",
            disabled=not table.rows,
        )


def _production_note(runs: RunTable, run_id: str) -> str:
    return " (in Production)" if run_id in runs.identity.index and comparison.is_champion(runs, run_id) else ""


@dataclass(frozen=True)
class _TableRow:
    """A displayed row: a text and a colour role per run."""

    title: str
    kind: str
    cells: tuple[str, ...]
    roles: tuple[str, ...]


def _show_table(view: ViewState, table: _DifferenceTable) -> None:
    rows = [_table_row(row) for row in table.rows[:MAX_ROWS]]
    if any(verdict for row in table.rows for verdict in row.verdicts):
        summaries = tuple(comparison.verdict_summary(table.rows, index) for index in range(len(table.runs)))
        rows = [_TableRow(SUMMARY_LABEL, "", summaries, ("",) * len(summaries)), *rows]
    build_table = _rows_by_run if has_flag(view, "transposed") else _rows_by_item
    frame, roles, column_config = build_table(rows, table)
    colors = chart_colors()
    styles = roles.map(lambda role: f"color: {colors[role]}" if role else "")
    st.dataframe(
        frame.style.apply(lambda _: styles, axis=None),
        hide_index=True,
        column_config=column_config,
        height=table_height(len(frame), MAX_VISIBLE_ROWS),
        key="compare.differences",
        alt=f"Differences between {len(table.runs)} runs, compared with {table.headings[0]}: {len(table.rows)} rows",
    )


def _table_row(row: ComparisonRow) -> _TableRow:
    """Build a displayed row; cells equal to the baseline are muted."""
    labels = short_labels(row.values, MAX_TEXT_LENGTH)
    cells = tuple(_cell_text(row, index, labels[value]) for index, value in enumerate(row.values))
    roles = [
        VERDICT_COLORS.get(verdict, "soft" if logged_value == row.logged[0] else "")
        for verdict, logged_value in zip(row.verdicts, row.logged, strict=True)
    ]
    return _TableRow(row.title, row.kind, cells, ("", *roles[1:]))


def _cell_text(row: ComparisonRow, index: int, value: str) -> str:
    """Return the value; for a metric also its signed change from the baseline and the verdict."""
    change = row.changes[index] if row.kind == "metric" else ""
    return NBSP.join(part for part in (value, f"({change})" if change else "", row.verdicts[index]) if part)


def _rows_by_item(rows: Sequence[_TableRow], table: _DifferenceTable) -> _StyledTable:
    """Build a table with a row per item and a column per run, baseline first."""
    labels, kinds = short_labels([row.title for row in rows], MAX_TEXT_LENGTH), [row.kind for row in rows]
    titles = [labels[row.title] for row in rows]
    cells: dict[str, Sequence[str]] = {"name": titles, "kind": kinds}
    roles: dict[str, Sequence[str]] = {"name": [""] * len(rows), "kind": ["soft"] * len(rows)}
    column_config: dict[str, Any] = {
        "name": st.column_config.TextColumn(" ", width=_column_width(titles, 100, 300), pinned=True),
        "kind": st.column_config.TextColumn("Kind", width=96, pinned=True),
    }
    for index, (run_id, heading) in enumerate(zip(table.runs.ids, table.titles, strict=True)):
        cells[run_id] = [row.cells[index] for row in rows]
        roles[run_id] = [row.roles[index] for row in rows]
        column_config[run_id] = st.column_config.TextColumn(
            heading, width=_column_width([heading, *cells[run_id]], 90, 300), pinned=not index
        )
    return pd.DataFrame(cells), pd.DataFrame(roles), column_config


def _rows_by_run(rows: Sequence[_TableRow], table: _DifferenceTable) -> _StyledTable:
    """Build a table with a row per run, baseline on top, and a column per item."""
    cells: dict[str, Sequence[str]] = {"run": table.titles}
    roles: dict[str, Sequence[str]] = {"run": [""] * len(table.runs)}
    column_config: dict[str, Any] = {
        "run": st.column_config.TextColumn(" ", width=_column_width(table.titles, 120, 300), pinned=True)
    }
    labels = short_labels([row.title for row in rows], MAX_TEXT_LENGTH)
    for number, row in enumerate(rows):
        key = f"{number} {row.kind} {row.title}"
        cells[key], roles[key] = row.cells, row.roles
        title = labels[row.title]
        column_config[key] = st.column_config.TextColumn(title, width=_column_width([title, *row.cells], 70, 300))
    return pd.DataFrame(cells), pd.DataFrame(roles), column_config


def _column_width(texts: Sequence[str], min_width: int, max_width: int) -> int:
    """Return the column width in pixels for these texts, within bounds."""
    return max(min_width, min(max_width, 7 * max(map(len, texts), default=0) + 24))


def _show_notes(context: PlotContext, table: _DifferenceTable, all_rows: Sequence[ComparisonRow]) -> None:
    same_count = sum(not row.is_different for row in all_rows)
    baseline = escape(table.headings[0]) + _production_note(table.runs, table.runs.ids[0])
    notes = [f"Each run is compared with {baseline}. ↑ higher is better, ↓ lower is better."]
    if same_count and len(table.rows) < len(all_rows):
        notes.append(f"{format_count(same_count, 'row is', 'rows are')} equal in all {len(table.runs)} runs and hidden.")
    if len(table.rows) > MAX_ROWS:
        notes.append(f"Showing {MAX_ROWS} of {format_count(len(table.rows), 'row')}; the download contains all.")
    if len(context.view.pick) < 2 and len(context.runs) > len(table.runs):
        count, label = len(table.runs), "best" if has_best_run(context) else "first"
        runs_text = f"the picked run and the {label} {count - 1}" if context.view.pick else f"the {label} {count}"
        notes.append(
            f"Showing {runs_text} of {format_count(len(context.runs), 'run')}. Select runs in the table to compare others."
        )
    if len(context.view.pick) > len(table.runs):
        notes.append(f"Showing {len(table.runs)} of {len(context.view.pick)} picked runs.")
    st.caption(" ".join(notes))
