"""Compare's box plot: the metric, the parameter or tag that makes the groups, their order, and what the plot leaves out."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import PARENT, Group, Grouping, groupable, ranged, split, telling
from lib.runs.analysis.metric_direction import direction
from lib.runs.plots import box
from lib.runs.plots import style as charts
from lib.runs.table.number_format import figure
from lib.runs.table.run_table import METRIC, subset
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import empty
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.metric_selector import PICKS, called, choose_metric, pickable, select
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import foot
from lib.ui.pages.compare.view_state import View, keep, tied

MEDIAN = "median"
ORDERS = {"": "Natural order", MEDIAN: "By median"}


def draw(scene: Scene) -> None:
    """A box per group, a point per run."""
    view, runs = scene.view, scene.runs
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        metric = choose_metric(view, runs, "Up")
        by = _by(view, runs, metric) if metric else ""
    if not metric or not by:
        if metric:
            empty(
                "candlestick_chart",
                "No groups to show",
                "A box plot takes a parameter or a tag with at least two different values.",
            )
        return
    made = split(runs, [by], metric, ranged)
    shown = _in_order(box.kept(made.groups, view.pick), metric, view)
    inside = {run_id for group in shown for run_id in group.run_ids}
    members = subset(runs, [run_id for run_id in runs.ids if run_id in inside])
    drawn = charts.sampled(members, view.pick, box.MOST_POINTS)
    canvas.draw(box.box(drawn, metric, shown, scene.look), **pickable("box", view.pick), alt=_finding(metric, by, shown))
    foot(view, [*_left_out(made, shown), _points(drawn, members), *_how(made, by), PICKS, "↑ more is better, ↓ less is better."])


def parameter(view: View, runs: RunTable, metric: str) -> str:
    """The column that makes the groups: that of the address, else the one that tells most; "" when there is none."""
    names = groupable(runs)
    telling_ = telling(runs, [name for name in names if name != PARENT], metric)
    return next((name for name in view.by if name in names), "") or next(iter(telling_), "")


def _by(view: View, runs: RunTable, metric: str) -> str:
    names = groupable(runs)
    chosen = parameter(view, runs, metric)
    if not chosen:
        return ""
    order = MEDIAN if MEDIAN in view.by else ""
    select("Groups", names, tied("compare.box.by", chosen, lambda name: keep(by=(name, *filter(None, [order])))))
    binding = tied("compare.box.order", order, lambda word: keep(by=(chosen, *filter(None, [word]))))
    st.selectbox("Order", list(ORDERS), format_func=ORDERS.__getitem__, label_visibility="collapsed", width=150, **binding)
    return chosen


def _in_order(groups: list[Group], metric: str, view: View) -> list[Group]:
    if MEDIAN not in view.by:
        return groups
    falling = direction(metric.removeprefix(METRIC)) != "less"
    return sorted(groups, key=lambda group: box.five(group.numbers).median, reverse=falling)


def _finding(metric: str, by: str, shown: Sequence[Group]) -> str:
    said = [
        f"{group.label} has a median of {figure(box.five(group.numbers).median)}, n = {len(group.numbers)}" for group in shown
    ]
    return f"{charts.heading(metric)} by {called(by)}: {'; '.join(said)}"


def _left_out(made: Grouping, shown: Sequence[Group]) -> list[str]:
    notes = []
    if len(shown) < len(made.groups):
        runs = sum(len(group.numbers) for group in made.groups) - sum(len(group.numbers) for group in shown)
        notes.append(
            f"Showing {len(shown)} of {len(made.groups):,} groups, the largest and those of picked runs: {count(runs, 'run')} not drawn."
        )
    if made.unmeasured:
        notes.append(
            f"{count(made.unmeasured, 'run')} without a number in this metric {'is' if made.unmeasured == 1 else 'are'} not drawn."
        )
    return notes


def _points(drawn: RunTable, members: RunTable) -> str:
    if len(drawn) == len(members):
        return ""
    return f"Showing a sample of {len(drawn):,} of {count(len(members), 'run')} as points; the boxes are of all of them."


def _how(made: Grouping, by: str) -> list[str]:
    notes = (
        [f"{md(called(by))} has too many values for a group each: each group is a range with about as many runs."]
        if made.ranged
        else []
    )
    few = sum(len(group.numbers) < 5 for group in made.groups)
    return [*notes, "Box: the middle half of the runs; whiskers: the last run within 1.5 boxes."] + (
        ["With fewer than five runs, look at the points, not at the box."] if few else []
    )
