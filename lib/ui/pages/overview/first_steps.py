"""Overview of an empty backend: three numbered steps. Only the current step has a button."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.launch.catalogue import find_demo
from lib.ui.app.jobs import start_demo
from lib.ui.app.page_links import switch_page
from lib.ui.components.error_box import error_boundary

FIRST_DEMO, TREE_COUNTS = "first-run", (1, 5, 15)
"""Demo of the first step: the wine forest with 1, 5 and 15 trees."""


@dataclass(frozen=True)
class FirstStep:
    """One step: title, explanation, unlock condition, and button label."""

    icon: str
    title: str
    text: str
    unlock_text: str
    button_label: str


FIRST_STEPS = (
    FirstStep(
        "play_circle",
        "Launch a demo",
        "Train three random forests on the wine data, with 1, 5 and 15 trees. All runs are logged to this backend.",
        "",
        "Launch wine demo",
    ),
    FirstStep(
        "compare_arrows",
        "Compare the runs",
        "See which parameters affect accuracy, and whether the winner is better or just lucky.",
        "Unlocks with the first run",
        "Compare runs",
    ),
    FirstStep(
        "deployed_code",
        "Put a version in Production",
        "Register the winner and promote it with a reason. The ledger records the decision.",
        "Unlocks with the first registered version",
        "Open Models",
    ),
)


def show_first_steps(current_step: int, on_launch: Callable[[], None]) -> None:
    """Draw the three steps; steps before `current_step` are done."""
    actions: dict[int, Callable[[], None]] = {1: on_launch, 2: lambda: switch_page("compare"), 3: lambda: switch_page("models")}
    with st.container(gap="xsmall", width=860):
        st.header("From a first run to a decision you can explain", anchor=False)
        st.markdown(_INTRODUCTION_BY_STEP[current_step])
    with st.grid(3, gap="medium", row_height=240):
        for number, step in enumerate(FIRST_STEPS, start=1):
            if _show_step(step, number, current_step):
                actions[number]()


def _show_step(step: FirstStep, number: int, current_step: int) -> bool:
    """Show a step's card. Returns True if its button was pressed; only the current step has one."""
    with st.container(border=True, height="stretch", key=f"overview.step{number}", gap="small"):
        if number < current_step:
            st.badge(f"Step {number} · done", icon=":material/check:", color="gray")
        else:
            st.badge(f"Step {number}", icon=f":material/{step.icon}:", color="blue" if number == current_step else "gray")
        st.markdown(f"**{step.title}**  \n:gray[{step.text}]")
        st.space("stretch")
        if number > current_step:
            st.caption(f":material/lock: {step.unlock_text}")
        if number != current_step:
            return False
        return bool(st.button(step.button_label, type="primary", icon=f":material/{step.icon}:", key="overview.next"))


_INTRODUCTION_BY_STEP = {
    1: "No data here yet. These three steps take about four minutes, and each prepares the next.",
    2: "The first runs are logged. Compare them, then register the best one.",
    3: "A version is registered. Put it in Production with a reason.",
}


def launch_wine_demo(backend: Backend) -> None:
    """Start the wine demo as one job with three runs and open it. An error is shown next to the button."""
    with error_boundary():
        start_demo(find_demo(FIRST_DEMO), {"n_estimators": TREE_COUNTS}, backend)
