"""The dialog with a script that reproduces the Compare view without Podium."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis import comparison
from lib.runs.analysis.grouping import EXPERIMENT_COLUMN
from lib.runs.export.script import Condition, ScriptSpec, build_script
from lib.runs.export.table_files import safe_file_name
from lib.runs.filters.facets import ContainsFacet, Facet, RangeFacet
from lib.runs.plots.contour import axis_columns
from lib.runs.table.run_table import metric_columns, subset
from lib.runs.table.types import RunTable, Search
from lib.runs.table.view import ViewState
from lib.ui.app.session import current_backend
from lib.ui.components.formatting import escape
from lib.ui.pages.compare import plot_box, plot_contour, plot_curves, plot_groups
from lib.ui.pages.compare.axes import selected_axes
from lib.ui.pages.compare.facet_widgets import describe_facet, parse_facets
from lib.ui.pages.compare.plot_context import runs_to_draw
from lib.ui.pages.compare.plot_controls import resolve_metric
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.table import sorted_rows
from lib.ui.pages.compare.view_state import plottable_columns
from lib.ui.queries.runs import ExperimentList


def code_button(view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Show the header button that opens the dialog."""
    if st.button("Code", icon=":material/code:", key="compare.code", help="Show the code that reproduces this view"):
        file_stem = "-".join(experiment.name for experiment in experiment_list.select(view.experiment)[:3])
        conditions, omitted_conditions = script_conditions(view)
        _code_dialog(
            build_script(build_script_spec(view, result, current_backend(), conditions)),
            safe_file_name(file_stem, "py"),
            omitted_conditions,
        )


@st.dialog("Code for this view", width="large", icon=":material/code:")
def _code_dialog(code: str, name: str, omitted_conditions: Sequence[str]) -> None:
    if omitted_conditions:
        st.warning(
            f"Not in the script, because MLflow's run table has no such column: {', '.join(map(escape, omitted_conditions))}.",
            icon=":material/info:",
        )
    st.caption(
        "Plain MLflow, pandas and Altair: reads the runs again, applies the same filters and draws a plain version of the chart."
    )
    st.code(code, language="python", height=460)
    st.download_button(
        "Download script",
        code,
        name,
        "text/x-python",
        key="compare.code.download",
        on_click="ignore",
        icon=":material/download:",
    )


def script_conditions(view: ViewState) -> tuple[list[Condition], list[str]]:
    """Return the facets of the view as script conditions, and descriptions of those that a script cannot express."""
    facets = parse_facets(view.facet)
    supported_facets = [facet for facet in facets if facet.column not in ("dataset", "version")]
    return [_condition(facet) for facet in supported_facets], [
        describe_facet(facet) for facet in facets if facet not in supported_facets
    ]


def _condition(facet: Facet) -> Condition:
    if isinstance(facet, RangeFacet):
        return Condition(facet.column, low=facet.least, high=facet.most)
    if isinstance(facet, ContainsFacet):
        return Condition(facet.column, text=facet.part)
    values = tuple(value for value in facet.values if value is not None)
    return Condition(facet.column, values=values, include_missing=None in facet.values)


def build_script_spec(
    view: ViewState, result: SearchResult, backend: Backend, conditions: Sequence[Condition] = ()
) -> ScriptSpec:
    """Return the script spec of the view, with the same defaults that the plots use for missing URL parameters."""
    matching_runs = (
        subset(result.runs, [row.run_id for row in sorted_rows(view, result.runs)]) if len(result.runs) else result.runs
    )
    runs = runs_to_draw(view, matching_runs, result.all_runs)
    return ScriptSpec(
        uri=backend.uri,
        search=Search(view.experiment, matching_runs.search.filter, matching_runs.search.state, matching_runs.search.limit),
        view=_drawn_view(view, runs, result.all_runs, backend),
        conditions=tuple(conditions),
        directions=result.all_runs.directions,
    )


def _drawn_view(view: ViewState, runs: RunTable, all_runs: RunTable, backend: Backend) -> ViewState:
    """Return the view with the columns and the runs that its plot draws."""
    axes = tuple(selected_axes(view, runs).names) if len(runs) else ()
    drawn_view = replace(view, x="", y="", z="", by=(), axes=axes)
    if view.plot == "Differences":
        return _add_compared_runs(drawn_view, runs, all_runs)
    return _add_plot_columns(drawn_view, view, runs, backend) if metric_columns(runs) or plottable_columns(runs) else drawn_view


def _add_plot_columns(drawn_view: ViewState, view: ViewState, runs: RunTable, backend: Backend) -> ViewState:
    """Add the columns that the plot draws for these runs."""
    column_names, metric = plottable_columns(runs), resolve_metric(view, runs)
    match view.plot:
        case "Scatter" if column_names:
            x, y = (name if name in column_names else column_names[0] for name in (view.x, view.y))
            return replace(drawn_view, x=x, y=y)
        case "Contour" if metric and len(names := axis_columns(runs)) > 1:
            (x, y), z = plot_contour.resolve_axes(runs, names, view.z or view.color)
            return replace(drawn_view, x=x, y=y, z=z)
        case "Box" if metric:
            return replace(drawn_view, y=metric, by=(_mlflow_column_name(plot_box.group_column(view, runs, metric)),))
        case "Groups":
            columns = plot_groups.group_columns(view, runs, metric)
            return replace(drawn_view, y=metric, by=tuple(map(_mlflow_column_name, columns)))
        case "Curves" if metric_columns(runs):
            return _add_curve_runs(drawn_view, view, runs, backend)
    return replace(drawn_view, y=metric)


def _mlflow_column_name(name: str) -> str:
    """Return a column's name in MLflow's own run table."""
    return "experiment_id" if name == EXPERIMENT_COLUMN else name


def _add_curve_runs(drawn_view: ViewState, view: ViewState, runs: RunTable, backend: Backend) -> ViewState:
    """Add the drawn run ids, unless the plot draws all runs."""
    metric, ids = plot_curves.curve_metric_and_run_ids(backend, runs, view)
    if len(ids) == len(runs) and not view.only:
        return replace(drawn_view, y=metric, pick=())
    return replace(drawn_view, y=metric, pick=ids, only="picked")


def _add_compared_runs(drawn_view: ViewState, runs: RunTable, all_runs: RunTable) -> ViewState:
    """Add the ids of the compared runs and the baseline."""
    ids = tuple(comparison.runs_to_compare(all_runs, runs, drawn_view.pick, drawn_view.color))
    if not ids:
        return drawn_view
    baseline = comparison.choose_baseline(subset(all_runs, ids), drawn_view.base)
    return replace(drawn_view, pick=ids, only="picked", base=baseline)
