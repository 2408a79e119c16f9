"""The register dialog: register a run's model as a new model or a new version, with a description."""

import re
from typing import Any

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import read_capabilities
from lib.registry.code_snippets import register_snippet
from lib.registry.register import ModelCandidate, default_description, find_candidates, register
from lib.runs.analysis.metric_direction import order_metric_names
from lib.runs.reading.run_reader import read_experiments, read_runs
from lib.runs.table.types import Search
from lib.ui.app.session import ask_user_name, current_backend, remember_user_name, writer
from lib.ui.components import flash
from lib.ui.components.dialog import Dialog
from lib.ui.components.error_box import error_boundary
from lib.ui.components.formatting import escape, format_metric, version_label
from lib.ui.components.layout import show_facts
from lib.ui.queries.registry import clear_cache, model_names
from lib.ui.queries.runs import cached_runs

REGISTER_DIALOG = Dialog[str]("models.register", link_parameter="register")
"""Its state is the run's id, or empty if the dialog asks for the run."""
MAX_RUNS_ASKED = 500
"""Maximum number of runs of an experiment searched for the model they were registered in."""
NEW_MODEL, NEW_VERSION = "New model", "New version"


def register_button(disabled: dict[str, Any]) -> None:
    """Show the button that opens the dialog; `disabled` greys it out with a reason, see `write_access`."""
    st.button(
        "Register a version",
        icon=":material/add_box:",
        key="models.register",
        on_click=REGISTER_DIALOG.open,
        args=("",),
        **disabled,
    )


def show_register_dialog() -> None:
    """Draw the dialog if it was opened here or by a link with `?register=<run>`."""
    if "register" in st.query_params and REGISTER_DIALOG.state is None:
        REGISTER_DIALOG.open(st.query_params["register"])
    REGISTER_DIALOG.show(_show_dialog, "Register a model?", icon="add_box")


def _show_dialog(requested_run_id: str) -> None:
    backend = current_backend()
    run_id = requested_run_id or _choose_run(backend)
    if not run_id:
        return
    with error_boundary():
        candidate = find_candidates(backend, run_id)[0]
        _show_form(backend, candidate)


def _choose_run(backend: Backend) -> str:
    """Ask for an experiment, then for one of its runs that has a model. Returns the run id, or an empty string."""
    experiments = {experiment.experiment_id: experiment.name for experiment in read_experiments(backend)}
    if not experiments:
        st.markdown("There are no runs yet. Launch a demo first.")
        return ""
    experiment = st.selectbox(
        "Experiment", list(experiments), format_func=experiments.__getitem__, key="models.register.experiment"
    )
    table = read_runs(backend, Search((experiment,)))
    is_logged_model_unknown = (
        read_capabilities(backend).logged_models.is_available is False
    )  # then only a run's files show whether it has a model
    has_model = table.identity["has_model"] | is_logged_model_unknown
    names = {str(run): str(name) for run, name in table.identity.loc[has_model, "name"].items()}
    if not names:
        st.markdown("No run in this experiment has logged a model.")
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
        "Description",
        default_description(candidate),
        key=f"models.register.text.{candidate.run.run_id}",
        height=76,
        help="Saved as the version's description.",
    )
    person_name = ask_user_name()
    with st.expander("Equivalent MLflow calls", icon=":material/code:"):
        origin = {"run_id": candidate.run.run_id, "model_id": candidate.model_id}
        st.code(register_snippet(backend.uri, name, candidate.source, origin, is_new_model=name not in models), language="python")
    missing = "Choose a model first." if kind == NEW_VERSION and not name else ""
    if REGISTER_DIALOG.action_row("Register", missing, icon="add_box"):
        with REGISTER_DIALOG.action("Registering the version and recording its lineage…", clear_cache):
            registered_version = register(writer(person_name), candidate.run.run_id, name, description)
            remember_user_name(person_name)
            version, model = version_label(registered_version.version), escape(registered_version.model)
            flash.set_flash(flash.MODELS, f"Entry {registered_version.position} recorded. {version} of {model} is registered.")
            st.query_params.update(model=registered_version.model, version=registered_version.version)


def _ask_model_name(backend: Backend, kind: str, models: tuple[str, ...], candidate: ModelCandidate) -> str:
    """Ask for the model name. The default comes from the run: its own model, its experiment's, or one named like the run."""
    suggested_name = _suggested_name(candidate)
    if kind == NEW_VERSION:
        own_models = [version.model for version in candidate.run.versions]
        suggestion = next(
            (model for model in (*own_models, *_models_of_experiment(backend, candidate), suggested_name) if model in models),
            None,
        )
        index = models.index(suggestion) if suggestion else None
        key = f"models.register.model.{candidate.run.run_id}"
        return st.selectbox("Model", models, index, key=key, placeholder="Choose the model for the new version") or ""
    return st.text_input("Model name", suggested_name, key="models.register.name", max_chars=200)


def _models_of_experiment(backend: Backend, candidate: ModelCandidate) -> list[str]:
    """Return the model registered from other runs of the experiment; empty unless there is exactly one."""
    runs = cached_runs(backend, Search((candidate.run.experiment_id,), limit=MAX_RUNS_ASKED), lambda _: None)
    models = {version.model for versions in runs.identity.versions for version in versions}
    return list(models) if len(models) == 1 else []


def _suggested_name(candidate: ModelCandidate) -> str:
    """Derive a model name from the run's name: forest-15-trees becomes forest."""
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
        **({"Registered": f"This run is already {versions}"} if versions else {}),
        "Metrics": metrics or "none",
        "Parameters": params or "none",
    }
