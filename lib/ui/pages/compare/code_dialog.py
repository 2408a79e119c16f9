"""The code that makes what Compare shows: a dialog with a script that runs without Podium, to be read, copied and kept."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lib.backends.backend import Backend
from lib.runs.analysis import comparison as comparing
from lib.runs.analysis.grouping import HOME
from lib.runs.export.script import Condition, Recipe, script
from lib.runs.export.table_files import file_name
from lib.runs.filters.facets import Facet, Holds, Range
from lib.runs.plots.contour import columns as columns_of
from lib.runs.table.run_table import metrics, subset
from lib.runs.table.types import RunTable, Search
from lib.ui.app.session import backend
from lib.ui.components.formatting import md
from lib.ui.pages.compare import plot_box, plot_contour, plot_curves, plot_groups
from lib.ui.pages.compare.axes import chosen
from lib.ui.pages.compare.facet_widgets import known, sentence
from lib.ui.pages.compare.metric_selector import judged
from lib.ui.pages.compare.plot_context import drawn
from lib.ui.pages.compare.queries import Catalogue, Found
from lib.ui.pages.compare.table import lines
from lib.ui.pages.compare.view_state import View, drawable


def button(view: View, catalogue: Catalogue, found: Found) -> None:
    """The button in the header that opens the dialog."""
    if st.button("Code", icon=":material/code:", key="compare.code", help="The code that makes this view"):
        named = "-".join(one.name for one in catalogue.named(view.experiment)[:3])
        conditions, untold = told(view)
        _show(script(recipe(view, found, backend(), conditions)), file_name(named, "py"), untold)


@st.dialog("The code that makes this", width="large", icon=":material/code:")
def _show(code: str, name: str, untold: Sequence[str]) -> None:
    if untold:
        st.warning(
            f"Not in the script, because MLflow's table of runs has no such column: {', '.join(map(md, untold))}.",
            icon=":material/info:",
        )
    st.caption("Plain MLflow, pandas and Altair. It reads the runs anew, narrows them as this page does, and draws them plainly.")
    st.code(code, language="python", height=460)
    st.download_button(
        "Download the script",
        code,
        name,
        "text/x-python",
        key="compare.code.download",
        on_click="ignore",
        icon=":material/download:",
    )


def told(view: View) -> tuple[list[Condition], list[str]]:
    """The facets of the view as conditions of a script, and in words those that it cannot have."""
    there = known(view.facet)
    kept = [facet for facet in there if facet.column not in ("dataset", "version")]
    return [_condition(facet) for facet in kept], [sentence(facet) for facet in there if facet not in kept]


def _condition(facet: Facet) -> Condition:
    if isinstance(facet, Range):
        return Condition(facet.column, low=facet.least, high=facet.most)
    if isinstance(facet, Holds):
        return Condition(facet.column, text=facet.part)
    values = tuple(value for value in facet.values if value is not None)
    return Condition(facet.column, values=values, missing=None in facet.values)


def recipe(view: View, found: Found, here: Backend, conditions: Sequence[Condition] = ()) -> Recipe:
    """What the page shows, as a recipe: gaps of the address are filled as the plots fill them."""
    left = subset(found.left, [line.run_id for line in lines(view, found.left)]) if len(found.left) else found.left
    runs = drawn(view, left, found.whole)
    whole = Recipe(
        uri=here.uri,
        search=Search(view.experiment, left.search.filter, left.search.state, left.search.most),
        conditions=tuple(conditions),
        since=view.since,
        until=view.until,
        parent=view.parent,
        children=view.children,
        picked=view.pick,
        only=bool(view.only),
        stat=view.stat,
        plot=view.plot,
        color=view.color,
        axes=tuple(chosen(view, runs).names) if len(runs) else (),
        log=view.log,
        along=view.along,
        smooth=_share(view.smooth),
        base=view.base,
    )
    if view.plot == "Differences":
        return _differences(whole, view, runs, found.whole)
    return _drawn(whole, view, runs, here) if metrics(runs) or drawable(runs) else whole


def _drawn(whole: Recipe, view: View, runs: RunTable, here: Backend) -> Recipe:
    """With the columns that the plot draws of these runs."""
    places, metric = drawable(runs), judged(view, runs)
    match view.plot:
        case "Scatter" if places:
            x, y = (name if name in places else places[0] for name in (view.x, view.y))
            return replace(whole, x=x, y=y)
        case "Contour" if metric and len(names := columns_of(runs)) > 1:
            (x, y), z = plot_contour.axes_of(runs, names, view.z or view.color)
            return replace(whole, x=x, y=y, z=z)
        case "Box" if metric:
            return replace(whole, y=metric, by=(_in_mlflow(plot_box.parameter(view, runs, metric)),))
        case "Groups":
            return replace(whole, y=metric, by=tuple(map(_in_mlflow, plot_groups.columns(view, runs))))
        case "Curves" if metrics(runs):
            return _curves(whole, view, runs, here)
    return replace(whole, y=metric)


def _in_mlflow(name: str) -> str:
    """What MLflow's own table calls a column."""
    return "experiment_id" if name == HOME else name


def _curves(whole: Recipe, view: View, runs: RunTable, here: Backend) -> Recipe:
    """All runs are drawn where they are few; else those that the plot chose are named."""
    metric, ids = plot_curves.drawn_of(here, runs, view)
    if len(ids) == len(runs) and not whole.only:
        return replace(whole, y=metric, picked=())
    return replace(whole, y=metric, picked=ids, only=True)


def _differences(whole: Recipe, view: View, runs: RunTable, every: RunTable) -> Recipe:
    """The compared runs are named, and so is the one they are compared with."""
    ids = comparing.chosen(every, runs, view.pick, view.color)
    if not ids:
        return whole
    return replace(whole, picked=tuple(ids), only=True, base=comparing.baseline(subset(every, ids), view.base))


def _share(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
