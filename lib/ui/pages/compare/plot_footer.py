"""The footer of every Compare plot: omitted data, how to read the plot, and the toggle for picked runs only."""

import streamlit as st

from lib.runs.plots.style import LETTERS
from lib.runs.table.number_format import format_number, is_finite_number
from lib.runs.table.run_table import METRIC_PREFIX, column_direction, column_values, has_column
from lib.runs.table.types import RunTable
from lib.runs.table.view import ViewState
from lib.ui.components.formatting import format_count
from lib.ui.pages.compare.plot_context import PlotContext
from lib.ui.pages.compare.view_state import bind_widget, update_url


def sample_note(drawn_runs: RunTable, runs: RunTable) -> str:
    """Return how many runs the drawn sample contains; empty if all runs are drawn."""
    if len(drawn_runs) == len(runs):
        return ""
    return f"Showing a sample of {len(drawn_runs):,} of {format_count(len(runs), 'run')}; picked runs are always included."


def run_count_text(drawn_runs: RunTable, runs: RunTable) -> str:
    """Return the run count for an `alt` text: "300 of 5,000 runs"."""
    prefix = f"{len(drawn_runs):,} of " if len(drawn_runs) < len(runs) else ""
    return f"{prefix}{len(runs):,} run{'' if len(runs) == 1 else 's'}"


def always_drawn_run_ids(context: PlotContext) -> tuple[str, ...]:
    """Return the runs that every sample must contain: the picked runs and the best by the colour metric."""
    return (*context.view.pick, *_best_run_ids(context)[:1])


def best_run_text(context: PlotContext) -> str:
    """Return a sentence on the best run by the colour metric; empty if there is none."""
    if not (best_run_ids := _best_run_ids(context)):
        return ""
    first, metric = best_run_ids[0], context.view.color
    best_value = format_number(column_values(context.runs, metric)[first])
    more_text = f" and {format_count(len(best_run_ids) - 1, 'other')}" if best_run_ids[1:] else ""
    return f"The best {context.runs.directions.title(metric.removeprefix(METRIC_PREFIX))} is {best_value}, reached by {context.runs.identity.name[first] or first}{more_text}."


def has_best_run(context: PlotContext) -> bool:
    """Return whether a best run exists: some run has a number in the colour metric, and its direction is known."""
    return bool(_best_run_ids(context))


def _best_run_ids(context: PlotContext) -> list[str]:
    """Return the runs with the best value of the colour metric; empty if its direction is unknown."""
    name = context.view.color
    direction = column_direction(context.runs, name)
    if not has_column(context.runs, name) or direction == "neither":
        return []
    finite_values = {run_id: value for run_id, value in column_values(context.runs, name).items() if is_finite_number(value)}
    best_value = (min if direction == "less" else max)(finite_values.values(), default=None)
    return [str(run_id) for run_id, value in finite_values.items() if value == best_value]


def show_plot_footer(view: ViewState, notes: list[str]) -> None:
    """Show the non-empty notes in one line, and the toggle for picked runs only."""
    if len(view.pick) > len(LETTERS):
        notes = [*notes, f"The first four of {format_count(len(view.pick), 'picked run')} have a letter."]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        if len(view.pick) > 1:
            st.toggle("Picked runs only", **(bind_widget("only", bool(view.only)) | {"on_change": _on_only_change, "args": ()}))


def _on_only_change() -> None:
    update_url(only="picked" if st.session_state["compare.only"] else "")
