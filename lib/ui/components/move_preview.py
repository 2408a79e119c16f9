"""The preview of a decision: its registry changes step by step, and the equivalent MLflow calls. Shown before anything is written."""

from collections.abc import Sequence

import streamlit as st

from lib.registry.code_snippets import moves_snippet
from lib.registry.moves import Move
from lib.ui.components.badges import STAGE_BADGES, badge_markdown
from lib.ui.components.formatting import version_label


def move_text(move: Move) -> str:
    """Return one registry write as Markdown."""
    if move.verb == "alias":
        return f"Alias `{move.target}`: {version_label(move.previous) + ' → ' if move.previous else ''}**{version_label(move.version)}**"
    if move.verb == "unalias":
        return f"Alias `{move.target}` is removed from {version_label(move.version)}"
    return f"{version_label(move.version)}: {badge_markdown(STAGE_BADGES, move.previous)} → {badge_markdown(STAGE_BADGES, move.target)}"


def show_mlflow_calls(uri: str, model: str, moves: Sequence[Move]) -> None:
    """Show the equivalent MLflow calls in an expander."""
    with st.expander("Equivalent MLflow calls", icon=":material/code:"):
        st.code(moves_snippet(uri, model, moves), language="python")
        st.caption("These calls move the version but do not record who did it and why.")
