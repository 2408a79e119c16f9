"""Compare's importance of parameters for a metric: how much the parameters explain at all, then each of them."""

from collections.abc import Sequence

import streamlit as st

from lib.runs.analysis.param_importance import (
    MIN_R_SQUARED,
    ROUNDS,
    ImportanceResult,
    ParamImportance,
    compute_importances,
    input_hash,
    missing_requirement,
)
from lib.runs.plots import importance, style
from lib.runs.plots.importance import MAX_ROWS, format_percent
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.metric_selector import column_label_with_tag, show_metric_selector
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_footer import show_plot_footer


@st.cache_data(max_entries=32, show_spinner=False)
def _reckoned(key: str, metric: str, _runs: RunTable) -> ImportanceResult:
    """Kept by what the runs hold, not by when they were read: the same runs need no second forest."""
    return compute_importances(_runs, metric)


def draw(context: PlotContext) -> None:
    """What the metric depends on, as far as a forest can tell from these runs."""
    view, runs = context.view, context.runs
    metric = show_metric_selector(view, runs, "Explain")
    if not metric:
        return
    if needs := missing_requirement(runs, metric):
        show_empty_state("bar_chart", "No importance to show", needs)
        return
    with st.spinner("Growing forests…", show_time=True):
        made = _reckoned(input_hash(runs, metric), metric, runs)
    shown = made.params[:MAX_ROWS]
    st.markdown(_finding(made, metric))
    if made.r_squared >= MIN_R_SQUARED:
        drawn_charts.draw_chart(
            importance.importance_plot(shown, context.style.colors), key="compare.importance", alt=_said(made, metric, shown)
        )
    show_plot_footer(view, _notes(made, runs, shown))


def _finding(made: ImportanceResult, metric: str) -> str:
    name = escape(column_label_with_tag(metric))
    if made.r_squared < MIN_R_SQUARED:
        return f":orange[:material/help: Cannot tell] what {name} depends on: these parameters explain next to nothing of its differences."
    clear = [one for one in made.params if one.is_clear]
    most = "" if not clear else " Most of it comes from" if clear[0].mean * 2 > made.r_squared else " First comes"
    most += (
        " **"
        + "**, then ".join(escape(column_label_with_tag(one.name).strip()) for one in clear[:2])
        + ("." if clear[1:] else "**.")
        if clear
        else ""
    )
    return f"The forest explains {format_percent(made.r_squared)} of the differences in {name} among runs it has not seen.{most}"


def _said(made: ImportanceResult, metric: str, shown: Sequence[ParamImportance]) -> str:
    parts = "; ".join(f"{style.column_title(one.name)} {format_percent(one.mean)}" for one in shown[:5])
    return f"Importance of parameters for {style.column_title(metric)}, explained {format_percent(made.r_squared)}: {parts}"


def _notes(made: ImportanceResult, runs: RunTable, shown: Sequence[ParamImportance]) -> list[str]:
    lost = len(runs) - made.measured_count
    notes = [
        f"A sample of {made.sampled_count:,} of {format_count(made.measured_count, 'run')}."
        if made.sampled_count < made.measured_count
        else ""
    ]
    notes.append(f"{format_count(lost, 'run')} without a number in this metric left out." if lost else "")
    if made.r_squared < MIN_R_SQUARED:
        return [
            *notes,
            f"A forest that learned two thirds of the runs foretells the rest no better than {format_percent(MIN_R_SQUARED)}.",
        ]
    more = (
        f"Showing the first {len(shown)} of {format_count(len(made.params), 'parameter')}."
        if len(shown) < len(made.params)
        else ""
    )
    words = f"Line: lowest and highest of {ROUNDS} rounds; cannot tell: no more than chance alone gives."
    caution = "Parameters that move together share their importance, and what goes along with a metric need not be its cause."
    return [*notes, more, words, caution]
