"""Run: one run whole. What it measured and how it was made at the left, what it is and where it belongs at the right."""

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
here = current_backend()
run = empty_states.load_run(here, st.query_params.get("run", ""))
if run is None:
    st.stop()
home, kin = queries.cached_experiment_ref(here, run.experiment_id), queries.cached_related_runs(here, run)
places = queries.model_locations(here, run)
header.show_header(run, home, kin, has_model=bool(places))
header.show_live_status(here, run)
flash.show_flash(flash.RUN)
empty_states.show_run_banner(run, home)
may_change = run.lifecycle == "active" and not home.is_ledger

# Look
left, right = st.columns([13, 7], gap="medium")
with left:
    metrics.show_metrics(here, run)
    parameters.show_parameters(run)
    parameters.show_inputs(run)
    logged_models.show_logged_models(here, places)
    artifacts.show_artifacts(here, run)
with right:
    header.show_identity(run, home)
    note_and_tags.show_note(run, can_edit=may_change)
    note_and_tags.show_tags(run, can_edit=may_change)
    with error_boundary():
        lineage.show_lineage(run, kin, queries.run_usage(here, run))

# Act
dialogs.show_run_dialog(run)
