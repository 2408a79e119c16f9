"""Compare's Contour plot: two axes and a metric, requirements if it cannot be drawn, and notes on interpolation."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import rank_columns
from lib.runs.plots import contour, style
from lib.runs.plots.box import MAX_POINTS
from lib.runs.plots.contour import MAX_DISTINCT_POINTS, RunCoordinates
from lib.runs.table.run_table import PARAM_PREFIX, column_direction
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_controls import PICK_HINT, column_list_text, column_selectbox, measurable_metrics, run_click_kwargs
from lib.ui.pages.compare.plot_footer import show_plot_footer
from lib.ui.pages.compare.view_state import bind_widget, view_from_url

EMPTY_TITLE = "No surface to draw"


def draw(context: PlotContext) -> None:
    """Draw a metric as a surface over two numeric columns."""
    view, runs = context.view, context.runs
    names, metrics = contour.axis_columns(runs), measurable_metrics(runs)
    if len(names) < 2 or not metrics:
        requirement = f"at least {contour.MIN_DISTINCT_VALUES} different numbers"
        show_empty_state(
            "landscape",
            EMPTY_TITLE,
            f"A contour needs two columns with {requirement} each and a metric. {_usable_columns_text(names)}",
        )
        return
    axes, metric = _select_axes(runs, names, view.z or view.color)
    coordinates = contour.compute_coordinates(runs, axes, metric)
    if problem := contour.surface_problem(coordinates, axes):
        show_empty_state(
            "landscape", EMPTY_TITLE, f"{problem} {_usable_columns_text(_usable_columns(runs, names, axes[0], metric))}"
        )
        return
    drawn_charts.draw_chart(
        contour.contour_plot(runs, axes, metric, context.style),
        **run_click_kwargs("contour", view.pick),
        alt=_chart_description(runs, axes, metric, coordinates),
    )
    show_plot_footer(view, _notes(coordinates, runs))


def resolve_axes(runs: RunTable, names: Sequence[str], preferred_metric: str) -> tuple[tuple[str, str], str]:
    """Return the two axes and the surface metric.

    The axes are those from the URL, otherwise the most informative columns, parameters first. A y axis equal to the surface metric, as a
    scatter would have it, is ignored. The metric is the requested one if a run has a number in it.
    """
    view, metrics = view_from_url(), measurable_metrics(runs)
    metric = preferred_metric if preferred_metric in metrics else metrics[0]
    params = rank_columns(runs, [name for name in names if name.startswith(PARAM_PREFIX)], metric)
    ranked_columns = [*params, *(name for name in names if name not in params and name != metric), metric]
    x = view.x if view.x in names else ranked_columns[0]
    y = view.y if view.y in names and view.y not in (x, metric) else next(name for name in ranked_columns if name != x)
    return (x, y), metric


def _select_axes(runs: RunTable, names: Sequence[str], preferred_metric: str) -> tuple[tuple[str, str], str]:
    (x, y), metric = resolve_axes(runs, names, preferred_metric)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        column_selectbox("Surface", measurable_metrics(runs), bind_widget("z", metric))
        column_selectbox("Y axis", names, bind_widget("y", y))
        column_selectbox("X axis", names, bind_widget("x", x))
    return (x, y), metric


def _usable_columns(runs: RunTable, names: Sequence[str], x: str, metric: str) -> list[str]:
    """Return the columns that form a surface together with the horizontal one."""
    pairs = [(x, name) for name in names if name not in (x, metric)]
    return [pair[1] for pair in pairs if not contour.surface_problem(contour.compute_coordinates(runs, pair, metric), pair)]


def _usable_columns_text(names: Sequence[str]) -> str:
    return f"Usable columns: {column_list_text(names)}." if names else ""


def _chart_description(runs: RunTable, axes: tuple[str, str], metric: str, coordinates: RunCoordinates) -> str:
    title = f"{style.column_title(metric, runs.directions)} over {style.column_title(axes[0], runs.directions)} and {style.column_title(axes[1], runs.directions)}, interpolated between {len(coordinates.run_ids)} runs"
    best_id = contour.best_run_id(coordinates, column_direction(runs, metric))
    return f"{title}; the best run is {runs.identity.name[best_id]}" if best_id else title


def _notes(coordinates: RunCoordinates, runs: RunTable) -> list[str]:
    drawn_count, distinct_count = len(coordinates.run_ids), len(coordinates.run_ids) - coordinates.duplicate_count
    notes = [f"Interpolated from {format_count(drawn_count, 'run')}; between the points the surface is an estimate."]
    if drawn_count < len(runs):
        notes.append(
            f"Showing {drawn_count:,} of {format_count(len(runs), 'run')}; the others lack a number in one of the three columns."
        )
    if drawn_count > MAX_POINTS:
        notes.append(f"Showing a sample of {MAX_POINTS:,} as points; the surface uses all of them.")
    if coordinates.duplicate_count and distinct_count <= MAX_DISTINCT_POINTS:
        notes.append(
            f"{format_count(drawn_count, 'run')} at {format_count(distinct_count, 'distinct point')}; runs at the same point are averaged."
        )
    if distinct_count > MAX_DISTINCT_POINTS:
        notes.append(f"{distinct_count:,} distinct points; near-identical ones are averaged.")
    return [*notes, PICK_HINT]
