"""Compare's groups of repeated runs: what makes a group, which one leads and how sure that is, error bars, and the table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.runs.analysis.grouping import (
    EXPERIMENT_COLUMN,
    PARENT_COLUMN,
    Grouping,
    RankedGroup,
    group_runs,
    groupable_columns,
    is_repeat_column,
    rank_columns,
    rank_groups,
    varying_settings,
)
from lib.runs.export.table_files import escape_formula
from lib.runs.plots import groups
from lib.runs.plots.box import MAX_POINTS
from lib.runs.table.number_format import format_number, short_labels
from lib.runs.table.types import RunTable
from lib.statistics.samples import SampleSummary
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.components.popover import lazy_popover
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.metric_selector import (
    PICK_HINT,
    column_label_with_tag,
    column_list_text,
    run_click_kwargs,
    show_metric_selector,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import ViewState, bind_widget, unique_labels, update_url

MAX_VISIBLE_ROWS = 8
MAX_TEXT_LENGTH = 24
"""Letters of a cell; a longer text is cut in the middle, and two never read the same."""


def draw(context: PlotContext) -> None:
    """A row per group: its runs, their mean and the interval of the mean; below it the same as a table."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = show_metric_selector(view, runs, "Mean of")
        by = _by(view, runs) if metric else []
    if not metric:
        return
    if not by:
        show_empty_state(
            "stacked_bar_chart", "No groups to show", "Groups take a parameter or a tag with at least two different values."
        )
        return
    made = group_runs(runs, by, metric)
    rows = rank_groups(made.groups, metric)
    if any(row.summary.n > 1 for row in rows):
        _repeats(context, metric, by, (made, rows))
    else:
        _no_repeat(runs, rows, by, metric)
    _table(rows, by)


def _repeats(scene: PlotContext, metric: str, by: Sequence[str], found: tuple[Grouping, list[RankedGroup]]) -> None:
    """Which group leads, and the picture."""
    made, rows = found
    shown = _shown(rows, scene.view.pick)
    st.markdown(_finding(rows))
    st.caption(" · ".join(escape(column_label_with_tag(name)) for name in by))
    said = f"Mean and interval by {', '.join(map(column_label_with_tag, by))}. {_plain(rows)}"
    drawn_charts.draw_chart(
        groups.group_plot(scene.runs, metric, shown, scene.style), **run_click_kwargs("groups", scene.view.pick), alt=said
    )
    show_plot_footer(scene.view, _notes(made, rows, shown, _without(scene.view, by, scene.runs)))


def _no_repeat(runs: RunTable, rows: Sequence[RankedGroup], by: Sequence[str], metric: str) -> None:
    """No group has two runs: say so, and offer the parameter that tells most."""
    text = f"{format_count(len(rows), 'group')} of one run: no spread, no interval. Group by fewer columns, or repeat runs with another seed."
    show_empty_state("help", "Cannot tell: no run is repeated", text)
    first = rank_columns(
        runs, [name for name in groupable_columns(runs) if not is_repeat_column(name.partition(".")[2])], metric
    )[:1]
    if first and list(by) != first:
        with st.container(horizontal_alignment="center"):
            label = (
                f"Group by {escape(short_labels([column_label_with_tag(first[0])], 40)[column_label_with_tag(first[0])])} only"
            )
            st.button(label, key="compare.groups.fewer", on_click=update_url, kwargs={"by": tuple(first)})


def group_columns(view: ViewState, runs: RunTable) -> list[str]:
    """The columns that make the groups: those of the address, else the parameters that differ and are more than a seed.

    Runs of two experiments are no repeats of each other, unless the reader says so.
    """
    names = groupable_columns(runs)
    homes = [name for name in names if name == EXPERIMENT_COLUMN]
    return (
        [name for name in view.by if name in names]
        or [*homes, *varying_settings(runs)]
        or [name for name in names if name != PARENT_COLUMN][:1]
    )


def _by(view: ViewState, runs: RunTable) -> list[str]:
    """The columns that the address asks for, else the parameters that differ and are more than a seed."""
    names, chosen = groupable_columns(runs), group_columns(view, runs)
    if not names:
        return []
    with lazy_popover("by", f"Group by {format_count(len(chosen), 'column')}", icon=":material/stacks:") as is_open:
        if not is_open:
            return chosen
        st.multiselect(
            "Group by",
            names,
            format_func=unique_labels(names, column_label_with_tag).__getitem__,
            width=420,
            **bind_widget("by", chosen),
        )
        st.caption(
            "Runs with the same values in all of these columns are one group. Without a choice: every parameter but the seed, and the experiment where there are several."
        )
    return chosen


def _without(view: ViewState, by: Sequence[str], runs: RunTable) -> str:
    repeats = [name for name in groupable_columns(runs) if is_repeat_column(name.partition(".")[2]) and name not in by]
    return f"Taken as repeats: {column_list_text(repeats)}." if repeats and not set(view.by) & set(by) else ""


def _finding(rows: Sequence[RankedGroup]) -> str:
    """Who leads, and from whom it cannot be told apart, as Markdown."""
    lead = next((row for row in rows if row.standing == "best"), None)
    if lead is None:
        return _no_lead(rows)
    open_, worse = (sum(row.standing == word for row in rows) for word in ("cannot tell", "worse"))
    parts = [f"**{escape(lead.group.label.strip())}** has the best mean of repeated runs: {_said(lead.summary)}."]
    parts += [f":orange[:material/help: Cannot tell] it from {format_count(open_, 'other group')}."] if open_ else []
    parts += [f"{format_count(worse, 'group')} {'is' if worse == 1 else 'are'} worse."] if worse else []
    return " ".join(parts)


def _no_lead(rows: Sequence[RankedGroup]) -> str:
    if len(rows) < 2:
        return f"One group: {_said(rows[0].summary)}."
    return "Nobody can say which way this metric is better, so no group leads."


def _said(one: SampleSummary) -> str:
    spread = f"{format_number(one.low)} to {format_number(one.high)}, " if one.low is not None else ""
    return f"{format_number(one.mean)} ({spread}n = {one.n})"


def _plain(rows: Sequence[RankedGroup]) -> str:
    return "; ".join(f"{row.group.label}: {_said(row.summary)} {row.standing}".rstrip() for row in rows[:5])


def _shown(rows: Sequence[RankedGroup], picked: Sequence[str]) -> list[RankedGroup]:
    """At most `MOST_ROWS` rows in their order: the leader and those with a picked run, then from the top."""
    ids = set(picked)
    first = [place for place, row in enumerate(rows) if row.standing == "best" or not ids.isdisjoint(row.group.run_ids)]
    chosen = sorted(dict.fromkeys([*first, *range(len(rows))]), key=lambda place: place not in first)[: groups.MAX_ROWS]
    return [rows[place] for place in sorted(chosen)]


def _notes(made: Grouping, rows: Sequence[RankedGroup], shown: Sequence[RankedGroup], without: str) -> list[str]:
    single = sum(row.summary.n == 1 for row in rows)
    points = sum(row.summary.n for row in shown)
    repeated = any(row.standing == "best" for row in rows)
    return [
        f"Showing {len(shown)} of {len(rows):,} groups; the table has all." if len(shown) < len(rows) else "",
        f"A sample of {MAX_POINTS:,} of {format_count(points, 'run')} as points." if points > MAX_POINTS else "",
        f"{format_count(made.unmeasured_count, 'run')} without a number in this metric left out."
        if made.unmeasured_count
        else "",
        without,
        "Line: 95% interval of the mean (Student's t)." if single < len(rows) else "",
        "Lines that leave the picture are cut at its edge." if groups.has_clipped_interval(shown) else "",
        f"{format_count(single, 'group')} of one run: no interval." if single and repeated else "",
        "Worse: Welch's test against the best at 5%, corrected for the number of groups." if repeated and len(rows) > 1 else "",
        PICK_HINT,
    ]


def _table(rows: Sequence[RankedGroup], by: Sequence[str]) -> None:
    sheet = pd.DataFrame([dict(zip(by, row.group.labels, strict=True)) | _numbers(row) for row in rows])
    drawn = sheet.assign(**{name: sheet[name].map(short_labels(list(sheet[name]), MAX_TEXT_LENGTH)) for name in by})
    short = short_labels([column_label_with_tag(name) for name in by], 24)
    heads = {name: short[column_label_with_tag(name)] for name in by}
    config: dict[str, Any] = {
        name: st.column_config.TextColumn(said, width=max(96, 7 * len(said) + 22)) for name, said in heads.items()
    }
    config |= {key: st.column_config.NumberColumn(said, format="%.4f", width=84) for key, said in _HEADS.items()}
    config |= {
        "n": st.column_config.NumberColumn("Runs", width=60),
        "standing": st.column_config.TextColumn("Against the best", width=130),
    }
    height: Any = "content" if len(rows) <= MAX_VISIBLE_ROWS else 32 + 31 * MAX_VISIBLE_ROWS + 2
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


def _numbers(row: RankedGroup) -> dict[str, Any]:
    return vars(row.summary) | {"standing": row.standing}


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV in which no spreadsheet takes a text for a formula: such a text begins with an apostrophe. Numbers stay numbers."""
    return (
        frame.map(lambda cell: escape_formula(cell) if isinstance(cell, str) else cell)
        .rename(columns=escape_formula)
        .to_csv(index=False)
    )
