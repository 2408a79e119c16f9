"""The arrow button of a metric: shows its direction and source, and sets it for the experiment.

The choice is saved as a tag of the experiment, shared by everyone. Without write access it applies to this browser session only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.errors import PodiumError
from lib.runs.analysis.direction_tags import DIRECTIONS_TAG
from lib.runs.analysis.metric_direction import ARROWS, Direction, DirectionSource, DirectionStatement, MetricDirections
from lib.runs.edit.metric_directions import set_direction
from lib.ui.components.formatting import escape
from lib.ui.components.layout import lazy_popover
from lib.ui.components.write_access import write_button_kwargs

SESSION_KEY = "session.directions"
OPTIONS: dict[Direction, str] = {"more": "↑ Higher is better", "less": "↓ Lower is better", "neither": "Neither"}
_SOURCE_TEXTS: dict[DirectionSource, str] = {
    "session": "Set by you for this browser session only.",
    "team": "Set on the experiment by your team.",
    "MLflow": "From the primary metric in the experiment's tags.",
    "Optuna": "From the direction of the Optuna study.",
    "name": "Inferred from its name.",
    "": "Not set and not inferable from the name, so no run is shown as best.",
}


@dataclass(frozen=True)
class DirectionScope:
    """The experiments and current directions that a popover edits. `page` is the prefix of the widget keys."""

    page: str
    backend: Backend
    experiment_ids: tuple[str, ...]
    directions: MetricDirections


def session_statements(backend: Backend, experiment_ids: Sequence[str]) -> tuple[DirectionStatement, ...]:
    """Return the directions set in this browser session for these experiments."""
    choices = st.session_state.get(SESSION_KEY, {})
    return tuple(
        DirectionStatement(metric, direction, "session")
        for (uri, experiment_id, metric), direction in choices.items()
        if uri == backend.uri and experiment_id in experiment_ids
    )


def popover_key(page: str) -> str:
    """Return the session key of the popover's open state."""
    return f"{page}.drawer.direction"


def show_direction_popover(scope: DirectionScope, metrics: Sequence[str], metric: str, on_change: Callable[[str], None]) -> None:
    """Show the arrow of `metric`, and a popover to set any of `metrics`. `on_change` receives the message to show after a change."""
    arrow = ARROWS[scope.directions.of(metric)]
    with lazy_popover(
        popover_key(scope.page),
        arrow or "?",
        help=f"Direction of {escape(metric)}",
        width="content",
    ) as is_open:
        if not is_open:
            return
        key = f"{scope.page}.direction.metric"
        if st.session_state.get(key) not in metrics or st.session_state.get(f"{key}.default") != metric:
            st.session_state[key], st.session_state[f"{key}.default"] = metric, metric
        selected_metric = st.selectbox("Metric", metrics, key=key)
        _show_choice(scope, selected_metric, on_change)


def _show_choice(scope: DirectionScope, metric: str, on_change: Callable[[str], None]) -> None:
    source = scope.directions.source_of(metric)
    key, current = f"{scope.page}.direction", scope.directions.of(metric) if source else None
    if st.session_state.get(key) != current:
        st.session_state[key] = current
    st.segmented_control(
        "Direction",
        list(OPTIONS),
        format_func=OPTIONS.__getitem__,
        key=key,
        on_change=lambda: on_change(save_direction(scope, metric, st.session_state[key])),
    )
    st.caption(f"{_SOURCE_TEXTS[source]} {_write_note(scope)}")


def _write_note(scope: DirectionScope) -> str:
    if reason := _missing_right(scope):
        return f"{reason} Changes here apply to this browser session only."
    return f"Changes are shared: they are saved in the tag {DIRECTIONS_TAG} of the experiment."


def _missing_right(scope: DirectionScope) -> str:
    """Return why the tag cannot be written, as Markdown; empty if it can."""
    reasons = [write_button_kwargs(scope.backend, experiment_id).get("help", "") for experiment_id in scope.experiment_ids]
    return next(filter(None, reasons), "")


def save_direction(scope: DirectionScope, metric: str, direction: Direction | None) -> str:
    """Save a direction on the experiment, or for this browser session if that is not possible. Returns the message as Markdown."""
    choices = dict(st.session_state.get(SESSION_KEY, {}))
    session_keys = [(scope.backend.uri, experiment_id, metric) for experiment_id in scope.experiment_ids]
    reason = _missing_right(scope)
    if not reason:
        try:
            for experiment_id in scope.experiment_ids:
                set_direction(scope.backend, experiment_id, metric, direction)
        except PodiumError as error:
            reason = escape(error.what)
    other_choices = {choice_key: choice for choice_key, choice in choices.items() if choice_key not in session_keys}
    st.session_state[SESSION_KEY] = other_choices | (dict.fromkeys(session_keys, direction) if reason and direction else {})
    return f"{reason} {escape(metric)} is set for this browser session only." if reason else ""
