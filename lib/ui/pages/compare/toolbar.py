"""The top of Compare: the header with its facts and deeds, the toolbar, and what it has to say about the filter."""

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.runs.analysis.metric_direction import metric_title
from lib.runs.table.run_table import METRIC_PREFIX, BestRun, find_best_run, metric_columns, points_per_row
from lib.runs.table.types import RunTable
from lib.ui.app.routes import switch_page
from lib.ui.components import flash
from lib.ui.components.formatting import escape, format_count, format_metric
from lib.ui.components.layout import page_header
from lib.ui.components.popover import lazy_popover
from lib.ui.components.write_access import record_button_kwargs
from lib.ui.pages.compare import code_dialog, downloads, experiment_dialog, saved_views_menu
from lib.ui.pages.compare.facet_widgets import show_filter_chips
from lib.ui.pages.compare.filter_panel import show_filter_panel
from lib.ui.pages.compare.marks import has_flag
from lib.ui.pages.compare.queries import ExperimentList, SearchResult
from lib.ui.pages.compare.refresh_button import refresh_button
from lib.ui.pages.compare.truncation_notice import show_truncation_notice
from lib.ui.pages.compare.view_state import (
    COLOR_BY_EXPERIMENT,
    PLOT_NAMES,
    STATS,
    ViewState,
    bind_widget,
    change_experiment,
    column_label,
    update_url,
    view_from_url,
)

SEVERAL_EXPERIMENTS = "several"
COLOR_HELP = "By experiment: the first six that are compared have a colour each, the runs of the others are gray."
STAT_LABELS = {"last": "last", "best": "best", "min": "smallest", "max": "largest"}


def show_header(backend: Backend, view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Title, facts, and the deeds at the right."""
    names = ", ".join(escape(one.name) for one in experiment_list.select(view.experiment))
    facts = [names, _how_many(result), _measured(result.runs, view.color)]
    with page_header("Compare", " · ".join(fact for fact in facts if fact)):
        with st.container(width="content"):
            refresh_button(backend, result.all_runs)
        saved_views_menu.show_saved_views_menu(view, experiment_list)
        downloads.show_download_menu(view, experiment_list, result)
        code_dialog.code_button(view, experiment_list, result)
        _register(backend, result.runs, view.color)
    flash.show_flash(flash.COMPARE)
    saved_views_menu.show_saved_view_dialog()
    experiment_dialog.show_experiment_dialog(view, experiment_list)


def _how_many(found: SearchResult) -> str:
    left, whole = len(found.runs), found.all_runs.total if found.newest_count else len(found.all_runs)
    if whole is None:
        return f"{left:,} of more than {format_count(found.newest_count, 'run')}"
    return format_count(whole, "run") if left == whole else f"{left:,} of {format_count(whole, 'run')}"


def _measured(table: RunTable, color: str) -> str:
    points = points_per_row(table, color) if color and len(table) else None
    if points is None:
        return ""
    name, rows = escape(color.removeprefix(METRIC_PREFIX)), format_count(round(100 / points), "held-out row")
    return f"{name} is measured on {rows}, so one row is {points:.1f} points"


def _register(here: Backend, table: RunTable, color: str) -> None:
    """The page's one primary button: on to the models page with the best run that has a model."""
    untold = read_capabilities(here).logged_models.is_available is False
    top_run = find_best_run(table, color, models_unknown=untold) if color and len(table) else None
    why = _which(table, color, top_run) if top_run else "No finished run here has a model and a metric to judge it by."
    pressed = st.button(
        "Register the best",
        icon=":material/add_box:",
        type="primary",
        key="compare.register",
        **(record_button_kwargs(here) or {"disabled": top_run is None, "help": why}),
    )
    if pressed and top_run:
        switch_page("models", register=top_run.run_id)


def _which(table: RunTable, color: str, top_run: BestRun) -> str:
    name = escape(table.identity.name[top_run.run_id])
    value = f"{escape(metric_title(color.removeprefix(METRIC_PREFIX)))} {format_metric(top_run.value)}"
    through = (
        ""
        if top_run.measured_run_id == top_run.run_id
        else f", measured by {escape(table.identity.name[top_run.measured_run_id])}"
    )
    ties = f" {format_count(top_run.tie_count, 'other run')} measured the same; this is the newest." if top_run.tie_count else ""
    return f"{name}: {value}{through}.{ties}"


def show_toolbar(view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Which runs in the first line, which picture of them in the second; all of it carried by the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare.toolbar"):
        _experiment(view, experiment_list)
        _more_experiments(view, experiment_list)
        st.text_input(
            "Filter",
            icon=":material/search:",
            placeholder=f"Filter: {result.filter_names.example_filter}",
            label_visibility="collapsed",
            live="500ms",
            width="stretch",
            **bind_widget("filter", view.filter),
        )
        _value(view)
        show_filter_panel(view, result)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control("Plot", PLOT_NAMES, required=True, label_visibility="collapsed", **bind_widget("plot", view.plot))
        st.space("stretch")
        _color(view, result)
    show_filter_chips(view)
    show_truncation_notice(view, result)
    _messages(result)


def _experiment(view: ViewState, catalogue: ExperimentList) -> None:
    """One experiment to go to; when several are compared, they stand on top as one choice."""
    names = catalogue.names_by_id
    together = [SEVERAL_EXPERIMENTS] if len(view.experiment) > 1 else []
    st.selectbox(
        "Experiment",
        [*together, *names],
        format_func=lambda one: (
            format_count(len(view.experiment), "experiment") if one == SEVERAL_EXPERIMENTS else names.get(one, one)
        ),
        icon=":material/science:",
        label_visibility="collapsed",
        width=230,
        **(
            bind_widget("experiment", SEVERAL_EXPERIMENTS if together else view.experiment[0])
            | {"on_change": change_experiment, "args": (list(names),)}
        ),
    )


def _more_experiments(view: ViewState, catalogue: ExperimentList) -> None:
    names = catalogue.names_by_id
    with lazy_popover("more", "More", icon=":material/library_add:", help="Compare the runs of several experiments") as is_open:
        if not is_open:
            return
        key = "compare.together"
        st.session_state[key] = [one for one in view.experiment if one in names]
        st.multiselect(
            "Experiments to compare",
            list(names),
            format_func=lambda one: names.get(one, one),
            key=key,
            on_change=_together,
            args=(key,),
        )
        experiment_dialog.experiments_button()


def _together(key: str) -> None:
    """Compare these experiments; the last one cannot be taken away."""
    if st.session_state[key]:
        update_url(experiment=tuple(st.session_state[key]))


def _value(view: ViewState) -> None:
    st.selectbox(
        "Value of a metric",
        STATS,
        format_func=lambda one: f"Value: {STAT_LABELS[one]}",
        label_visibility="collapsed",
        width=140,
        help="Of a metric that was logged several times: the last value, the best, the smallest or the largest.",
        **bind_widget("stat", view.stat),
    )


def _color(view: ViewState, found: SearchResult) -> None:
    """By a metric; of several experiments also by experiment, which leaves the metric to the table."""
    scores = metric_columns(found.all_runs)
    several = len(view.experiment) > 1
    if scores or several:
        shown = COLOR_BY_EXPERIMENT if several and (has_flag(view, COLOR_BY_EXPERIMENT) or not scores) else view.color
        st.selectbox(
            "Colour by",
            [*scores, *([COLOR_BY_EXPERIMENT] if several else [])],
            format_func=lambda name: f"Colour: {column_label(name)}",
            icon=":material/palette:",
            label_visibility="collapsed",
            width=200,
            help=COLOR_HELP if several else None,
            **(bind_widget("color", shown) | {"on_change": _colored, "args": ()}),
        )


def _colored() -> None:
    chosen, others = st.session_state["compare.color"], tuple(one for one in view_from_url().mark if one != COLOR_BY_EXPERIMENT)
    if chosen == COLOR_BY_EXPERIMENT:
        update_url(mark=(*others, COLOR_BY_EXPERIMENT))
    else:
        update_url(color=chosen, mark=others)


def _messages(found: SearchResult) -> None:
    """What is wrong with the filter, or which of its names no run has. Calm: a half-typed filter is no failure."""
    if found.problem:
        parts = " ".join(escape(part) for part in (found.problem.what, found.problem.means, found.problem.next))
        st.markdown(f":small[:orange[:material/info: {parts}]]")
    for note in found.notes:
        st.markdown(f":small[:orange[:material/info: {escape(note)}]]")
