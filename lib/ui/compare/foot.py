"""The line below every plot of Compare: what it leaves out, how to read it, and whether only the picked runs are drawn."""

import streamlit as st

from lib.runs.direction import direction, titled
from lib.runs.figures import figure, is_real
from lib.runs.table import METRIC, column, has_column
from lib.runs.values import RunTable
from lib.ui.compare.scene import Scene
from lib.ui.compare.view import View, bound, keep
from lib.ui.text import count


def capped(drawn: RunTable, runs: RunTable) -> str:
    """How many of the runs are drawn; nothing to say when all are."""
    return (
        f"Showing {len(drawn):,} of {count(len(runs), 'run')}, the picked ones and the first of the table."
        if len(drawn) < len(runs)
        else ""
    )


def best_run(scene: Scene) -> str:
    """Which of these runs is best by the metric that colours, in one plain sentence; nothing without such a run."""
    towards = direction(metric := scene.view.color.removeprefix(METRIC))
    if not has_column(scene.runs, scene.view.color) or towards == "neither":
        return ""
    real = {
        run_id: value
        for run_id, value in zip(scene.runs.ids, column(scene.runs, scene.view.color), strict=True)
        if is_real(value)
    }
    if not real:
        return ""
    best = (min if towards == "less" else max)(real.values())
    first, *others = [run_id for run_id, value in real.items() if value == best]
    more = f" and {count(len(others), 'other')}" if others else ""
    return f"The best {titled(metric)} is {figure(best)}, of {scene.runs.identity.name[first] or first}{more}."


def foot(view: View, notes: list[str]) -> None:
    """The notes in one line, empty ones left out."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(note for note in notes if note), width="stretch")
        if len(view.pick) > 1:
            st.toggle("Only the picked runs", **(bound("only", bool(view.only)) | {"on_change": _only, "args": ()}))


def _only() -> None:
    keep(only="picked" if st.session_state["compare.only"] else "")
