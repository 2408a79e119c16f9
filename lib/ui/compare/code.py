"""The code that makes what Compare shows: a dialog with a script that runs without Podium, to be read, copied and kept."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.export import file_name
from lib.runs.facets import Facet, Holds, Range
from lib.runs.recipe import Condition, Recipe, script
from lib.runs.table import PARAM, metrics, varying
from lib.runs.values import RunTable, Search
from lib.ui.compare.facets import known, sentence
from lib.ui.compare.reading import Catalogue, Found
from lib.ui.compare.view import View, axes_of, drawable
from lib.ui.session import backend
from lib.ui.text import md

SEEDS = ("seed", "random_state", "fold", "repeat")


def button(view: View, catalogue: Catalogue, found: Found) -> None:
    """The button in the header that opens the dialog."""
    if st.button("Code", icon=":material/code:", key="compare.code", help="The code that makes this view"):
        named = "-".join(one.name for one in catalogue.named(view.experiment)[:3])
        conditions, untold = told(view)
        _show(script(recipe(view, found.left, backend().uri, conditions)), file_name(named, "py"), untold)


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


def recipe(view: View, table: RunTable, uri: str, conditions: Sequence[Condition] = ()) -> Recipe:
    """What the page shows, as a recipe: gaps of the address are filled as the plots fill them."""
    metric = view.y if view.y in metrics(table) else view.color
    places = drawable(table) if len(table) else []
    first = next(iter(places), "")
    is_point = view.plot in ("Scatter", "Contour")
    return Recipe(
        uri=uri,
        search=Search(view.experiment, view.filter, table.search.state, table.search.most),
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
        x=view.x if view.x in places else first,
        y=(view.y if view.y in places else first) if is_point else metric,
        z=view.z if view.z in metrics(table) else view.color,
        by=_by(view, table),
        axes=tuple(name for name in view.axes if name in places) or (tuple(axes_of(view, table)[0]) if len(table) else ()),
        log=view.log,
        along=view.along,
        smooth=_share(view.smooth),
        base=view.base,
    )


def _by(view: View, table: RunTable) -> tuple[str, ...]:
    """The columns that make groups: those of the address, else the parameters that differ and are no seed."""
    chosen = tuple(name for name in view.by if "." in name)
    differing = varying(table)
    plain = [name for name in differing if not any(word in name.removeprefix(PARAM).casefold() for word in SEEDS)]
    wanted = chosen or tuple(plain) or tuple(differing)
    return wanted[:1] if view.plot == "Box" else wanted


def _share(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
