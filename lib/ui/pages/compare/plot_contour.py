"""Compare's contour: its two axes and its metric to choose, what it needs when it cannot be drawn, and what it guesses."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.grouping import telling
from lib.runs.plots import contour
from lib.runs.plots import style as charts
from lib.runs.plots.box import MOST_POINTS
from lib.runs.plots.contour import MOST_PLACES, Places
from lib.runs.table.run_table import PARAM
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count
from lib.ui.components.layout import empty
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.metric_selector import PICKS, listed, measurable, pickable, select
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import foot
from lib.ui.pages.compare.view_state import asked, bound

TITLE = "No surface to draw"


def draw(scene: Scene) -> None:
    """A metric over two columns with numbers."""
    view, runs = scene.view, scene.runs
    names, scores = contour.columns(runs), measurable(runs)
    if len(names) < 2 or not scores:
        least = f"at least {contour.LEAST_VALUES} different numbers"
        empty("landscape", TITLE, f"A contour takes two columns with {least} each and a metric. {_would_do(names)}")
        return
    axes, metric = _choose(runs, names, view.z or view.color)
    found = contour.places(runs, axes, metric)
    if needs := contour.lacks(found, axes):
        empty("landscape", TITLE, f"{needs} {_would_do(_fit(runs, names, axes[0], metric))}")
        return
    canvas.draw(
        contour.contour(runs, axes, metric, scene.look), **pickable("contour", view.pick), alt=_finding(runs, axes, metric, found)
    )
    foot(view, _notes(found, runs))


def axes_of(runs: RunTable, names: Sequence[str], wanted: str) -> tuple[tuple[str, str], str]:
    """The axes that the address asks for, else the two that tell most; not those a scatter would take, where a metric goes up.

    And the metric that makes the surface: the one wanted, where it can be measured.
    """
    wish, scores = asked(), measurable(runs)
    metric = wanted if wanted in scores else scores[0]
    params = telling(runs, [name for name in names if name.startswith(PARAM)], metric)
    best = [*params, *(name for name in names if name not in params and name != metric), metric]
    across = wish.x if wish.x in names else best[0]
    up = wish.y if wish.y in names and wish.y not in (across, metric) else next(name for name in best if name != across)
    return (across, up), metric


def _choose(runs: RunTable, names: Sequence[str], wanted: str) -> tuple[tuple[str, str], str]:
    (across, up), metric = axes_of(runs, names, wanted)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        select("Surface", measurable(runs), bound("z", metric))
        select("Up", names, bound("y", up))
        select("Across", names, bound("x", across))
    return (across, up), metric


def _fit(runs: RunTable, names: Sequence[str], across: str, metric: str) -> list[str]:
    """The columns that would make a surface with the one across."""
    pairs = [(across, name) for name in names if name not in (across, metric)]
    return [pair[1] for pair in pairs if not contour.lacks(contour.places(runs, pair, metric), pair)]


def _would_do(names: Sequence[str]) -> str:
    return f"Columns that would do: {listed(names)}." if names else ""


def _finding(runs: RunTable, axes: tuple[str, str], metric: str, found: Places) -> str:
    title = f"{charts.heading(metric)} over {charts.heading(axes[0])} and {charts.heading(axes[1])}, interpolated between {len(found.run_ids)} runs"
    best = contour.best_of(found, metric)
    return f"{title}; the best run is {runs.identity.name[best]}" if best else title


def _notes(found: Places, runs: RunTable) -> list[str]:
    drawn, apart = len(found.run_ids), len(found.run_ids) - found.shared
    notes = [f"Interpolated between {count(drawn, 'run')}: between the points the surface is a guess."]
    if drawn < len(runs):
        notes.append(f"Showing {drawn:,} of {count(len(runs), 'run')}; the rest have no number in one of the three.")
    if drawn > MOST_POINTS:
        notes.append(f"Showing a sample of {MOST_POINTS:,} as points; the surface is of all of them.")
    if found.shared and apart <= MOST_PLACES:
        notes.append(
            f"{count(drawn, 'run')} stand on {count(apart, 'place')}: where several stand on one, the surface takes their average."
        )
    if apart > MOST_PLACES:
        notes.append(f"They stand on {apart:,} places: those that nearly touch are averaged.")
    return [*notes, PICKS]
