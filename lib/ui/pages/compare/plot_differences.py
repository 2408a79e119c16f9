"""Compare's differences: all picked runs against a baseline, thing by thing, in one table. Only what differs, until all is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.analysis import comparison
from lib.runs.analysis.comparison import ComparisonRow
from lib.runs.analysis.metric_direction import metric_title
from lib.runs.plots.style import LETTERS
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import subset
from lib.runs.table.types import RunTable
from lib.ui.components.badges import chart_colors
from lib.ui.components.formatting import NBSP, escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare.marks import flag_toggle, has_flag
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import has_best_run
from lib.ui.pages.compare.view_state import ViewState, bind_widget

MAX_ROWS = 500
MAX_VISIBLE_ROWS = 14
MAX_TEXT_LENGTH = 36
"""Letters of a name or a value; longer ones are cut in the middle, and two never get the same text."""
SUMMARY_LABEL = "All metrics"
VERDICT_COLORS = {"better": "green", "worse": "red", "same": "soft"}


@dataclass(frozen=True)
class _Sheet:
    """What is drawn: the runs with the baseline first, how each is headed, and the rows."""

    runs: RunTable
    heads: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The heads, the first with the word for what it is."""
        return (f"{self.heads[0]} · baseline", *self.heads[1:])


_Drawn = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
"""The cells, the role of each in the ink, and the settings of the columns."""


def draw(context: PlotContext) -> None:
    """The runs against the baseline."""
    ids = comparison.runs_to_compare(context.all_runs, context.runs, context.view.pick, context.view.color)
    if len(ids) < 2:
        show_empty_state(
            "difference", "Two runs are needed", "One run alone differs from nothing. Take the filter off or train a second one."
        )
        return
    runs = subset(context.all_runs, ids)
    base = comparison.choose_baseline(runs, context.view.base)
    runs = subset(runs, [base, *(run_id for run_id in ids if run_id != base)])
    everything = comparison.compare_runs(runs, base, context.view.color)
    kept = [row for row in everything if row.is_different or has_flag(context.view, "all")]
    sheet = _Sheet(runs, _heads(runs, context.view), tuple(kept))
    _bar(context, ids, sheet)
    if kept:
        _table(context.view, sheet)
    else:
        show_empty_state("equal", "Nothing differs", "These runs have the same metrics, parameters, data, code and tags.")
    _foot(context, sheet, everything)


def _heads(runs: RunTable, view: ViewState) -> tuple[str, ...]:
    """Letter and name of each run; two of one name stay two."""
    names = [_name(runs, run_id) for run_id in runs.ids]
    twins = {name for name in names if names.count(name) > 1}
    full = [f"{name} {run_id[:8]}" if name in twins else name for name, run_id in zip(names, runs.ids, strict=True)]
    labels = short_labels(full, 24)
    letters = dict(zip(view.pick, LETTERS, strict=False))
    return tuple(f"{letters.get(run_id, '')} {labels[name]}".strip() for name, run_id in zip(full, runs.ids, strict=True))


def _name(runs: RunTable, run_id: str) -> str:
    return str(runs.identity.name[run_id]) or run_id


def _bar(scene: PlotContext, ids: Sequence[str], sheet: _Sheet) -> None:
    heads = dict(zip(sheet.runs.ids, sheet.heads, strict=True))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Baseline",
            list(ids),
            format_func=lambda run_id: f"Baseline: {heads.get(run_id, run_id)}{_in_production(sheet.runs, run_id)}",
            label_visibility="collapsed",
            width=330,
            **bind_widget("base", sheet.runs.ids[0]),
        )
        flag_toggle(scene.view, "all", "What is the same too")
        flag_toggle(scene.view, "transposed", "A row per run")
        st.space("stretch")
        st.download_button(
            "Download CSV",
            comparison.rows_as_csv(sheet.rows, [f"{_name(sheet.runs, run_id)} {run_id[:8]}" for run_id in sheet.runs.ids]).encode(
                "utf-8-sig"
            ),
            file_name="differences.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            key="compare.differences_csv",
            on_click="ignore",
            disabled=not sheet.rows,
        )


def _in_production(runs: RunTable, run_id: str) -> str:
    return " (in Production)" if run_id in runs.identity.index and comparison.is_champion(runs, run_id) else ""


@dataclass(frozen=True)
class _Line:
    """One row as it is drawn: a text and a role of the ink for each run."""

    title: str
    kind: str
    cells: tuple[str, ...]
    roles: tuple[str, ...]


def _table(view: ViewState, sheet: _Sheet) -> None:
    lines = [_line(row) for row in sheet.rows[:MAX_ROWS]]
    if any(word for row in sheet.rows for word in row.verdicts):
        told = tuple(comparison.verdict_summary(sheet.rows, place) for place in range(len(sheet.runs)))
        lines = [_Line(SUMMARY_LABEL, "", told, ("",) * len(told)), *lines]
    draw_sheet = _by_run if has_flag(view, "transposed") else _by_thing
    frame, roles, look = draw_sheet(lines, sheet)
    colors = chart_colors()
    styles = roles.map(lambda role: f"color: {colors[role]}" if role else "")
    st.dataframe(
        frame.style.apply(lambda _: styles, axis=None),
        hide_index=True,
        column_config=look,
        height=32 + 31 * min(len(frame), MAX_VISIBLE_ROWS) + 2,
        key="compare.differences",
        alt=f"What differs between {len(sheet.runs)} runs, compared with {sheet.heads[0]}: {len(sheet.rows)} rows",
    )


def _line(row: ComparisonRow) -> _Line:
    """What is as in the baseline is drawn softer."""
    labels = short_labels(row.values, MAX_TEXT_LENGTH)
    cells = tuple(_cell(row, place, labels[value]) for place, value in enumerate(row.values))
    roles = [
        VERDICT_COLORS.get(word, "soft" if raw == row.logged[0] else "")
        for word, raw in zip(row.verdicts, row.logged, strict=True)
    ]
    return _Line(metric_title(row.name) if row.kind == "metric" else row.name, row.kind, cells, ("", *roles[1:]))


def _cell(row: ComparisonRow, place: int, value: str) -> str:
    """The value; of a metric its signed change from the baseline, and the word for it."""
    change = row.changes[place] if row.kind == "metric" else ""
    return NBSP.join(part for part in (value, f"({change})" if change else "", row.verdicts[place]) if part)


def _by_thing(lines: Sequence[_Line], sheet: _Sheet) -> _Drawn:
    """A row per thing, a column per run, the baseline first."""
    labels, kinds = short_labels([line.title for line in lines], MAX_TEXT_LENGTH), [line.kind for line in lines]
    titles = [labels[line.title] for line in lines]
    cells: dict[str, Sequence[str]] = {"name": titles, "kind": kinds}
    roles: dict[str, Sequence[str]] = {"name": [""] * len(lines), "kind": ["soft"] * len(lines)}
    look: dict[str, Any] = {
        "name": st.column_config.TextColumn(" ", width=_width(titles, 100, 300), pinned=True),
        "kind": st.column_config.TextColumn("Kind", width=96, pinned=True),
    }
    for place, (run_id, head) in enumerate(zip(sheet.runs.ids, sheet.titles, strict=True)):
        cells[run_id] = [line.cells[place] for line in lines]
        roles[run_id] = [line.roles[place] for line in lines]
        look[run_id] = st.column_config.TextColumn(head, width=_width([head, *cells[run_id]], 90, 300), pinned=not place)
    return pd.DataFrame(cells), pd.DataFrame(roles), look


def _by_run(lines: Sequence[_Line], sheet: _Sheet) -> _Drawn:
    """A row per run, the baseline on top, a column per thing."""
    cells: dict[str, Sequence[str]] = {"run": sheet.titles}
    roles: dict[str, Sequence[str]] = {"run": [""] * len(sheet.runs)}
    look: dict[str, Any] = {"run": st.column_config.TextColumn(" ", width=_width(sheet.titles, 120, 300), pinned=True)}
    labels = short_labels([line.title for line in lines], MAX_TEXT_LENGTH)
    for number, line in enumerate(lines):
        key = f"{number} {line.kind} {line.title}"
        cells[key], roles[key] = line.cells, line.roles
        title = labels[line.title]
        look[key] = st.column_config.TextColumn(title, width=_width([title, *line.cells], 70, 300))
    return pd.DataFrame(cells), pd.DataFrame(roles), look


def _width(texts: Sequence[str], least: int, most: int) -> int:
    """Pixels that hold these texts, within bounds."""
    return max(least, min(most, 7 * max(map(len, texts), default=0) + 24))


def _which(scene: PlotContext, number: int) -> str:
    """By what the runs were chosen: only a metric with numbers that is better one way has best ones."""
    word = "best" if has_best_run(scene) else "first"
    return f"the picked one and the {word} {number - 1}" if scene.view.pick else f"the {word} {number}"


def _foot(scene: PlotContext, sheet: _Sheet, everything: Sequence[ComparisonRow]) -> None:
    same = sum(not row.is_different for row in everything)
    base = escape(sheet.heads[0]) + _in_production(sheet.runs, sheet.runs.ids[0])
    notes = [f"Each run is compared with {base}. ↑ more is better, ↓ less is better."]
    if same and len(sheet.rows) < len(everything):
        notes.append(f"{format_count(same, 'thing is', 'things are')} the same in all {len(sheet.runs)}.")
    if len(sheet.rows) > MAX_ROWS:
        notes.append(f"Showing {MAX_ROWS} of {format_count(len(sheet.rows), 'row')}; the download has all.")
    if len(scene.view.pick) < 2 and len(scene.runs) > len(sheet.runs):
        notes.append(
            f"Showing {_which(scene, len(sheet.runs))} of {format_count(len(scene.runs), 'run')}: pick runs in the table to choose others."
        )
    if len(scene.view.pick) > len(sheet.runs):
        notes.append(f"Showing {len(sheet.runs)} of {len(scene.view.pick)} picked runs.")
    st.caption(" ".join(notes))
