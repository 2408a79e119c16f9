"""Compare's Groups plot: grouping of repeated runs, the leading group and its certainty, error bars, and the table."""

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
from lib.runs.table.run_table import column_direction
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.statistics.samples import SampleSummary
from lib.ui.components.data_table import table_height
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import lazy_popover, show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_controls import (
    PICK_HINT,
    column_label_with_tag,
    column_list_text,
    run_click_kwargs,
    show_metric_selector,
)
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import bind_widget, unique_labels, update_url

MAX_VISIBLE_ROWS = 8
MAX_TEXT_LENGTH = 24
"""Maximum characters of a cell; longer texts are shortened in the middle to distinct texts."""


def draw(context: PlotContext) -> None:
    """Draw a row per group with its runs, mean and confidence interval, followed by the same data as a table."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = show_metric_selector(view, runs, "Mean of")
        group_by = _select_group_columns(view, runs, metric) if metric else []
    if not metric:
        return
    if not group_by:
        show_empty_state(
            "stacked_bar_chart", "No groups to show", "Groups need a parameter or tag with at least two different values."
        )
        return
    grouping = group_runs(runs, group_by, metric)
    rows = rank_groups(grouping.groups, column_direction(runs, metric))
    if any(row.summary.n > 1 for row in rows):
        _show_groups(context, metric, group_by, (grouping, rows))
    else:
        _show_no_repeat(runs, rows, group_by, metric)
    _show_group_table(rows, group_by)


def _show_groups(context: PlotContext, metric: str, group_by: Sequence[str], ranking: tuple[Grouping, list[RankedGroup]]) -> None:
    """Show the leading group and the chart."""
    grouping, rows = ranking
    shown_rows = _rows_to_draw(rows, context.view.pick)
    st.markdown(_finding_text(rows))
    st.caption(" · ".join(escape(column_label_with_tag(name)) for name in group_by))
    description = f"Mean and interval by {', '.join(map(column_label_with_tag, group_by))}. {_plain_finding(rows)}"
    drawn_charts.draw_chart(
        groups.group_plot(context.runs, metric, shown_rows, context.style),
        **run_click_kwargs("groups", context.view.pick),
        alt=description,
    )
    show_plot_footer(context.view, _notes(grouping, rows, shown_rows, _repeats_note(context.view, group_by, context.runs)))


def _show_no_repeat(runs: RunTable, rows: Sequence[RankedGroup], group_by: Sequence[str], metric: str) -> None:
    """Show that no group has two runs, and offer the most informative parameter."""
    text = f"{format_count(len(rows), 'group')} of one run each, so no spread or interval. Group by fewer columns, or repeat runs with another seed."
    show_empty_state("help", "Cannot tell: no repeated runs", text)
    best_columns = rank_columns(
        runs, [name for name in groupable_columns(runs) if not is_repeat_column(name.partition(".")[2])], metric
    )[:1]
    if best_columns and list(group_by) != best_columns:
        with st.container(horizontal_alignment="center"):
            label = f"Group by {escape(short_labels([column_label_with_tag(best_columns[0])], 40)[column_label_with_tag(best_columns[0])])} only"
            st.button(label, key="compare.groups.fewer", on_click=update_url, kwargs={"by": tuple(best_columns)})


def group_columns(view: ViewState, runs: RunTable, metric: str) -> list[str]:
    """Return the grouping columns: those from the URL, otherwise the differing parameters except seeds.

    If these yield no repeated runs, the one parameter that does and explains most of the metric. Runs of different experiments are not
    repeats of each other unless the reader says so.
    """
    names = groupable_columns(runs)
    if requested_columns := [name for name in view.by if name in names]:
        return requested_columns
    experiment_columns = [name for name in names if name == EXPERIMENT_COLUMN]
    settings = [*experiment_columns, *varying_settings(runs)]
    if not settings:
        return [name for name in names if name != PARENT_COLUMN][:1]
    return settings if not metric or _has_repeats(runs, settings, metric) else _repeating_columns(runs, settings, metric)


def _has_repeats(runs: RunTable, column_names: Sequence[str], metric: str) -> bool:
    return any(len(group.numbers) > 1 for group in group_runs(runs, column_names, metric).groups)


def _repeating_columns(runs: RunTable, settings: list[str], metric: str) -> list[str]:
    """Return the setting that yields repeated runs and explains most, plus the experiment if there are several.

    Returns all settings if none yields repeated runs.
    """
    experiment_columns = [name for name in settings if name == EXPERIMENT_COLUMN]
    for name in rank_columns(runs, [name for name in settings if name != EXPERIMENT_COLUMN], metric):
        if _has_repeats(runs, columns := [*experiment_columns, name], metric):
            return columns
    return settings


def _select_group_columns(view: ViewState, runs: RunTable, metric: str) -> list[str]:
    """Return the grouping columns from the URL, otherwise the differing parameters except seeds."""
    names, columns = groupable_columns(runs), group_columns(view, runs, metric)
    if not names:
        return []
    with lazy_popover(
        "compare.drawer.by", f"Group by {format_count(len(columns), 'column')}", icon=":material/stacks:"
    ) as is_open:
        if not is_open:
            return columns
        st.multiselect(
            "Group by",
            names,
            format_func=unique_labels(names, column_label_with_tag).__getitem__,
            width=420,
            **bind_widget("by", columns),
        )
        st.caption(
            "Runs with the same values in all of these columns are one group. Default: every parameter except the seed, plus the experiment if there are several."
        )
    return columns


def _repeats_note(view: ViewState, group_by: Sequence[str], runs: RunTable) -> str:
    if set(view.by) & set(group_by):
        return ""
    repeats = [name for name in groupable_columns(runs) if is_repeat_column(name.partition(".")[2]) and name not in group_by]
    others = [name for name in varying_settings(runs) if name not in group_by]
    notes = [f"Treated as repeats: {column_list_text(repeats)}."] if repeats else []
    notes += (
        [f"No two runs share all settings, so runs count as repeats although these differ: {column_list_text(others)}."]
        if others
        else []
    )
    return " ".join(notes)


def _finding_text(rows: Sequence[RankedGroup]) -> str:
    """Return a Markdown summary of the leading group and of groups that cannot be distinguished from it."""
    leader = next((row for row in rows if row.standing == "best"), None)
    if leader is None:
        return _no_leader_text(rows)
    unclear_count, worse_count = (sum(row.standing == standing for row in rows) for standing in ("cannot tell", "worse"))
    parts = [f"**{escape(leader.group.label.strip())}** has the best mean among repeated runs: {_summary_text(leader.summary)}."]
    parts += (
        [f":orange[:material/help: Cannot tell] it apart from {format_count(unclear_count, 'other group')}."]
        if unclear_count
        else []
    )
    parts += [f"{format_count(worse_count, 'group')} {'is' if worse_count == 1 else 'are'} worse."] if worse_count else []
    return " ".join(parts)


def _no_leader_text(rows: Sequence[RankedGroup]) -> str:
    if len(rows) < 2:
        return f"One group: {_summary_text(rows[0].summary)}."
    return "The direction of this metric is not set, so no group leads. Set it with the arrow next to the colour."


def _summary_text(summary: SampleSummary) -> str:
    spread = f"{format_number(summary.low)} to {format_number(summary.high)}, " if summary.low is not None else ""
    return f"{format_number(summary.mean)} ({spread}n = {summary.n})"


def _plain_finding(rows: Sequence[RankedGroup]) -> str:
    return "; ".join(f"{row.group.label}: {_summary_text(row.summary)} {row.standing}".rstrip() for row in rows[:5])


def _rows_to_draw(rows: Sequence[RankedGroup], selected_run_ids: Sequence[str]) -> list[RankedGroup]:
    """Return at most `MAX_ROWS` rows in order: the leader and groups with a picked run first, then from the top."""
    selected_ids = set(selected_run_ids)
    first_indices = [
        index for index, row in enumerate(rows) if row.standing == "best" or not selected_ids.isdisjoint(row.group.run_ids)
    ]
    drawn_indices = sorted(dict.fromkeys([*first_indices, *range(len(rows))]), key=lambda index: index not in first_indices)[
        : groups.MAX_ROWS
    ]
    return [rows[index] for index in sorted(drawn_indices)]


def _notes(grouping: Grouping, rows: Sequence[RankedGroup], shown_rows: Sequence[RankedGroup], repeats_note: str) -> list[str]:
    single_count = sum(row.summary.n == 1 for row in rows)
    point_count = sum(row.summary.n for row in shown_rows)
    has_leader = any(row.standing == "best" for row in rows)
    return [
        f"Showing {len(shown_rows)} of {len(rows):,} groups; the table lists all." if len(shown_rows) < len(rows) else "",
        f"A sample of {MAX_POINTS:,} of {format_count(point_count, 'run')} as points." if point_count > MAX_POINTS else "",
        f"{format_count(grouping.unmeasured_count, 'run')} without a number in this metric not shown."
        if grouping.unmeasured_count
        else "",
        repeats_note,
        "Line: 95% interval of the mean (Student's t)." if single_count < len(rows) else "",
        "Intervals are clipped at the chart's edge." if groups.has_clipped_interval(shown_rows) else "",
        f"{format_count(single_count, 'group')} of one run without an interval." if single_count and has_leader else "",
        "Worse: Welch's test against the best at the 5% level, corrected for the number of groups."
        if has_leader and len(rows) > 1
        else "",
        PICK_HINT,
    ]


def _show_group_table(rows: Sequence[RankedGroup], group_by: Sequence[str]) -> None:
    table = pd.DataFrame([dict(zip(group_by, row.group.labels, strict=True)) | _group_statistics(row) for row in rows])
    display_table = table.assign(**{name: table[name].map(short_labels(list(table[name]), MAX_TEXT_LENGTH)) for name in group_by})
    short = short_labels([column_label_with_tag(name) for name in group_by], 24)
    headings = {name: short[column_label_with_tag(name)] for name in group_by}
    config: dict[str, Any] = {
        name: st.column_config.TextColumn(heading, width=max(96, 7 * len(heading) + 22)) for name, heading in headings.items()
    }
    config |= {
        key: st.column_config.NumberColumn(heading, format="%.4f", width=84) for key, heading in _STATISTIC_HEADINGS.items()
    }
    config |= {
        "n": st.column_config.NumberColumn("Runs", width=60),
        "standing": st.column_config.TextColumn("Compared with best", width=130),
    }
    st.dataframe(
        display_table,
        hide_index=True,
        height=table_height(len(rows), MAX_VISIBLE_ROWS),
        column_config=config,
        placeholder="",
        alt=f"{len(rows)} groups by their mean",
    )
    st.download_button(
        "Download groups as CSV",
        as_csv(table),
        "groups.csv",
        "text/csv",
        icon=":material/download:",
        key="compare.groups.csv",
        type="tertiary",
        on_click="ignore",
    )


_STATISTIC_HEADINGS = {"mean": "Mean", "sd": "Spread (sd)", "low": "95% from", "high": "95% to"}


def _group_statistics(row: RankedGroup) -> dict[str, Any]:
    return vars(row.summary) | {"standing": row.standing}


def as_csv(frame: pd.DataFrame) -> str:
    """Return the table as CSV, with an apostrophe before texts that a spreadsheet would run as formulas. Numbers stay numbers."""
    return (
        frame.map(lambda cell: escape_formula(cell) if isinstance(cell, str) else cell)
        .rename(columns=escape_formula)
        .to_csv(index=False)
    )
