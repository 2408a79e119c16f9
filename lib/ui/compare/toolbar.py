"""The top of Compare: the header with its facts and deeds, the toolbar, and what it has to say about the filter."""

import streamlit as st

from lib.runs.direction import titled
from lib.runs.table import METRIC, best, metrics, points_per_row
from lib.runs.values import RunTable
from lib.ui.cards import header
from lib.ui.compare import code, downloads, experiment, views
from lib.ui.compare.deeds import show_done
from lib.ui.compare.reading import Catalogue, Found, read_again
from lib.ui.compare.view import PLOTS, View, asked, bound, change_experiment, keep, said
from lib.ui.routes import goto
from lib.ui.text import count, md, score

ADD = "compare.add"


def top(view: View, catalogue: Catalogue, found: Found) -> None:
    """Title, facts, and the deeds at the right."""
    names = ", ".join(md(one.name) for one in catalogue.named(view.experiment))
    facts = [names, _how_many(found), _measured(found.left, view.color)]
    with header("Compare", " · ".join(fact for fact in facts if fact)):
        st.button("Read again", icon=":material/refresh:", type="tertiary", key="compare.again", on_click=read_again)
        experiment.button()
        views.menu(view, catalogue)
        downloads.menu(view, catalogue, found)
        code.button(view, catalogue, found)
        _register(found.left, view.color)
    show_done()
    views.show_open_dialog()
    experiment.show_open_dialog(view, catalogue)


def _how_many(found: Found) -> str:
    left, whole = len(found.left), len(found.whole)
    return count(whole, "run") if left == whole else f"{left:,} of {count(whole, 'run')}"


def _measured(table: RunTable, color: str) -> str:
    points = points_per_row(table, color) if color and len(table) else None
    if points is None:
        return ""
    name, rows = md(color.removeprefix(METRIC)), count(round(100 / points), "held-out row")
    return f"{name} is measured on {rows}, so one row is {points:.1f} points"


def _register(table: RunTable, color: str) -> None:
    """The page's one primary button: on to the models page with the best run that has a model."""
    top_run = best(table, color) if color and len(table) else None
    pressed = st.button(
        "Register the best",
        icon=":material/add_box:",
        type="primary",
        key="compare.register",
        disabled=top_run is None,
        help=_which(table, color) if top_run else "No finished run here has a model and a metric to judge it by.",
    )
    if pressed and top_run:
        goto("models", register=top_run.run_id)


def _which(table: RunTable, color: str) -> str:
    top_run = best(table, color)
    assert top_run is not None
    name = md(table.identity.name[top_run.run_id])
    value = f"{md(titled(color.removeprefix(METRIC)))} {score(top_run.value)}"
    through = "" if top_run.measured == top_run.run_id else f", measured by {md(table.identity.name[top_run.measured])}"
    ties = f" {count(top_run.ties, 'other run')} measured the same; this is the newest." if top_run.ties else ""
    return f"{name}: {value}{through}.{ties}"


def toolbar(view: View, catalogue: Catalogue, found: Found) -> None:
    """Experiment, filter, colour and plot in one line, each carried by the address."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare.toolbar"):
        _experiment(view, catalogue)
        st.text_input(
            "Filter",
            icon=":material/search:",
            placeholder=f"Filter: {found.known.example}",
            label_visibility="collapsed",
            live="500ms",
            width="stretch",
            **bound("filter", view.filter),
        )
        _conditions(found)
        _color(view, found)
        st.segmented_control("Plot", PLOTS, required=True, label_visibility="collapsed", **bound("plot", view.plot))
    _messages(found)


def _experiment(view: View, catalogue: Catalogue) -> None:
    names = {one.experiment_id: one.name for one in catalogue.experiments}
    st.selectbox(
        "Experiment",
        list(names),
        format_func=lambda experiment_id: names.get(experiment_id, experiment_id),
        icon=":material/science:",
        label_visibility="collapsed",
        width=245,
        **(bound("experiment", view.experiment[0]) | {"on_change": change_experiment, "args": ()}),
    )


def _color(view: View, found: Found) -> None:
    scores = metrics(found.whole)
    if scores:
        st.selectbox(
            "Colour by",
            scores,
            format_func=lambda name: f"Colour: {said(name)}",
            icon=":material/palette:",
            label_visibility="collapsed",
            width=215,
            **bound("color", view.color),
        )


def _conditions(found: Found) -> None:
    """Conditions with the names and values of these runs, to be added to the filter."""
    with st.popover("Add", icon=":material/playlist_add:", help="Add a condition"):
        st.selectbox(
            "Add a condition",
            found.known.conditions,
            index=None,
            placeholder="Type to find a name",
            key=ADD,
            on_change=_add_condition,
            help="Each one is made of a name and a value that these runs have. Change the value in the filter.",
        )


def _add_condition() -> None:
    chosen = st.session_state[ADD]
    st.session_state[ADD] = None
    if chosen:
        before = asked().filter.strip()
        keep(filter=f"{before} and {chosen}" if before else chosen)


def _messages(found: Found) -> None:
    """What is wrong with the filter, or which of its names no run has. Calm: a half-typed filter is no failure."""
    if found.problem:
        parts = " ".join(md(part) for part in (found.problem.what, found.problem.means, found.problem.next))
        st.markdown(f":small[:orange[:material/info: {parts}]]")
    for note in found.notes:
        st.markdown(f":small[:orange[:material/info: {md(note)}]]")
