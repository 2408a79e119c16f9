"""The Launch form: demo selection, parameters, cost, start button, and the demo's script."""

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
    """Show the select box of all demos; the choice is stored in the URL as `demo`."""
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
        help="Each demo is a plain numbered script that also runs from the shell.",
    )
    st.caption(demos[key].lesson)
    return demos[key]


def _save_choice_in_url() -> None:
    """Write the demo's key to the URL; the widget's own binding would write its label."""
    st.query_params["demo"] = st.session_state[DEMO_KEY]


def ask_parameters(demo: Demo) -> dict[str, ParameterInput]:
    """Show a widget per parameter and return the values, which the catalogue validates."""
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
        return [choice for choice in parameter.choices if choice in selected_values]  # pills are returned in click order
    if isinstance(default, int):
        number = st.number_input(
            parameter.label, parameter.minimum, parameter.maximum, default, key=key, help=parameter.help, persist_state="session"
        )
        return default if number is None else number
    return st.text_input(parameter.label, default, key=key, help=parameter.help, persist_state="session") or ""


def start_button(demo: Demo, values: dict[str, ParameterInput], backend: Backend, *, is_busy: bool) -> None:
    """Show the cost and the start button; for an invalid value, show the error instead."""
    reason = demo.unavailable_reason(is_server=backend.kind == "server")
    with error_boundary():
        st.caption(reason or catalogue.describe_cost(demo, values))
        if st.button(
            "Add to queue" if is_busy else "Start",
            type="secondary" if is_busy else "primary",
            icon=":material/hourglass_top:" if is_busy else ":material/play_arrow:",
            width="stretch",
            key="launch.start",
            **(disabled_kwargs(reason) or write_button_kwargs(backend)),
        ):
            start_demo(demo, values, backend)


def _repository_option(demo: Demo) -> list[str]:
    """Return the `--repo` option for a remote demo's shell command: the repository in use, or an example."""
    return ["--repo", repository_of(current_backend()) or "owner/repo"] if demo.needs_remote else []


@st.dialog("The script", width="large", icon=":material/code:")
def open_script_dialog(demo: Demo, values: dict[str, ParameterInput]) -> None:
    """Show the script from the project, with the shell command that is equivalent to the button."""
    st.caption(f"demo_experiments/{escape(demo.script)} uses plain MLflow and scikit-learn. Run it without Podium:")
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
