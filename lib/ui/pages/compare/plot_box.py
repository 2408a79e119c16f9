"""Compare's box plot: the metric, the parameter or tag that makes the groups, their order, and what the plot leaves out."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import PARENT_COLUMN, Group, Grouping, group_runs, groupable_columns, range_levels, rank_columns
from lib.runs.analysis.metric_direction import metric_direction
from lib.runs.plots import box, style
from lib.runs.table.number_format import format_number
from lib.runs.table.run_table import METRIC_PREFIX, subset
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.metric_selector import (
    PICK_HINT,
    column_label_with_tag,
    column_selectbox,
    run_click_kwargs,
    show_metric_selector,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import ViewState, bind_callback, update_url

MEDIAN = "median"
ORDER_LABELS = {"": "Natural order", MEDIAN: "By median"}


def draw(context: PlotContext) -> None:
    """A box per group, a point per run."""
    view, runs = context.view, context.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = show_metric_selector(view, runs, "Up")
        by = _by(view, runs, metric) if metric else ""
    if not metric or not by:
        if metric:
            show_empty_state(
                "candlestick_chart",
                "No groups to show",
                "A box plot takes a parameter or a tag with at least two different values.",
            )
        return
    made = group_runs(runs, [by], metric, range_levels)
    shown = _in_order(box.limit_groups(made.groups, view.pick), metric, view)
    inside = {run_id for group in shown for run_id in group.run_ids}
    members = subset(runs, [run_id for run_id in runs.ids if run_id in inside])
    drawn = style.sample_runs(members, view.pick, box.MAX_POINTS)
    drawn_charts.draw_chart(
        box.box_plot(drawn, metric, shown, context.style), **run_click_kwargs("box", view.pick), alt=_finding(metric, by, shown)
    )
    show_plot_footer(
        view,
        [*_left_out(made, shown), _points(drawn, members), *_how(made, by), PICK_HINT, "↑ more is better, ↓ less is better."],
    )


def group_column(view: ViewState, runs: RunTable, metric: str) -> str:
    """The column that makes the groups: that of the address, else the one that tells most; "" when there is none."""
    names = groupable_columns(runs)
    telling_ = rank_columns(runs, [name for name in names if name != PARENT_COLUMN], metric)
    return next((name for name in view.by if name in names), "") or next(iter(telling_), "")


def _by(view: ViewState, runs: RunTable, metric: str) -> str:
    names = groupable_columns(runs)
    chosen = group_column(view, runs, metric)
    if not chosen:
        return ""
    order = MEDIAN if MEDIAN in view.by else ""
    column_selectbox(
        "Groups", names, bind_callback("compare.box.by", chosen, lambda name: update_url(by=(name, *filter(None, [order]))))
    )
    binding = bind_callback("compare.box.order", order, lambda word: update_url(by=(chosen, *filter(None, [word]))))
    st.selectbox(
        "Order", list(ORDER_LABELS), format_func=ORDER_LABELS.__getitem__, label_visibility="collapsed", width=150, **binding
    )
    return chosen


def _in_order(groups: list[Group], metric: str, view: ViewState) -> list[Group]:
    if MEDIAN not in view.by:
        return groups
    falling = metric_direction(metric.removeprefix(METRIC_PREFIX)) != "less"
    return sorted(groups, key=lambda group: box.five_number_summary(group.numbers).median, reverse=falling)


def _finding(metric: str, by: str, shown: Sequence[Group]) -> str:
    said = [
        f"{group.label} has a median of {format_number(box.five_number_summary(group.numbers).median)}, n = {len(group.numbers)}"
        for group in shown
    ]
    return f"{style.column_title(metric)} by {column_label_with_tag(by)}: {'; '.join(said)}"


def _left_out(made: Grouping, shown: Sequence[Group]) -> list[str]:
    notes = []
    if len(shown) < len(made.groups):
        runs = sum(len(group.numbers) for group in made.groups) - sum(len(group.numbers) for group in shown)
        notes.append(
            f"Showing {len(shown)} of {len(made.groups):,} groups, the largest and those of picked runs: {format_count(runs, 'run')} not drawn."
        )
    if made.unmeasured_count:
        notes.append(
            f"{format_count(made.unmeasured_count, 'run')} without a number in this metric {'is' if made.unmeasured_count == 1 else 'are'} not drawn."
        )
    return notes


def _points(drawn: RunTable, members: RunTable) -> str:
    if len(drawn) == len(members):
        return ""
    return f"Showing a sample of {len(drawn):,} of {format_count(len(members), 'run')} as points; the boxes are of all of them."


def _how(made: Grouping, by: str) -> list[str]:
    notes = (
        [
            f"{escape(column_label_with_tag(by))} has too many values for a group each: each group is a range with about as many runs."
        ]
        if made.range_columns
        else []
    )
    few = sum(len(group.numbers) < 5 for group in made.groups)
    return [*notes, "Box: the middle half of the runs; whiskers: the last run within 1.5 boxes."] + (
        ["With fewer than five runs, look at the points, not at the box."] if few else []
    )
