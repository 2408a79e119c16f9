"""The top of Compare: the header with its facts and deeds, the toolbar, and what it has to say about the filter."""

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.runs.analysis.metric_direction import titled
from lib.runs.table.run_table import METRIC, Best, best, metrics, points_per_row
from lib.runs.table.types import RunTable
from lib.ui.app.routes import goto
from lib.ui.components.flash import show_done
from lib.ui.components.formatting import count, md, score
from lib.ui.components.layout import header
from lib.ui.components.popover import drawer
from lib.ui.components.write_access import for_recording
from lib.ui.pages.compare import code_dialog as code
from lib.ui.pages.compare import downloads
from lib.ui.pages.compare import experiment_dialog as experiment
from lib.ui.pages.compare import saved_views_menu as views
from lib.ui.pages.compare.facet_widgets import chips
from lib.ui.pages.compare.filter_panel import refine
from lib.ui.pages.compare.marks import is_marked
from lib.ui.pages.compare.queries import Catalogue, Found
from lib.ui.pages.compare.refresh_button import age
from lib.ui.pages.compare.truncation_notice import cut
from lib.ui.pages.compare.view_state import EXPERIMENT, PLOTS, STATS, View, asked, bound, change_experiment, keep, said

SEVERAL = "several"
SIX = "By experiment: the first six that are compared have a colour each, the runs of the others are gray."
STAT_WORDS = {"last": "last", "best": "best", "min": "smallest", "max": "largest"}


def top(here: Backend, view: View, catalogue: Catalogue, found: Found) -> None:
    """Title, facts, and the deeds at the right."""
    names = ", ".join(md(one.name) for one in catalogue.named(view.experiment))
    facts = [names, _how_many(found), _measured(found.left, view.color)]
    with header("Compare", " · ".join(fact for fact in facts if fact)):
        with st.container(width="content"):
            age(here, found.whole)
        views.menu(view, catalogue)
        downloads.menu(view, catalogue, found)
        code.button(view, catalogue, found)
        _register(here, found.left, view.color)
    show_done()
    views.show_open_dialog()
    experiment.show_open_dialog(view, catalogue)


def _how_many(found: Found) -> str:
    left, whole = len(found.left), found.whole.total if found.newest else len(found.whole)
    if whole is None:
        return f"{left:,} of more than {count(found.newest, 'run')}"
    return count(whole, "run") if left == whole else f"{left:,} of {count(whole, 'run')}"


def _measured(table: RunTable, color: str) -> str:
    points = points_per_row(table, color) if color and len(table) else None
    if points is None:
        return ""
    name, rows = md(color.removeprefix(METRIC)), count(round(100 / points), "held-out row")
    return f"{name} is measured on {rows}, so one row is {points:.1f} points"


def _register(here: Backend, table: RunTable, color: str) -> None:
    """The page's one primary button: on to the models page with the best run that has a model."""
    untold = capabilities(here).logged_models.has is False
    top_run = best(table, color, untold=untold) if color and len(table) else None
    why = _which(table, color, top_run) if top_run else "No finished run here has a model and a metric to judge it by."
    pressed = st.button(
        "Register the best",
        icon=":material/add_box:",
        type="primary",
        key="compare.register",
        **(for_recording(here) or {"disabled": top_run is None, "help": why}),
    )
    if pressed and top_run:
        goto("models", register=top_run.run_id)


def _which(table: RunTable, color: str, top_run: Best) -> str:
    name = md(table.identity.name[top_run.run_id])
    value = f"{md(titled(color.removeprefix(METRIC)))} {score(top_run.value)}"
    through = "" if top_run.measured == top_run.run_id else f", measured by {md(table.identity.name[top_run.measured])}"
    ties = f" {count(top_run.ties, 'other run')} measured the same; this is the newest." if top_run.ties else ""
    return f"{name}: {value}{through}.{ties}"


def toolbar(view: View, catalogue: Catalogue, found: Found) -> None:
    """Which runs in the first line, which picture of them in the second; all of it carried by the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare.toolbar"):
        _experiment(view, catalogue)
        _more_experiments(view, catalogue)
        st.text_input(
            "Filter",
            icon=":material/search:",
            placeholder=f"Filter: {found.known.example}",
            label_visibility="collapsed",
            live="500ms",
            width="stretch",
            **bound("filter", view.filter),
        )
        _value(view)
        refine(view, found)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control("Plot", PLOTS, required=True, label_visibility="collapsed", **bound("plot", view.plot))
        st.space("stretch")
        _color(view, found)
    chips(view)
    cut(view, found)
    _messages(found)


def _experiment(view: View, catalogue: Catalogue) -> None:
    """One experiment to go to; when several are compared, they stand on top as one choice."""
    names = catalogue.names
    together = [SEVERAL] if len(view.experiment) > 1 else []
    st.selectbox(
        "Experiment",
        [*together, *names],
        format_func=lambda one: count(len(view.experiment), "experiment") if one == SEVERAL else names.get(one, one),
        icon=":material/science:",
        label_visibility="collapsed",
        width=230,
        **(
            bound("experiment", SEVERAL if together else view.experiment[0])
            | {"on_change": change_experiment, "args": (list(names),)}
        ),
    )


def _more_experiments(view: View, catalogue: Catalogue) -> None:
    names = catalogue.names
    with drawer("more", "More", icon=":material/library_add:", help="Compare the runs of several experiments") as is_open:
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
        experiment.button()


def _together(key: str) -> None:
    """Compare these experiments; the last one cannot be taken away."""
    if st.session_state[key]:
        keep(experiment=tuple(st.session_state[key]))


def _value(view: View) -> None:
    st.selectbox(
        "Value of a metric",
        STATS,
        format_func=lambda one: f"Value: {STAT_WORDS[one]}",
        label_visibility="collapsed",
        width=140,
        help="Of a metric that was logged several times: the last value, the best, the smallest or the largest.",
        **bound("stat", view.stat),
    )


def _color(view: View, found: Found) -> None:
    """By a metric; of several experiments also by experiment, which leaves the metric to the table."""
    scores = metrics(found.whole)
    several = len(view.experiment) > 1
    if scores or several:
        shown = EXPERIMENT if several and (is_marked(view, EXPERIMENT) or not scores) else view.color
        st.selectbox(
            "Colour by",
            [*scores, *([EXPERIMENT] if several else [])],
            format_func=lambda name: f"Colour: {said(name)}",
            icon=":material/palette:",
            label_visibility="collapsed",
            width=200,
            help=SIX if several else None,
            **(bound("color", shown) | {"on_change": _colored, "args": ()}),
        )


def _colored() -> None:
    chosen, others = st.session_state["compare.color"], tuple(one for one in asked().mark if one != EXPERIMENT)
    if chosen == EXPERIMENT:
        keep(mark=(*others, EXPERIMENT))
    else:
        keep(color=chosen, mark=others)


def _messages(found: Found) -> None:
    """What is wrong with the filter, or which of its names no run has. Calm: a half-typed filter is no failure."""
    if found.problem:
        parts = " ".join(md(part) for part in (found.problem.what, found.problem.means, found.problem.next))
        st.markdown(f":small[:orange[:material/info: {parts}]]")
    for note in found.notes:
        st.markdown(f":small[:orange[:material/info: {md(note)}]]")
