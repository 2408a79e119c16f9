"""The top of Compare: header with facts and actions, toolbar with experiments, filter, metric values and colours."""

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.runs.table.run_table import METRIC_PREFIX, BestRun, find_best_run, metric_columns, points_per_row
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.app.page_links import switch_page
from lib.ui.components import flash
from lib.ui.components.formatting import escape, format_count, format_metric
from lib.ui.components.layout import lazy_popover, page_header
from lib.ui.components.write_access import record_button_kwargs
from lib.ui.pages.compare import code_dialog, downloads, experiment_dialog, metric_direction, saved_views_menu
from lib.ui.pages.compare.facet_widgets import show_filter_chips
from lib.ui.pages.compare.filter_panel import show_filter_panel
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.read_status import refresh_button, show_filter_messages, show_truncation_notice
from lib.ui.pages.compare.view_state import (
    COLOR_BY_EXPERIMENT,
    PLOT_NAMES,
    STATS,
    bind_widget,
    change_experiment,
    column_label,
    has_flag,
    update_url,
    view_from_url,
)
from lib.ui.queries.runs import ExperimentList

SEVERAL_EXPERIMENTS = "several"
COLOR_HELP = "By experiment: the first six experiments each get a colour; runs of the others are gray."
STAT_LABELS = {"last": "last", "best": "best", "min": "smallest", "max": "largest"}


def show_header(backend: Backend, view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Show title, facts, and the actions on the right."""
    names = ", ".join(escape(experiment.name) for experiment in experiment_list.select(view.experiment))
    facts = [names, _run_count_text(result), _row_weight_text(result.runs, view.color)]
    with page_header("Compare", " · ".join(fact for fact in facts if fact)):
        with st.container(width="content"):
            refresh_button(backend, result.all_runs)
        saved_views_menu.show_saved_views_menu(view, experiment_list)
        downloads.show_download_menu(view, experiment_list, result)
        code_dialog.code_button(view, experiment_list, result)
        _register_button(backend, view, result.runs)
    flash.show_flash(flash.COMPARE)
    saved_views_menu.show_saved_view_dialog()
    experiment_dialog.show_experiment_dialog()


def _run_count_text(result: SearchResult) -> str:
    matching_count, total_count = len(result.runs), result.all_runs.total if result.newest_count else len(result.all_runs)
    if total_count is None:
        return f"{matching_count:,} of more than {format_count(result.newest_count, 'run')}"
    return (
        format_count(total_count, "run")
        if matching_count == total_count
        else f"{matching_count:,} of {format_count(total_count, 'run')}"
    )


def _row_weight_text(table: RunTable, color: str) -> str:
    points = points_per_row(table, color) if color and len(table) else None
    if points is None:
        return ""
    name, rows = escape(color.removeprefix(METRIC_PREFIX)), format_count(round(100 / points), "held-out row")
    return f"{name} is measured on {rows}, so one row is {points:.1f} points"


def _register_button(backend: Backend, view: ViewState, table: RunTable) -> None:
    """Show the page's primary button: open the Models page with the best run that has a model.

    If the metric's direction is unknown, ask for it first.
    """
    color, button_kwargs = view.color, record_button_kwargs(backend)
    if not button_kwargs and len(table) and metric_direction.is_unknown(view, table):
        name = escape(color.removeprefix(METRIC_PREFIX))
        button_kwargs = {
            "on_click": metric_direction.ask_direction,
            "help": f"First asks whether higher or lower {name} is better.",
        }
    models_unknown = read_capabilities(backend).logged_models.is_available is False
    top_run = find_best_run(table, color, models_unknown=models_unknown) if color and len(table) else None
    help_text = (
        _best_run_text(table, color, top_run) if top_run else "No finished run here has both a model and the colour metric."
    )
    is_pressed = st.button(
        "Register best run",
        icon=":material/add_box:",
        type="primary",
        key="compare.register",
        **(button_kwargs or {"disabled": top_run is None, "help": help_text}),
    )
    if is_pressed and top_run:
        switch_page("models", register=top_run.run_id)


def _best_run_text(table: RunTable, color: str, top_run: BestRun) -> str:
    name = escape(table.identity.name[top_run.run_id])
    value = f"{escape(table.directions.title(color.removeprefix(METRIC_PREFIX)))} {format_metric(top_run.value)}"
    source_note = (
        ""
        if top_run.measured_run_id == top_run.run_id
        else f", measured in {escape(table.identity.name[top_run.measured_run_id])}"
    )
    ties = (
        f" {format_count(top_run.tie_count, 'other run')} reached the same value; this is the newest."
        if top_run.tie_count
        else ""
    )
    return f"{name}: {value}{source_note}.{ties}"


def show_toolbar(backend: Backend, view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Show the run selection in the first line and the plot selection in the second. All state is in the URL."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare.toolbar"):
        _experiment_selectbox(view, experiment_list)
        _experiments_popover(view, experiment_list)
        st.text_input(
            "Filter",
            icon=":material/search:",
            placeholder=f"Filter: {result.filter_names.example_filter}",
            label_visibility="collapsed",
            live="500ms",
            width="stretch",
            **bind_widget("filter", view.filter),
        )
        _stat_selectbox(view)
        show_filter_panel(view, result)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.segmented_control("Plot", PLOT_NAMES, required=True, label_visibility="collapsed", **bind_widget("plot", view.plot))
        _color_selectbox(view, result)
        metric_direction.show_direction_button(backend, view, result.all_runs)
    show_filter_chips(view)
    show_truncation_notice(view, result)
    show_filter_messages(result)


def _experiment_selectbox(view: ViewState, experiment_list: ExperimentList) -> None:
    """Show the experiment select box; several compared experiments appear as one option at the top."""
    names = experiment_list.names_by_id
    several_option = [SEVERAL_EXPERIMENTS] if len(view.experiment) > 1 else []
    st.selectbox(
        "Experiment",
        [*several_option, *names],
        format_func=lambda option: (
            format_count(len(view.experiment), "experiment") if option == SEVERAL_EXPERIMENTS else names.get(option, option)
        ),
        icon=":material/science:",
        label_visibility="collapsed",
        width=230,
        **(
            bind_widget("experiment", SEVERAL_EXPERIMENTS if several_option else view.experiment[0])
            | {"on_change": change_experiment, "args": (list(names),)}
        ),
    )


def _experiments_popover(view: ViewState, experiment_list: ExperimentList) -> None:
    names = experiment_list.names_by_id
    with lazy_popover(
        experiment_dialog.POPOVER_KEY, "More", icon=":material/library_add:", help="Compare the runs of several experiments"
    ) as is_open:
        if not is_open:
            return
        key = "compare.together"
        st.session_state[key] = [experiment_id for experiment_id in view.experiment if experiment_id in names]
        st.multiselect(
            "Experiments to compare",
            list(names),
            format_func=lambda experiment_id: names.get(experiment_id, experiment_id),
            key=key,
            on_change=_on_experiments_change,
            args=(key,),
        )
        experiment_dialog.experiments_button(view, experiment_list)


def _on_experiments_change(key: str) -> None:
    """Compare these experiments; the last one cannot be removed."""
    if st.session_state[key]:
        update_url(experiment=tuple(st.session_state[key]))


def _stat_selectbox(view: ViewState) -> None:
    st.selectbox(
        "Value of a metric",
        STATS,
        format_func=lambda stat: f"Value: {STAT_LABELS[stat]}",
        label_visibility="collapsed",
        width=140,
        help="Which value of a metric logged several times to show: last, best, smallest or largest.",
        **bind_widget("stat", view.stat),
    )


def _color_selectbox(view: ViewState, result: SearchResult) -> None:
    """Show the colour select box: by metric or, with several experiments, by experiment; the table keeps the metric."""
    metrics = metric_columns(result.all_runs)
    has_several = len(view.experiment) > 1
    if metrics or has_several:
        selected_color = (
            COLOR_BY_EXPERIMENT if has_several and (has_flag(view, COLOR_BY_EXPERIMENT) or not metrics) else view.color
        )
        st.selectbox(
            "Colour by",
            [*metrics, *([COLOR_BY_EXPERIMENT] if has_several else [])],
            format_func=lambda name: f"Colour: {column_label(name)}",
            icon=":material/palette:",
            label_visibility="collapsed",
            width="stretch",
            help=COLOR_HELP if has_several else None,
            **(bind_widget("color", selected_color) | {"on_change": _on_color_change, "args": ()}),
        )


def _on_color_change() -> None:
    color, others = st.session_state["compare.color"], tuple(flag for flag in view_from_url().mark if flag != COLOR_BY_EXPERIMENT)
    if color == COLOR_BY_EXPERIMENT:
        update_url(mark=(*others, COLOR_BY_EXPERIMENT))
    else:
        update_url(color=color, mark=others)
