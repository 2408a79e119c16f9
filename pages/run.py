"""Run: one run whole. What it measured and how it was made at the left, what it is and where it belongs at the right."""

import streamlit as st

from lib.ui.errors import calm
from lib.ui.run import dialogs, files, head, lineage, metrics, models, nothing, reads, settings, written
from lib.ui.session import backend

# Choose
here = backend()
run = nothing.found(here, st.query_params.get("run", ""))
if run is None:
    st.stop()
home, kin = reads.home(here, run.experiment_id), reads.kin(here, run)
places = reads.places(here, run)
head.top(run, home, kin, has_model=bool(places))
head.pulse(here, run)
dialogs.show_done()
nothing.banner(run, home)
may_change = run.lifecycle == "active" and not home.is_record

# Look
left, right = st.columns([13, 7], gap="medium")
with left:
    metrics.metrics_card(here, run)
    settings.parameters_card(run)
    settings.inputs_card(run)
    models.models_card(here, places)
    files.files_card(run)
with right:
    head.identity_card(run, home)
    written.note_card(run, may_change=may_change)
    written.tags_card(run, may_change=may_change)
    with calm():
        lineage.lineage_card(run, kin, reads.uses(here, run))

# Act
dialogs.show_open_dialog(run)
