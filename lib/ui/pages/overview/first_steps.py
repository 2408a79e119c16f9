"""Overview before there is anything to show: three numbered steps. Only the step that can be taken now has a button."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from lib.backends.backend import Backend
from lib.launch.catalogue import find_demo
from lib.ui.app.jobs import start_demo
from lib.ui.app.page_links import switch_page
from lib.ui.components.error_box import error_boundary

FIRST_DEMO, TREE_COUNTS = "first-run", (1, 5, 15)
"""What the first step runs: the wine forest with 1, 5 and 15 trees."""


@dataclass(frozen=True)
class FirstStep:
    """One step: what to do, why, what has to happen before it opens, and what its button says."""

    icon: str
    title: str
    text: str
    unlock_text: str
    button_label: str


FIRST_STEPS = (
    FirstStep(
        "play_circle",
        "Launch a demo",
        "Train three random forests on the wine data, with 1, 5 and 15 trees. Everything is logged to this backend.",
        "",
        "Launch the wine demo",
    ),
    FirstStep(
        "compare_arrows",
        "Compare the runs",
        "See which parameters moved the accuracy, and whether the winner is better or only lucky.",
        "Opens when a run exists",
        "Compare the runs",
    ),
    FirstStep(
        "deployed_code",
        "Put one in Production",
        "Register the winner, decide with a reason. The ledger keeps the answer.",
        "Opens when a version is registered",
        "Open the models",
    ),
)


def show_first_steps(current_step: int, on_launch: Callable[[], None]) -> None:
    """Draw the three steps; `current_step` is the number of the one to take now, those before it are done."""
    actions: dict[int, Callable[[], None]] = {1: on_launch, 2: lambda: switch_page("compare"), 3: lambda: switch_page("models")}
    with st.container(gap="xsmall", width=860):
        st.header("From a first run to a decision you can explain", anchor=False)
        st.markdown(_INTRODUCTION_BY_STEP[current_step])
    with st.grid(3, gap="medium", row_height=240):
        for number, step in enumerate(FIRST_STEPS, start=1):
            if _show_step(step, number, current_step):
                actions[number]()


def _show_step(step: FirstStep, number: int, current_step: int) -> bool:
    """One card; True when its button was pressed. Only the step to take now has one."""
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
    1: "Nothing is recorded here yet. These three steps take about four minutes, and each one leaves behind what the next one needs.",
    2: "The first runs are recorded. Compare them, then register the better one.",
    3: "A version is registered. Put it in Production with a reason.",
}


def launch_wine_demo(backend: Backend) -> None:
    """Start the wine demo as one job of three runs and go to it. What goes wrong is said where the button stands."""
    with error_boundary():
        start_demo(find_demo(FIRST_DEMO), {"n_estimators": TREE_COUNTS}, backend)
