"""Compare's contour: its two axes and its metric to choose, what it needs when it cannot be drawn, and what it guesses."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import rank_columns
from lib.runs.plots import contour, style
from lib.runs.plots.box import MAX_POINTS
from lib.runs.plots.contour import MAX_DISTINCT_POINTS, RunCoordinates
from lib.runs.table.run_table import PARAM_PREFIX
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.metric_selector import (
    PICK_HINT,
    column_list_text,
    column_selectbox,
    measurable_metrics,
    run_click_kwargs,
)
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import bind_widget, view_from_url

EMPTY_TITLE = "No surface to draw"


def draw(context: PlotContext) -> None:
    """A metric over two columns with numbers."""
    view, runs = context.view, context.runs
    names, scores = contour.axis_columns(runs), measurable_metrics(runs)
    if len(names) < 2 or not scores:
        least = f"at least {contour.MIN_DISTINCT_VALUES} different numbers"
        show_empty_state(
            "landscape", EMPTY_TITLE, f"A contour takes two columns with {least} each and a metric. {_would_do(names)}"
        )
        return
    axes, metric = _choose(runs, names, view.z or view.color)
    found = contour.compute_coordinates(runs, axes, metric)
    if needs := contour.surface_problem(found, axes):
        show_empty_state("landscape", EMPTY_TITLE, f"{needs} {_would_do(_fit(runs, names, axes[0], metric))}")
        return
    drawn_charts.draw_chart(
        contour.contour_plot(runs, axes, metric, context.style),
        **run_click_kwargs("contour", view.pick),
        alt=_finding(runs, axes, metric, found),
    )
    show_plot_footer(view, _notes(found, runs))


def resolve_axes(runs: RunTable, names: Sequence[str], preferred_metric: str) -> tuple[tuple[str, str], str]:
    """The axes that the address asks for, else the two that tell most; not those a scatter would take, where a metric goes up.

    And the metric that makes the surface: the one wanted, where it can be measured.
    """
    wish, scores = view_from_url(), measurable_metrics(runs)
    metric = preferred_metric if preferred_metric in scores else scores[0]
    params = rank_columns(runs, [name for name in names if name.startswith(PARAM_PREFIX)], metric)
    best = [*params, *(name for name in names if name not in params and name != metric), metric]
    across = wish.x if wish.x in names else best[0]
    up = wish.y if wish.y in names and wish.y not in (across, metric) else next(name for name in best if name != across)
    return (across, up), metric


def _choose(runs: RunTable, names: Sequence[str], wanted: str) -> tuple[tuple[str, str], str]:
    (across, up), metric = resolve_axes(runs, names, wanted)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        column_selectbox("Surface", measurable_metrics(runs), bind_widget("z", metric))
        column_selectbox("Up", names, bind_widget("y", up))
        column_selectbox("Across", names, bind_widget("x", across))
    return (across, up), metric


def _fit(runs: RunTable, names: Sequence[str], across: str, metric: str) -> list[str]:
    """The columns that would make a surface with the one across."""
    pairs = [(across, name) for name in names if name not in (across, metric)]
    return [pair[1] for pair in pairs if not contour.surface_problem(contour.compute_coordinates(runs, pair, metric), pair)]


def _would_do(names: Sequence[str]) -> str:
    return f"Columns that would do: {column_list_text(names)}." if names else ""


def _finding(runs: RunTable, axes: tuple[str, str], metric: str, found: RunCoordinates) -> str:
    title = f"{style.column_title(metric)} over {style.column_title(axes[0])} and {style.column_title(axes[1])}, interpolated between {len(found.run_ids)} runs"
    best = contour.best_run_id(found, metric)
    return f"{title}; the best run is {runs.identity.name[best]}" if best else title


def _notes(found: RunCoordinates, runs: RunTable) -> list[str]:
    drawn, apart = len(found.run_ids), len(found.run_ids) - found.duplicate_count
    notes = [f"Interpolated between {format_count(drawn, 'run')}: between the points the surface is a guess."]
    if drawn < len(runs):
        notes.append(f"Showing {drawn:,} of {format_count(len(runs), 'run')}; the rest have no number in one of the three.")
    if drawn > MAX_POINTS:
        notes.append(f"Showing a sample of {MAX_POINTS:,} as points; the surface is of all of them.")
    if found.duplicate_count and apart <= MAX_DISTINCT_POINTS:
        notes.append(
            f"{format_count(drawn, 'run')} stand on {format_count(apart, 'place')}: where several stand on one, the surface takes their average."
        )
    if apart > MAX_DISTINCT_POINTS:
        notes.append(f"They stand on {apart:,} places: those that nearly touch are averaged.")
    return [*notes, PICK_HINT]
