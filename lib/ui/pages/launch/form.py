"""The form of the Launch page: a demo, its parameters as widgets, what it costs, the start, and its script to read."""

import shlex

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.dagshub import repository_of
from lib.launch import catalogue, demo_jobs
from lib.launch.catalogue import Demo, DemoParameter, ParameterInput
from lib.ui.app.jobs import start_demo
from lib.ui.app.session import current_backend, user_name
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape
from lib.ui.components.write_access import disabled_kwargs, write_button_kwargs

DEMO_KEY = "launch.demo"


def choose_demo() -> Demo:
    """The select box of all demos; the choice stands in the address as `demo`."""
    demos = {demo.key: demo for demo in catalogue.list_demos()}
    requested_key = st.query_params.get("demo", "")
    if DEMO_KEY not in st.session_state and requested_key in demos:
        st.session_state[DEMO_KEY] = requested_key
    key = st.selectbox(
        "Demo",
        list(demos),
        format_func=lambda key: f"{demos[key].number} · {demos[key].title}",
        key=DEMO_KEY,
        on_change=_save_choice_in_url,
        help="Each demo is a plain numbered script that also runs from a shell.",
    )
    st.caption(demos[key].lesson)
    return demos[key]


def _save_choice_in_url() -> None:
    """The widget's own binding would put the label into the address instead of the key."""
    st.query_params["demo"] = st.session_state[DEMO_KEY]


def ask_parameters(demo: Demo) -> dict[str, ParameterInput]:
    """A widget for every parameter: where to log, what to try, how, and who. What comes back is checked by the catalogue."""
    numbers = [parameter for parameter in demo.parameters if parameter.kind == "number"]
    author = [parameter for parameter in demo.parameters if parameter.name == "author"]
    values = {
        parameter.name: _ask_parameter(parameter, demo)
        for parameter in demo.parameters
        if parameter not in numbers and parameter not in author
    }
    for column, parameter in zip(st.columns(len(numbers) or 1), numbers, strict=False):
        with column:
            values[parameter.name] = _ask_parameter(parameter, demo)
    return values | {parameter.name: _ask_parameter(parameter, demo) for parameter in author}


def _ask_parameter(parameter: DemoParameter, demo: Demo) -> ParameterInput:
    key = f"launch.{demo.key}.{parameter.name}"
    default = user_name() or parameter.default if parameter.name == "author" else parameter.default
    if isinstance(default, tuple):
        selected_values = st.pills(
            parameter.label,
            parameter.choices,
            selection_mode="multi",
            default=default,
            format_func=lambda choice: "no limit" if choice is None else str(choice),
            key=key,
            help=parameter.help,
            persist_state="session",
        )
        return [choice for choice in parameter.choices if choice in selected_values]  # pills come in the order of the clicks
    if isinstance(default, int):
        number = st.number_input(
            parameter.label, parameter.minimum, parameter.maximum, default, key=key, help=parameter.help, persist_state="session"
        )
        return default if number is None else number
    return st.text_input(parameter.label, default, key=key, help=parameter.help, persist_state="session") or ""


def start_button(demo: Demo, values: dict[str, ParameterInput], backend: Backend, *, is_busy: bool) -> None:
    """The cost in one line, then the button. A bad value shows in its place, and there is no button."""
    reason = demo.unavailable_reason(is_server=backend.kind == "server")
    with error_boundary():
        st.caption(reason or catalogue.describe_cost(demo, values))
        if st.button(
            "Start when its turn comes" if is_busy else "Start",
            type="secondary" if is_busy else "primary",
            icon=":material/hourglass_top:" if is_busy else ":material/play_arrow:",
            width="stretch",
            key="launch.start",
            **(disabled_kwargs(reason) or write_button_kwargs(backend)),
        ):
            start_demo(demo, values, backend)


def _repository_option(demo: Demo) -> list[str]:
    """Where a demo about a remote backend logs without Podium: the repository in use, or how one is written."""
    return ["--repo", repository_of(current_backend()) or "owner/repo"] if demo.needs_remote else []


@st.dialog("The script", width="large", icon=":material/code:")
def open_script_dialog(demo: Demo, values: dict[str, ParameterInput]) -> None:
    """The script as it lies in the project, with the line that does from a shell what the button does."""
    st.caption(f"demo_experiments/{escape(demo.script)} is plain MLflow and scikit-learn. This line runs it without Podium:")
    with error_boundary():
        command = [
            "python",
            f"demo_experiments/{demo.script}",
            *_repository_option(demo),
            *catalogue.script_arguments(demo, values),
        ]
        st.code(shlex.join(command), language="bash", wrap_lines=True)
    with error_boundary():
        st.code(demo_jobs.read_demo_script(demo), language="python", line_numbers=True, height=520)
