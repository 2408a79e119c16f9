"""The line below every plot of Compare: what it leaves out, how to read it, and whether only the picked runs are drawn."""

import streamlit as st

from lib.runs.analysis.metric_direction import direction, titled
from lib.runs.plots.style import LETTERS
from lib.runs.table.number_format import figure, is_real
from lib.runs.table.run_table import METRIC, column, has_column
from lib.runs.table.types import RunTable
from lib.ui.components.formatting import count
from lib.ui.pages.compare.plot_context import Scene
from lib.ui.pages.compare.view_state import View, bound, keep


def capped(drawn: RunTable, runs: RunTable) -> str:
    """How many of the runs are drawn, and that these are a sample; nothing to say when all are."""
    if len(drawn) == len(runs):
        return ""
    return f"Showing a sample of {len(drawn):,} of {count(len(runs), 'run')}; picked ones are always in it."


def of_all(drawn: RunTable, runs: RunTable) -> str:
    """The same for an `alt`: "300 of 5,000 runs"."""
    some = f"{len(drawn):,} of " if len(drawn) < len(runs) else ""
    return f"{some}{len(runs):,} run{'' if len(runs) == 1 else 's'}"


def telling(scene: Scene) -> tuple[str, ...]:
    """The runs that no sample may leave out: the picked ones and the best by the metric that colours."""
    return (*scene.view.pick, *_best(scene)[:1])


def best_run(scene: Scene) -> str:
    """Which of these runs is best by the metric that colours, in one plain sentence; nothing without such a run."""
    if not (equal := _best(scene)):
        return ""
    first, metric = equal[0], scene.view.color
    best = figure(column(scene.runs, metric)[first])
    more = f" and {count(len(equal) - 1, 'other')}" if equal[1:] else ""
    return f"The best {titled(metric.removeprefix(METRIC))} is {best}, of {scene.runs.identity.name[first] or first}{more}."


def is_judged(scene: Scene) -> bool:
    """Has a run a number in the metric that colours, and is that better one way? Else there are first runs, but no best ones."""
    return bool(_best(scene))


def _best(scene: Scene) -> list[str]:
    """The runs with the best value of the metric that colours; none where neither way is better."""
    name = scene.view.color
    towards = direction(name.removeprefix(METRIC))
    if not has_column(scene.runs, name) or towards == "neither":
        return []
    real = {run_id: value for run_id, value in column(scene.runs, name).items() if is_real(value)}
    best = (min if towards == "less" else max)(real.values(), default=None)
    return [str(run_id) for run_id, value in real.items() if value == best]


def foot(view: View, notes: list[str]) -> None:
    """The notes in one line, empty ones left out, and which of many picked runs can be told by a letter."""
    if len(view.pick) > len(LETTERS):
        notes = [*notes, f"The first four of {count(len(view.pick), 'picked run')} carry a letter."]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        if len(view.pick) > 1:
            st.toggle("Only the picked runs", **(bound("only", bool(view.only)) | {"on_change": _only, "args": ()}))


def _only() -> None:
    keep(only="picked" if st.session_state["compare.only"] else "")
