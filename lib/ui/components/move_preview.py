"""What a decision will do to the registry, step by step, and the MLflow calls that do the same. Shown before anything is written."""

from collections.abc import Sequence

import streamlit as st

from lib.registry.code_snippets import moves_snippet
from lib.registry.move_plan import Move
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.formatting import version_label
from lib.ui.components.layout import show_table


def show_steps(steps: Sequence[str]) -> None:
    """The steps as a numbered table; Markdown."""
    st.markdown("This is exactly what will happen, in this order:")
    show_table([(str(n), text) for n, text in enumerate(steps, 1)])


def move_text(move: Move) -> str:
    """One registry write as Markdown."""
    if move.verb == "alias":
        return f"Alias `{move.target}`: {version_label(move.previous) + ' → ' if move.previous else ''}**{version_label(move.version)}**"
    if move.verb == "unalias":
        return f"Alias `{move.target}` is taken off {version_label(move.version)}"
    return f"{version_label(move.version)}: {badge_markdown(STAGE_BADGES, move.previous)} → {badge_markdown(STAGE_BADGES, move.target)}"


def show_mlflow_calls(uri: str, model: str, moves: Sequence[Move]) -> None:
    """The same as plain MLflow calls, folded away."""
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        st.code(moves_snippet(uri, model, moves), language="python")
        st.caption("They move the version, and leave no record of who did it and why.")
