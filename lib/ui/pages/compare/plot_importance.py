"""Compare's importance of parameters for a metric: how much the parameters explain at all, then each of them."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.param_importance import LEAST_EXPLAINED, ROUNDS, Importance, Importances, fingerprint, importances, lacks
from lib.runs.plots import importance
from lib.runs.plots import style as charts
from lib.runs.plots.importance import MOST_ROWS, percent
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count, md
from lib.ui.components.layout import empty
from lib.ui.pages.compare import drawn_charts as canvas
from lib.ui.pages.compare.metric_selector import called, choose_metric
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.plot_footer import foot


@st.cache_data(max_entries=32, show_spinner=False)
def _reckoned(key: str, metric: str, _runs: RunTable) -> Importances:
    """Kept by what the runs hold, not by when they were read: the same runs need no second forest."""
    return importances(_runs, metric)


def draw(scene: Scene) -> None:
    """What the metric depends on, as far as a forest can tell from these runs."""
    view, runs = scene.view, scene.runs
    metric = choose_metric(view, runs, "Explain")
    if not metric:
        return
    if needs := lacks(runs, metric):
        empty("bar_chart", "No importance to show", needs)
        return
    with st.spinner("Growing forests…", show_time=True):
        made = _reckoned(fingerprint(runs, metric), metric, runs)
    shown = made.found[:MOST_ROWS]
    st.markdown(_finding(made, metric))
    if made.explained >= LEAST_EXPLAINED:
        canvas.draw(importance.importance(shown, scene.look.ink), key="compare.importance", alt=_said(made, metric, shown))
    foot(view, _notes(made, runs, shown))


def _finding(made: Importances, metric: str) -> str:
    name = md(called(metric))
    if made.explained < LEAST_EXPLAINED:
        return f":orange[:material/help: Cannot tell] what {name} depends on: these parameters explain next to nothing of its differences."
    clear = [one for one in made.found if one.is_clear]
    most = "" if not clear else " Most of it comes from" if clear[0].mean * 2 > made.explained else " First comes"
    most += (
        " **" + "**, then ".join(md(called(one.name).strip()) for one in clear[:2]) + ("." if clear[1:] else "**.")
        if clear
        else ""
    )
    return f"The forest explains {percent(made.explained)} of the differences in {name} among runs it has not seen.{most}"


def _said(made: Importances, metric: str, shown: Sequence[Importance]) -> str:
    parts = "; ".join(f"{charts.heading(one.name)} {percent(one.mean)}" for one in shown[:5])
    return f"Importance of parameters for {charts.heading(metric)}, explained {percent(made.explained)}: {parts}"


def _notes(made: Importances, runs: RunTable, shown: Sequence[Importance]) -> list[str]:
    lost = len(runs) - made.measured
    notes = [f"A sample of {made.used:,} of {count(made.measured, 'run')}." if made.used < made.measured else ""]
    notes.append(f"{count(lost, 'run')} without a number in this metric left out." if lost else "")
    if made.explained < LEAST_EXPLAINED:
        return [
            *notes,
            f"A forest that learned two thirds of the runs foretells the rest no better than {percent(LEAST_EXPLAINED)}.",
        ]
    more = f"Showing the first {len(shown)} of {count(len(made.found), 'parameter')}." if len(shown) < len(made.found) else ""
    words = f"Line: lowest and highest of {ROUNDS} rounds; cannot tell: no more than chance alone gives."
    caution = "Parameters that move together share their importance, and what goes along with a metric need not be its cause."
    return [*notes, more, words, caution]
