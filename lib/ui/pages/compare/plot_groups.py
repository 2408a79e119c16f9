"""Compare's groups of repeated runs: what makes a group, which one leads and how sure that is, error bars, and the table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.analysis.grouping import (
    HOME,
    PARENT,
    Grouping,
    Placed,
    Summary,
    groupable,
    is_repeat,
    placed,
    settings_of,
    split,
    telling,
)
from lib.runs.export.table_files import harmless
from lib.runs.plots import groups
from lib.runs.plots.box import MOST_POINTS
from lib.runs.table.number_format import figure, short_labels
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import empty
from lib.ui.components.popover import drawer
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.metric_selector import PICKS, called, choose_metric, listed, pickable
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import foot
from lib.ui.pages.compare.view_state import View, bound, keep, told_apart

MOST_LISTED = 8
WIDEST = 24
"""Letters of a cell; a longer text is cut in the middle, and two never read the same."""


def draw(scene: Scene) -> None:
    """A row per group: its runs, their mean and the interval of the mean; below it the same as a table."""
    view, runs = scene.view, scene.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = choose_metric(view, runs, "Mean of")
        by = _by(view, runs) if metric else []
    if not metric:
        return
    if not by:
        empty("stacked_bar_chart", "No groups to show", "Groups take a parameter or a tag with at least two different values.")
        return
    made = split(runs, by, metric)
    rows = placed(made.groups, metric)
    if any(row.summary.n > 1 for row in rows):
        _repeats(scene, metric, by, (made, rows))
    else:
        _no_repeat(runs, rows, by, metric)
    _table(rows, by)


def _repeats(scene: Scene, metric: str, by: Sequence[str], found: tuple[Grouping, list[Placed]]) -> None:
    """Which group leads, and the picture."""
    made, rows = found
    shown = _shown(rows, scene.view.pick)
    st.markdown(_finding(rows))
    st.caption(" · ".join(md(called(name)) for name in by))
    said = f"Mean and interval by {', '.join(map(called, by))}. {_plain(rows)}"
    canvas.draw(groups.groups(scene.runs, metric, shown, scene.look), **pickable("groups", scene.view.pick), alt=said)
    foot(scene.view, _notes(made, rows, shown, _without(scene.view, by, scene.runs)))


def _no_repeat(runs: RunTable, rows: Sequence[Placed], by: Sequence[str], metric: str) -> None:
    """No group has two runs: say so, and offer the parameter that tells most."""
    text = f"{count(len(rows), 'group')} of one run: no spread, no interval. Group by fewer columns, or repeat runs with another seed."
    empty("help", "Cannot tell: no run is repeated", text)
    first = telling(runs, [name for name in groupable(runs) if not is_repeat(name.partition(".")[2])], metric)[:1]
    if first and list(by) != first:
        with st.container(horizontal_alignment="center"):
            label = f"Group by {md(short_labels([called(first[0])], 40)[called(first[0])])} only"
            st.button(label, key="compare.groups.fewer", on_click=keep, kwargs={"by": tuple(first)})


def columns(view: View, runs: RunTable) -> list[str]:
    """The columns that make the groups: those of the address, else the parameters that differ and are more than a seed.

    Runs of two experiments are no repeats of each other, unless the reader says so.
    """
    names = groupable(runs)
    homes = [name for name in names if name == HOME]
    return (
        [name for name in view.by if name in names]
        or [*homes, *settings_of(runs)]
        or [name for name in names if name != PARENT][:1]
    )


def _by(view: View, runs: RunTable) -> list[str]:
    """The columns that the address asks for, else the parameters that differ and are more than a seed."""
    names, chosen = groupable(runs), columns(view, runs)
    if not names:
        return []
    with drawer("by", f"Group by {count(len(chosen), 'column')}", icon=":material/stacks:") as is_open:
        if not is_open:
            return chosen
        st.multiselect("Group by", names, format_func=told_apart(names, called).__getitem__, width=420, **bound("by", chosen))
        st.caption(
            "Runs with the same values in all of these columns are one group. Without a choice: every parameter but the seed, and the experiment where there are several."
        )
    return chosen


def _without(view: View, by: Sequence[str], runs: RunTable) -> str:
    repeats = [name for name in groupable(runs) if is_repeat(name.partition(".")[2]) and name not in by]
    return f"Taken as repeats: {listed(repeats)}." if repeats and not set(view.by) & set(by) else ""


def _finding(rows: Sequence[Placed]) -> str:
    """Who leads, and from whom it cannot be told apart, as Markdown."""
    lead = next((row for row in rows if row.standing == "best"), None)
    if lead is None:
        return _no_lead(rows)
    open_, worse = (sum(row.standing == word for row in rows) for word in ("cannot tell", "worse"))
    parts = [f"**{md(lead.group.label.strip())}** has the best mean of repeated runs: {_said(lead.summary)}."]
    parts += [f":orange[:material/help: Cannot tell] it from {count(open_, 'other group')}."] if open_ else []
    parts += [f"{count(worse, 'group')} {'is' if worse == 1 else 'are'} worse."] if worse else []
    return " ".join(parts)


def _no_lead(rows: Sequence[Placed]) -> str:
    if len(rows) < 2:
        return f"One group: {_said(rows[0].summary)}."
    return "Nobody can say which way this metric is better, so no group leads."


def _said(one: Summary) -> str:
    spread = f"{figure(one.low)} to {figure(one.high)}, " if one.low is not None else ""
    return f"{figure(one.mean)} ({spread}n = {one.n})"


def _plain(rows: Sequence[Placed]) -> str:
    return "; ".join(f"{row.group.label}: {_said(row.summary)} {row.standing}".rstrip() for row in rows[:5])


def _shown(rows: Sequence[Placed], picked: Sequence[str]) -> list[Placed]:
    """At most `MOST_ROWS` rows in their order: the leader and those with a picked run, then from the top."""
    ids = set(picked)
    first = [place for place, row in enumerate(rows) if row.standing == "best" or not ids.isdisjoint(row.group.run_ids)]
    chosen = sorted(dict.fromkeys([*first, *range(len(rows))]), key=lambda place: place not in first)[: groups.MOST_ROWS]
    return [rows[place] for place in sorted(chosen)]


def _notes(made: Grouping, rows: Sequence[Placed], shown: Sequence[Placed], without: str) -> list[str]:
    single = sum(row.summary.n == 1 for row in rows)
    points = sum(row.summary.n for row in shown)
    repeated = any(row.standing == "best" for row in rows)
    return [
        f"Showing {len(shown)} of {len(rows):,} groups; the table has all." if len(shown) < len(rows) else "",
        f"A sample of {MOST_POINTS:,} of {count(points, 'run')} as points." if points > MOST_POINTS else "",
        f"{count(made.unmeasured, 'run')} without a number in this metric left out." if made.unmeasured else "",
        without,
        "Line: 95% interval of the mean (Student's t)." if single < len(rows) else "",
        "Lines that leave the picture are cut at its edge." if groups.is_cut(shown) else "",
        f"{count(single, 'group')} of one run: no interval." if single and repeated else "",
        "Worse: Welch's test against the best at 5%, corrected for the number of groups." if repeated and len(rows) > 1 else "",
        PICKS,
    ]


def _table(rows: Sequence[Placed], by: Sequence[str]) -> None:
    sheet = pd.DataFrame([dict(zip(by, row.group.labels, strict=True)) | _numbers(row) for row in rows])
    drawn = sheet.assign(**{name: sheet[name].map(short_labels(list(sheet[name]), WIDEST)) for name in by})
    short = short_labels([called(name) for name in by], 24)
    heads = {name: short[called(name)] for name in by}
    config: dict[str, Any] = {
        name: st.column_config.TextColumn(said, width=max(96, 7 * len(said) + 22)) for name, said in heads.items()
    }
    config |= {key: st.column_config.NumberColumn(said, format="%.4f", width=84) for key, said in _HEADS.items()}
    config |= {
        "n": st.column_config.NumberColumn("Runs", width=60),
        "standing": st.column_config.TextColumn("Against the best", width=130),
    }
    height: Any = "content" if len(rows) <= MOST_LISTED else 32 + 31 * MOST_LISTED + 2
    st.dataframe(
        drawn, hide_index=True, height=height, column_config=config, placeholder="", alt=f"{len(rows)} groups by their mean"
    )
    st.download_button(
        "Groups as CSV",
        as_csv(sheet),
        "groups.csv",
        "text/csv",
        icon=":material/download:",
        key="compare.groups.csv",
        type="tertiary",
        on_click="ignore",
    )


_HEADS = {"mean": "Mean", "sd": "Spread (sd)", "low": "95% from", "high": "95% to"}


def _numbers(row: Placed) -> dict[str, Any]:
    return vars(row.summary) | {"standing": row.standing}


def as_csv(sheet: pd.DataFrame) -> str:
    """A table as CSV in which no spreadsheet takes a text for a formula: such a text begins with an apostrophe. Numbers stay numbers."""
    return sheet.map(lambda cell: harmless(cell) if isinstance(cell, str) else cell).rename(columns=harmless).to_csv(index=False)
