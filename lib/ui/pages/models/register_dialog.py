"""The register dialog: a run's model becomes a new model or a new version, with a description that is asked for."""

import re
from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.errors import BackendError, NotFound, PodiumError
from lib.registry.code_snippets import register_snippet
from lib.registry.register import ModelCandidate, default_description, find_candidates, register
from lib.runs.analysis.metric_direction import order_metric_names
from lib.runs.reading.run_reader import read_experiments, read_runs
from lib.runs.table.types import Search
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary, show_error
from lib.ui.components.formatting import escape, format_metric, version_label
from lib.ui.components.layout import show_facts
from lib.ui.queries.registry import clear_cache, model_names
from lib.ui.queries.runs import cached_runs

RUN_KEY = "models.register.run"
MAX_RUNS_ASKED = 500
"""Runs of an experiment that are asked for the model they were registered in."""
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
        st.dialog("Register a model?", width="medium", icon=":material/add_box:", on_dismiss=_close_register_dialog)(
            _show_dialog
        )(current_backend())


def _show_dialog(backend: Backend) -> None:
    run_id = st.session_state.get(RUN_KEY) or _choose_run(backend)
    if not run_id:
        return
    with error_boundary():
        candidate = find_candidates(backend, run_id)[0]
        _show_form(backend, candidate)


def _choose_run(backend: Backend) -> str:
    """Experiment, then a run of it that has a model."""
    experiments = {experiment.experiment_id: experiment.name for experiment in read_experiments(backend)}
    if not experiments:
        st.markdown("There is no run yet. Launch a demo first.")
        return ""
    experiment = st.selectbox(
        "Experiment", list(experiments), format_func=experiments.__getitem__, key="models.register.experiment"
    )
    table = read_runs(backend, Search((experiment,)))
    is_logged_model_unknown = (
        read_capabilities(backend).logged_models.is_available is False
    )  # then only the files of a run show it
    has_model = table.identity["has_model"] | is_logged_model_unknown
    names = {str(run): str(name) for run, name in table.identity.loc[has_model, "name"].items()}
    if not names:
        st.markdown("No run of this experiment has logged a model.")
        return ""
    return st.selectbox(
        "Run", list(names), format_func=lambda run_id: f"{names[run_id]} · {run_id[:8]}", key="models.register.pick"
    )


def _show_form(backend: Backend, candidate: ModelCandidate) -> None:
    show_facts(_candidate_facts(candidate))
    models = model_names(backend)
    kind = st.segmented_control(
        "As",
        [NEW_MODEL, NEW_VERSION] if models else [NEW_MODEL],
        default=NEW_VERSION if models else NEW_MODEL,
        required=True,
        key="models.register.as",
    )
    name = _ask_model_name(backend, kind, models, candidate)
    description = st.text_area(
        "What is it?",
        default_description(candidate),
        key=f"models.register.text.{candidate.run.run_id}",
        height=76,
        help="Kept with the version.",
    )
    person_name = ask_user_name()
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        origin = {"run_id": candidate.run.run_id, "model_id": candidate.model_id}
        st.code(register_snippet(backend.uri, name, candidate.source, origin, is_new_model=name not in models), language="python")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.register.cancel"):
            _close_register_dialog()
            st.rerun()
        blocked = {"disabled": True, "help": "Choose a model first."} if kind == NEW_VERSION and not name else {}
        if st.button("Register", key="models.register.confirm", type="primary", icon=":material/add_box:", **blocked):
            _register(candidate, (name, description, person_name))


def _ask_model_name(backend: Backend, kind: str, models: tuple[str, ...], candidate: ModelCandidate) -> str:
    """The model to register in. Preselected is only what the run suggests: its own model, that of its experiment, or one of its name."""
    suggested_name = _suggested_name(candidate)
    if kind == NEW_VERSION:
        own_models = [version.model for version in candidate.run.versions]
        suggestion = next(
            (model for model in (*own_models, *_models_of_experiment(backend, candidate), suggested_name) if model in models),
            None,
        )
        index = models.index(suggestion) if suggestion else None
        key = f"models.register.model.{candidate.run.run_id}"
        return st.selectbox("Model", models, index, key=key, placeholder="Choose the model that gets a new version") or ""
    return st.text_input("Name of the model", suggested_name, key="models.register.name", max_chars=200)


def _models_of_experiment(backend: Backend, candidate: ModelCandidate) -> list[str]:
    """The model that versions were registered in from other runs of the experiment; none where it is not exactly one."""
    runs = cached_runs(backend, Search((candidate.run.experiment_id,), limit=MAX_RUNS_ASKED), lambda _: None)
    models = {version.model for versions in runs.identity.versions for version in versions}
    return list(models) if len(models) == 1 else []


def _suggested_name(candidate: ModelCandidate) -> str:
    """A name from the run's own: forest-15-trees becomes forest."""
    base_name = re.sub(r"[-_ ]*\d+[-_ ]*\w*$", "", candidate.run.name)
    purpose = candidate.run.tags.get("Project") or base_name or "model"
    return re.sub(r"[^\w .\-]+", "-", purpose).strip("-. ").lower().replace(" ", "-")[:60]


def _candidate_facts(candidate: ModelCandidate) -> dict[str, str]:
    run = candidate.run
    metrics = " · ".join(f"{escape(name)} {format_metric(run.metrics[name])}" for name in order_metric_names(run.metrics)[:4])
    params = " · ".join(f"{escape(name)} {escape(value)}" for name, value in sorted(run.params.items())[:4])
    versions = ", ".join(f"{version_label(version.version)} of {escape(version.model)}" for version in run.versions)
    return {
        "Run": f"{escape(run.name)} :gray[{run.run_id[:8]}]",
        **({"Registered": f"This run already is {versions}"} if versions else {}),
        "Measured": metrics or "nothing",
        "Parameters": params or "none",
    }


def _register(candidate: ModelCandidate, answers: tuple[str, str, str]) -> None:
    name, description, person_name = answers
    try:
        with st.spinner("Registering and recording where it comes from…"):
            registered_version = register(writer(person_name), candidate.run.run_id, name, description)
    except (PodiumError, NotFound) as error:
        if isinstance(error, BackendError):
            clear_cache()  # part of it may be done
        show_error(error)
        return
    remember_user_name(person_name)
    flash.set_flash(
        flash.MODELS,
        f"Entry {registered_version.position} recorded. {version_label(registered_version.version)} of {escape(registered_version.model)} is registered.",
    )
    _close_register_dialog()
    clear_cache()
    st.query_params["model"] = registered_version.model
    st.query_params["version"] = registered_version.version
    st.rerun()
