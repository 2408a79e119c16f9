"""Run: one run in detail. Metrics and parameters on the left, identity and lineage on the right."""

import streamlit as st

from lib.ui.app.session import current_backend
from lib.ui.components import flash
from lib.ui.components.error_box import error_boundary
from lib.ui.pages.run import (
    artifacts,
    dialogs,
    empty_states,
    header,
    lineage,
    logged_models,
    metrics,
    note_and_tags,
    parameters,
    queries,
)

# Choose
backend = current_backend()
run = empty_states.load_run(backend, st.query_params.get("run", ""))
if run is None:
    st.stop()
experiment_ref = queries.cached_experiment_ref(backend, run.experiment_id)
related_runs = queries.cached_related_runs(backend, run)
locations = queries.model_locations(backend, run)
header.show_header(run, experiment_ref, related_runs, has_model=bool(locations))
header.show_live_status(backend, run)
flash.show_flash(flash.RUN)
empty_states.show_run_banner(run, experiment_ref)
can_edit = run.lifecycle == "active" and not experiment_ref.is_ledger

# Look
left, right = st.columns([13, 7], gap="medium")
with left:
    metrics.show_metrics(backend, run, experiment_ref)
    parameters.show_parameters(run)
    parameters.show_inputs(run)
    logged_models.show_logged_models(backend, locations)
    artifacts.show_artifacts(backend, run)
with right:
    header.show_identity(run, experiment_ref)
    note_and_tags.show_note(run, can_edit=can_edit)
    note_and_tags.show_tags(run, can_edit=can_edit)
    with error_boundary():
        lineage.show_lineage(run, related_runs, queries.run_usage(backend, run))

# Act
dialogs.show_run_dialog(run)
