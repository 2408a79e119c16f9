"""Compare's differences: all picked runs against a baseline, thing by thing, in one table. Only what differs, until all is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.analysis import comparison as comparing
from lib.runs.analysis.comparison import Row
from lib.runs.analysis.metric_direction import titled
from lib.runs.plots.style import LETTERS
from lib.runs.table.number_format import short_labels
from lib.runs.table.run_table import subset
from lib.runs.table.types import RunTable
from lib.ui.components.chart_theme import ink
from lib.ui.components.formatting import NARROW, count, md
from lib.ui.components.layout import empty
from lib.ui.pages.compare.marks import is_marked, mark_toggle
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import is_judged
from lib.ui.pages.compare.view_state import View, bound

MOST_ROWS = 500
VISIBLE = 14
WIDEST = 36
"""Letters of a name or a value; longer ones are cut in the middle, and two never get the same text."""
SUMMARY = "All metrics"
COLORS = {"better": "green", "worse": "red", "same": "soft"}


@dataclass(frozen=True)
class _Sheet:
    """What is drawn: the runs with the baseline first, how each is headed, and the rows."""

    runs: RunTable
    heads: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The heads, the first with the word for what it is."""
        return (f"{self.heads[0]} · baseline", *self.heads[1:])


_Drawn = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
"""The cells, the role of each in the ink, and the settings of the columns."""


def draw(scene: Scene) -> None:
    """The runs against the baseline."""
    ids = comparing.chosen(scene.whole, scene.runs, scene.view.pick, scene.view.color)
    if len(ids) < 2:
        empty(
            "difference", "Two runs are needed", "One run alone differs from nothing. Take the filter off or train a second one."
        )
        return
    runs = subset(scene.whole, ids)
    base = comparing.baseline(runs, scene.view.base)
    runs = subset(runs, [base, *(run_id for run_id in ids if run_id != base)])
    everything = comparing.rows(runs, base, scene.view.color)
    kept = [row for row in everything if row.differs or is_marked(scene.view, "all")]
    sheet = _Sheet(runs, _heads(runs, scene.view), tuple(kept))
    _bar(scene, ids, sheet)
    if kept:
        _table(scene.view, sheet)
    else:
        empty("equal", "Nothing differs", "These runs have the same metrics, parameters, data, code and tags.")
    _foot(scene, sheet, everything)


def _heads(runs: RunTable, view: View) -> tuple[str, ...]:
    """Letter and name of each run; two of one name stay two."""
    names = [_name(runs, run_id) for run_id in runs.ids]
    twins = {name for name in names if names.count(name) > 1}
    full = [f"{name} {run_id[:8]}" if name in twins else name for name, run_id in zip(names, runs.ids, strict=True)]
    labels = short_labels(full, 24)
    letters = dict(zip(view.pick, LETTERS, strict=False))
    return tuple(f"{letters.get(run_id, '')} {labels[name]}".strip() for name, run_id in zip(full, runs.ids, strict=True))


def _name(runs: RunTable, run_id: str) -> str:
    return str(runs.identity.name[run_id]) or run_id


def _bar(scene: Scene, ids: Sequence[str], sheet: _Sheet) -> None:
    heads = dict(zip(sheet.runs.ids, sheet.heads, strict=True))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Baseline",
            list(ids),
            format_func=lambda run_id: f"Baseline: {heads.get(run_id, run_id)}{_in_production(sheet.runs, run_id)}",
            label_visibility="collapsed",
            width=330,
            **bound("base", sheet.runs.ids[0]),
        )
        mark_toggle(scene.view, "all", "What is the same too")
        mark_toggle(scene.view, "transposed", "A row per run")
        st.space("stretch")
        st.download_button(
            "Download CSV",
            comparing.sheet(sheet.rows, [f"{_name(sheet.runs, run_id)} {run_id[:8]}" for run_id in sheet.runs.ids]).encode(
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
    return " (in Production)" if run_id in runs.identity.index and comparing.is_champion(runs, run_id) else ""


@dataclass(frozen=True)
class _Line:
    """One row as it is drawn: a text and a role of the ink for each run."""

    title: str
    kind: str
    cells: tuple[str, ...]
    roles: tuple[str, ...]


def _table(view: View, sheet: _Sheet) -> None:
    lines = [_line(row) for row in sheet.rows[:MOST_ROWS]]
    if any(word for row in sheet.rows for word in row.verdicts):
        told = tuple(comparing.summary(sheet.rows, place) for place in range(len(sheet.runs)))
        lines = [_Line(SUMMARY, "", told, ("",) * len(told)), *lines]
    draw_sheet = _by_run if is_marked(view, "transposed") else _by_thing
    frame, roles, look = draw_sheet(lines, sheet)
    colors = ink()
    styles = roles.map(lambda role: f"color: {colors[role]}" if role else "")
    st.dataframe(
        frame.style.apply(lambda _: styles, axis=None),
        hide_index=True,
        column_config=look,
        height=32 + 31 * min(len(frame), VISIBLE) + 2,
        key="compare.differences",
        alt=f"What differs between {len(sheet.runs)} runs, compared with {sheet.heads[0]}: {len(sheet.rows)} rows",
    )


def _line(row: Row) -> _Line:
    """What is as in the baseline is drawn softer."""
    labels = short_labels(row.values, WIDEST)
    cells = tuple(_cell(row, place, labels[value]) for place, value in enumerate(row.values))
    roles = [COLORS.get(word, "soft" if raw == row.raw[0] else "") for word, raw in zip(row.verdicts, row.raw, strict=True)]
    return _Line(titled(row.name) if row.kind == "metric" else row.name, row.kind, cells, ("", *roles[1:]))


def _cell(row: Row, place: int, value: str) -> str:
    """The value; of a metric its signed change from the baseline, and the word for it."""
    change = row.changes[place] if row.kind == "metric" else ""
    return NARROW.join(part for part in (value, f"({change})" if change else "", row.verdicts[place]) if part)


def _by_thing(lines: Sequence[_Line], sheet: _Sheet) -> _Drawn:
    """A row per thing, a column per run, the baseline first."""
    labels, kinds = short_labels([line.title for line in lines], WIDEST), [line.kind for line in lines]
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
    labels = short_labels([line.title for line in lines], WIDEST)
    for number, line in enumerate(lines):
        key = f"{number} {line.kind} {line.title}"
        cells[key], roles[key] = line.cells, line.roles
        title = labels[line.title]
        look[key] = st.column_config.TextColumn(title, width=_width([title, *line.cells], 70, 300))
    return pd.DataFrame(cells), pd.DataFrame(roles), look


def _width(texts: Sequence[str], least: int, most: int) -> int:
    """Pixels that hold these texts, within bounds."""
    return max(least, min(most, 7 * max(map(len, texts), default=0) + 24))


def _which(scene: Scene, number: int) -> str:
    """By what the runs were chosen: only a metric with numbers that is better one way has best ones."""
    word = "best" if is_judged(scene) else "first"
    return f"the picked one and the {word} {number - 1}" if scene.view.pick else f"the {word} {number}"


def _foot(scene: Scene, sheet: _Sheet, everything: Sequence[Row]) -> None:
    same = sum(not row.differs for row in everything)
    base = md(sheet.heads[0]) + _in_production(sheet.runs, sheet.runs.ids[0])
    notes = [f"Each run is compared with {base}. ↑ more is better, ↓ less is better."]
    if same and len(sheet.rows) < len(everything):
        notes.append(f"{count(same, 'thing is', 'things are')} the same in all {len(sheet.runs)}.")
    if len(sheet.rows) > MOST_ROWS:
        notes.append(f"Showing {MOST_ROWS} of {count(len(sheet.rows), 'row')}; the download has all.")
    if len(scene.view.pick) < 2 and len(scene.runs) > len(sheet.runs):
        notes.append(
            f"Showing {_which(scene, len(sheet.runs))} of {count(len(scene.runs), 'run')}: pick runs in the table to choose others."
        )
    if len(scene.view.pick) > len(sheet.runs):
        notes.append(f"Showing {len(sheet.runs)} of {len(scene.view.pick)} picked runs.")
    st.caption(" ".join(notes))
