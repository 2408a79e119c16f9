"""Compare's Box plot: the metric, the grouping parameter or tag, the group order, and notes on omitted runs."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import PARENT_COLUMN, Group, Grouping, group_runs, groupable_columns, range_levels, rank_columns
from lib.runs.analysis.metric_direction import Direction
from lib.runs.plots import box, style
from lib.runs.table.number_format import format_number
from lib.runs.table.run_table import column_direction, subset
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_controls import (
    PICK_HINT,
    column_label_with_tag,
    column_selectbox,
    run_click_kwargs,
    show_metric_selector,
)
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import bind_callback, update_url

MEDIAN = "median"
ORDER_LABELS = {"": "Natural order", MEDIAN: "By median"}


def draw(context: PlotContext) -> None:
    """Draw a box per group and a point per run."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = show_metric_selector(view, runs, "Up")
        group_by = _select_group_column(view, runs, metric) if metric else ""
    if not metric or not group_by:
        if metric:
            show_empty_state(
                "candlestick_chart",
                "No groups to show",
                "A box plot needs a parameter or tag with at least two different values.",
            )
        return
    grouping = group_runs(runs, [group_by], metric, range_levels)
    shown_groups = _sort_groups(box.limit_groups(grouping.groups, view.pick), column_direction(runs, metric), view)
    shown_run_ids = {run_id for group in shown_groups for run_id in group.run_ids}
    grouped_runs = subset(runs, [run_id for run_id in runs.ids if run_id in shown_run_ids])
    drawn_runs = style.sample_runs(grouped_runs, view.pick, box.MAX_POINTS)
    drawn_charts.draw_chart(
        box.box_plot(drawn_runs, metric, shown_groups, context.style),
        **run_click_kwargs("box", view.pick),
        alt=_chart_description(style.column_title(metric, runs.directions), group_by, shown_groups),
    )
    show_plot_footer(
        view,
        [
            *_omission_notes(grouping, shown_groups),
            _sample_note(drawn_runs, grouped_runs),
            *_reading_notes(grouping, group_by),
            PICK_HINT,
            "↑ higher is better, ↓ lower is better.",
        ],
    )


def group_column(view: ViewState, runs: RunTable, metric: str) -> str:
    """Return the grouping column: the one from the URL, otherwise the most informative; "" if there is none."""
    names = groupable_columns(runs)
    ranked_columns = rank_columns(runs, [name for name in names if name != PARENT_COLUMN], metric)
    return next((name for name in view.by if name in names), "") or next(iter(ranked_columns), "")


def _select_group_column(view: ViewState, runs: RunTable, metric: str) -> str:
    names = groupable_columns(runs)
    column = group_column(view, runs, metric)
    if not column:
        return ""
    order = MEDIAN if MEDIAN in view.by else ""
    column_selectbox(
        "Groups", names, bind_callback("compare.box.by", column, lambda name: update_url(by=(name, *filter(None, [order]))))
    )
    binding = bind_callback(
        "compare.box.order", order, lambda selected_order: update_url(by=(column, *filter(None, [selected_order])))
    )
    st.selectbox(
        "Order", list(ORDER_LABELS), format_func=ORDER_LABELS.__getitem__, label_visibility="collapsed", width=150, **binding
    )
    return column


def _sort_groups(groups: list[Group], direction: Direction, view: ViewState) -> list[Group]:
    if MEDIAN not in view.by:
        return groups
    falling = direction != "less"
    return sorted(groups, key=lambda group: box.five_number_summary(group.numbers).median, reverse=falling)


def _chart_description(metric_title: str, group_by: str, shown_groups: Sequence[Group]) -> str:
    parts = [
        f"{group.label} has a median of {format_number(box.five_number_summary(group.numbers).median)}, n = {len(group.numbers)}"
        for group in shown_groups
    ]
    return f"{metric_title} by {column_label_with_tag(group_by)}: {'; '.join(parts)}"


def _omission_notes(grouping: Grouping, shown_groups: Sequence[Group]) -> list[str]:
    notes = []
    if len(shown_groups) < len(grouping.groups):
        runs = sum(len(group.numbers) for group in grouping.groups) - sum(len(group.numbers) for group in shown_groups)
        notes.append(
            f"Showing {len(shown_groups)} of {len(grouping.groups):,} groups, the largest and those of picked runs; {format_count(runs, 'run')} not shown."
        )
    if grouping.unmeasured_count:
        notes.append(
            f"{format_count(grouping.unmeasured_count, 'run')} without a number in this metric {'is' if grouping.unmeasured_count == 1 else 'are'} not shown."
        )
    return notes


def _sample_note(drawn_runs: RunTable, grouped_runs: RunTable) -> str:
    if len(drawn_runs) == len(grouped_runs):
        return ""
    return f"Showing a sample of {len(drawn_runs):,} of {format_count(len(grouped_runs), 'run')} as points; the boxes use all of them."


def _reading_notes(grouping: Grouping, group_by: str) -> list[str]:
    notes = (
        [f"{escape(column_label_with_tag(group_by))} has too many values; runs are binned into ranges of similar size."]
        if grouping.range_columns
        else []
    )
    small_group_count = sum(len(group.numbers) < 5 for group in grouping.groups)
    return [*notes, "Box: middle half of the runs. Whiskers: last run within 1.5 times the box height."] + (
        ["In groups with fewer than five runs, look at the points, not the box."] if small_group_count else []
    )
