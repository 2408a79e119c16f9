"""The register dialog: a run's model becomes a new model or a new version, with a description that is asked for."""

import re
from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.errors import NotFound, PodiumError
from lib.registry.code_snippets import register_snippet
from lib.registry.register import ModelCandidate, default_description, find_candidates, register
from lib.runs.reading.run_reader import Search, read_experiments, read_runs
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name
from lib.ui.app.writer import writer
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_metric, version_label
from lib.ui.components.layout import show_facts
from lib.ui.queries.registry import clear_cache, model_names

RUN_KEY = "models.register.run"
NEW_MODEL, NEW_VERSION = "New model", "New version"


def register_button(disabled: dict[str, Any]) -> None:
    """The button that opens the dialog; `disabled` greys it out with a reason, see `write_access`."""
    st.button(
        "Register a version",
        icon=":material/add_box:",
        key="models.register",
        on_click=open_register_dialog,
        **disabled,
    )


def open_register_dialog(run_id: str = "") -> None:
    """Open the dialog at the next run of the page; without a run it asks for one."""
    st.session_state[RUN_KEY] = run_id


def _close_register_dialog() -> None:
    """Forget the dialog."""
    st.session_state.pop(RUN_KEY, None)
    st.query_params.pop("register", None)


def show_register_dialog() -> None:
    """Draw the dialog when it was opened here or by a link `?register=<run>`."""
    if "register" in st.query_params and RUN_KEY not in st.session_state:
        open_register_dialog(st.query_params["register"])
    if RUN_KEY in st.session_state:
        st.dialog("Register a model?", width="medium", icon=":material/add_box:", on_dismiss=_close_register_dialog)(_dialog)(
            current_backend()
        )


def _dialog(here: Backend) -> None:
    run_id = st.session_state.get(RUN_KEY) or _choose_run(here)
    if not run_id:
        return
    with error_boundary():
        chosen = find_candidates(here, run_id)[0]
        _form(here, chosen)


def _choose_run(here: Backend) -> str:
    """Experiment, then a run of it that has a model."""
    known = {one.experiment_id: one.name for one in read_experiments(here)}
    if not known:
        st.markdown("There is no run yet. Launch a demo first.")
        return ""
    experiment = st.selectbox("Experiment", list(known), format_func=known.__getitem__, key="models.register.experiment")
    table = read_runs(here, Search((experiment,)))
    untold = read_capabilities(here).logged_models.is_available is False  # then only the files of a run tell
    fit = table.identity["has_model"] | untold
    names = {str(run): str(name) for run, name in table.identity.loc[fit, "name"].items()}
    if not names:
        st.markdown("No run of this experiment has logged a model.")
        return ""
    return st.selectbox("Run", list(names), format_func=lambda one: f"{names[one]} · {one[:8]}", key="models.register.pick")


def _form(here: Backend, chosen: ModelCandidate) -> None:
    show_facts(_about(chosen))
    models = model_names(here)
    kind = st.segmented_control(
        "As",
        [NEW_MODEL, NEW_VERSION] if models else [NEW_MODEL],
        default=NEW_VERSION if models else NEW_MODEL,
        required=True,
        key="models.register.as",
    )
    name = _model_name(kind, models, here, chosen)
    description = st.text_area(
        "What is it?",
        default_description(chosen),
        key=f"models.register.text.{chosen.run.run_id}",
        height=76,
        help="Kept with the version.",
    )
    person = ask_user_name()
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        st.code(register_snippet(here.uri, name, chosen.source, chosen.run.run_id, chosen.model_id), language="python")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.register.cancel"):
            _close_register_dialog()
            st.rerun()
        if st.button("Register", key="models.register.confirm", type="primary", icon=":material/add_box:"):
            _register(chosen, (name, description, person))


def _model_name(kind: str, models: tuple[str, ...], here: Backend, chosen: ModelCandidate) -> str:
    if kind == NEW_VERSION:
        return st.selectbox("Model", models, key="models.register.model", index=_likely(here, models, chosen))
    return st.text_input("Name of the model", _suggestion(chosen), key="models.register.name", max_chars=200)


def _suggestion(chosen: ModelCandidate) -> str:
    """A name from the run's own: forest-15-trees becomes forest."""
    kept = re.sub(r"[-_ ]*\d+[-_ ]*\w*$", "", chosen.run.name)
    purpose = chosen.run.tags.get("Project") or kept or "model"
    return re.sub(r"[^\w .\-]+", "-", purpose).strip("-. ").lower().replace(" ", "-")[:60]


def _likely(here: Backend, models: tuple[str, ...], chosen: ModelCandidate) -> int:
    wanted = _suggestion(chosen)
    return models.index(wanted) if wanted in models else 0


def _about(chosen: ModelCandidate) -> dict[str, str]:
    run = chosen.run
    metrics = " · ".join(f"{escape(name)} {format_metric(value)}" for name, value in sorted(run.metrics.items())[:4])
    params = " · ".join(f"{escape(name)} {escape(value)}" for name, value in sorted(run.params.items())[:4])
    return {
        "Run": f"{escape(run.name)} :gray[{run.run_id[:8]}]",
        "Measured": metrics or "nothing",
        "Parameters": params or "none",
    }


def _register(chosen: ModelCandidate, typed: tuple[str, str, str]) -> None:
    name, description, person = typed
    try:
        with st.spinner("Registering and recording where it comes from…"):
            made = register(writer(person), chosen.run.run_id, name, description)
    except (PodiumError, NotFound) as error:
        show_error(error)
        return
    remember_user_name(person)
    flash.set_flash(
        flash.MODELS,
        f"Entry {made.position} recorded. {version_label(made.version)} of {escape(made.model)} is registered.",
    )
    _close_register_dialog()
    clear_cache()
    st.query_params["model"] = made.model
    st.query_params["version"] = made.version
    st.rerun()
