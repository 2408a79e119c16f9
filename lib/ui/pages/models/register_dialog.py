"""The register dialog: a run's model becomes a new model or a new version, with a description that is asked for."""

import re

import streamlit as st

from lib.backends.backend import Backend
from lib.backends.capabilities import capabilities
from lib.errors import NotFound, PodiumError
from lib.registry.code_snippets import register_code
from lib.registry.register import Candidate, candidates, default_description, register
from lib.runs.reading.run_reader import Search, experiments, runs
from lib.ui.app.session import ask_person, backend, keep_person
from lib.ui.app.writer import writer
from lib.ui.components.error_box import calm, show
from lib.ui.components.formatting import md, score, version
from lib.ui.components.layout import facts
from lib.ui.pages.models.move_dialogs import DONE
from lib.ui.queries.registry import forget, model_names

RUN = "models.register.run"
NEW, NEXT = "New model", "New version"


def ask(run_id: str = "") -> None:
    """Open the dialog at the next run of the page; without a run it asks for one."""
    st.session_state[RUN] = run_id


def close() -> None:
    """Forget the dialog."""
    st.session_state.pop(RUN, None)
    st.query_params.pop("register", None)


def show_open_dialog() -> None:
    """Draw the dialog when it was opened here or by a link `?register=<run>`."""
    if "register" in st.query_params and RUN not in st.session_state:
        ask(st.query_params["register"])
    if RUN in st.session_state:
        st.dialog("Register a model?", width="medium", icon=":material/add_box:", on_dismiss=close)(_dialog)(backend())


def _dialog(here: Backend) -> None:
    run_id = st.session_state.get(RUN) or _choose_run(here)
    if not run_id:
        return
    with calm():
        chosen = candidates(here, run_id)[0]
        _form(here, chosen)


def _choose_run(here: Backend) -> str:
    """Experiment, then a run of it that has a model."""
    known = {one.experiment_id: one.name for one in experiments(here)}
    if not known:
        st.markdown("There is no run yet. Launch a demo first.")
        return ""
    experiment = st.selectbox("Experiment", list(known), format_func=known.__getitem__, key="models.register.experiment")
    table = runs(here, Search((experiment,)))
    untold = capabilities(here).logged_models.has is False  # then only the files of a run tell
    fit = table.identity["has_model"] | untold
    names = {str(run): str(name) for run, name in table.identity.loc[fit, "name"].items()}
    if not names:
        st.markdown("No run of this experiment has logged a model.")
        return ""
    return st.selectbox("Run", list(names), format_func=lambda one: f"{names[one]} · {one[:8]}", key="models.register.pick")


def _form(here: Backend, chosen: Candidate) -> None:
    facts(_about(chosen))
    models = model_names(here)
    kind = st.segmented_control(
        "As", [NEW, NEXT] if models else [NEW], default=NEXT if models else NEW, required=True, key="models.register.as"
    )
    name = _model_name(kind, models, here, chosen)
    description = st.text_area(
        "What is it?",
        default_description(chosen),
        key=f"models.register.text.{chosen.run.run_id}",
        height=76,
        help="Kept with the version.",
    )
    person = ask_person()
    with st.expander("The MLflow calls that do the same", icon=":material/code:"):
        st.code(register_code(here.uri, name, chosen.source, chosen.run.run_id, chosen.model_id), language="python")
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if st.button("Cancel", key="models.register.cancel"):
            close()
            st.rerun()
        if st.button("Register", key="models.register.confirm", type="primary", icon=":material/add_box:"):
            _register(chosen, (name, description, person))


def _model_name(kind: str, models: tuple[str, ...], here: Backend, chosen: Candidate) -> str:
    if kind == NEXT:
        return st.selectbox("Model", models, key="models.register.model", index=_likely(here, models, chosen))
    return st.text_input("Name of the model", _suggestion(chosen), key="models.register.name", max_chars=200)


def _suggestion(chosen: Candidate) -> str:
    """A name from the run's own: forest-15-trees becomes forest."""
    kept = re.sub(r"[-_ ]*\d+[-_ ]*\w*$", "", chosen.run.name)
    purpose = chosen.run.tags.get("Project") or kept or "model"
    return re.sub(r"[^\w .\-]+", "-", purpose).strip("-. ").lower().replace(" ", "-")[:60]


def _likely(here: Backend, models: tuple[str, ...], chosen: Candidate) -> int:
    wanted = _suggestion(chosen)
    return models.index(wanted) if wanted in models else 0


def _about(chosen: Candidate) -> dict[str, str]:
    run = chosen.run
    metrics = " · ".join(f"{md(name)} {score(value)}" for name, value in sorted(run.metrics.items())[:4])
    params = " · ".join(f"{md(name)} {md(value)}" for name, value in sorted(run.params.items())[:4])
    return {"Run": f"{md(run.name)} :gray[{run.run_id[:8]}]", "Measured": metrics or "nothing", "Parameters": params or "none"}


def _register(chosen: Candidate, typed: tuple[str, str, str]) -> None:
    name, description, person = typed
    try:
        with st.spinner("Registering and recording where it comes from…"):
            made = register(writer(person), chosen.run.run_id, name, description)
    except (PodiumError, NotFound) as error:
        show(error)
        return
    keep_person(person)
    st.session_state[DONE] = (
        "success",
        f"Entry {made.place} recorded. {version(made.version)} of {md(made.model)} is registered.",
    )
    close()
    forget()
    st.query_params["model"] = made.model
    st.query_params["version"] = made.version
    st.rerun()
