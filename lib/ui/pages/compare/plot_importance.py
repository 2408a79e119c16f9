"""Compare's Importance plot: how much of a metric the parameters explain, in total and individually."""

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
from lib.runs.table.run_table import PARAM_PREFIX
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import escape, format_count
from lib.ui.components.layout import show_empty_state
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.plot_controls import column_label_with_tag, show_metric_selector
from lib.ui.pages.compare.plot_footer import show_plot_footer


@st.cache_data(max_entries=32, show_spinner=False)
def _cached_importances(key: str, metric: str, _runs: RunTable) -> ImportanceResult:
    """Compute the importance, cached by run content rather than read time: unchanged runs need no second forest."""
    return compute_importances(_runs, metric)


def draw(context: PlotContext) -> None:
    """Draw what the metric depends on, estimated by a random forest from these runs."""
    view, runs = context.view, context.runs
    metric = show_metric_selector(view, runs, "Explain")
    if not metric:
        return
    if problem := missing_requirement(runs, metric):
        show_empty_state("bar_chart", "No importance to show", problem)
        return
    with st.spinner("Training random forests…", show_time=True):
        result = _cached_importances(input_hash(runs, metric), metric, runs)
    shown_params = result.params[:MAX_ROWS]
    st.markdown(_finding_text(result, metric))
    if result.r_squared >= MIN_R_SQUARED:
        drawn_charts.draw_chart(
            importance.importance_plot(shown_params, context.style.colors),
            key="compare.importance",
            alt=_chart_description(result, style.column_title(metric, runs.directions), shown_params),
        )
    show_plot_footer(view, _notes(result, runs, shown_params))


def _finding_text(result: ImportanceResult, metric: str) -> str:
    name = escape(column_label_with_tag(metric))
    if result.r_squared < MIN_R_SQUARED:
        return (
            f":orange[:material/help: Cannot tell] what {name} depends on: these parameters explain almost none of its variation."
        )
    clear_params = [param for param in result.params if param.is_clear]
    leaders_text = (
        ""
        if not clear_params
        else " Most of it comes from"
        if clear_params[0].mean * 2 > result.r_squared
        else " The largest share comes from"
    )
    leaders_text += (
        " **"
        + "**, then ".join(escape(column_label_with_tag(param.name).strip()) for param in clear_params[:2])
        + ("." if clear_params[1:] else "**.")
        if clear_params
        else ""
    )
    return (
        f"The random forest explains {format_percent(result.r_squared)} of the variation in {name} on unseen runs.{leaders_text}"
    )


def _chart_description(result: ImportanceResult, metric_title: str, shown_params: Sequence[ParamImportance]) -> str:
    parts = "; ".join(f"{param.name.removeprefix(PARAM_PREFIX)} {format_percent(param.mean)}" for param in shown_params[:5])
    return f"Importance of parameters for {metric_title}, explained {format_percent(result.r_squared)}: {parts}"


def _notes(result: ImportanceResult, runs: RunTable, shown_params: Sequence[ParamImportance]) -> list[str]:
    unmeasured_count = len(runs) - result.measured_count
    notes = [
        f"A sample of {result.sampled_count:,} of {format_count(result.measured_count, 'run')}."
        if result.sampled_count < result.measured_count
        else ""
    ]
    notes.append(
        f"{format_count(unmeasured_count, 'run')} without a number in this metric not shown." if unmeasured_count else ""
    )
    if result.r_squared < MIN_R_SQUARED:
        return [
            *notes,
            f"A random forest trained on two thirds of the runs explains less than {format_percent(MIN_R_SQUARED)} of the rest.",
        ]
    more_text = (
        f"Showing the first {len(shown_params)} of {format_count(len(result.params), 'parameter')}."
        if len(shown_params) < len(result.params)
        else ""
    )
    legend = f"Line: lowest to highest of {ROUNDS} rounds. Cannot tell: no more than expected by chance."
    caution = "Correlated parameters share their importance, and correlation with a metric does not mean causation."
    return [*notes, more_text, legend, caution]
