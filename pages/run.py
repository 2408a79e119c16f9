"""Run: one run whole. What it measured and how it was made at the left, what it is and where it belongs at the right."""

import streamlit as st

from lib.ui.app.session import backend
from lib.ui.components.error_box import calm
from lib.ui.pages.run import artifacts as files
from lib.ui.pages.run import dialogs, lineage, metrics
from lib.ui.pages.run import empty_states as nothing
from lib.ui.pages.run import header as head
from lib.ui.pages.run import logged_models as models
from lib.ui.pages.run import note_and_tags as written
from lib.ui.pages.run import parameters as settings
from lib.ui.pages.run import queries as reads

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
    files.files_card(here, run)
with right:
    head.identity_card(run, home)
    written.note_card(run, may_change=may_change)
    written.tags_card(run, may_change=may_change)
    with calm():
        lineage.lineage_card(run, kin, reads.uses(here, run))

# Act
dialogs.show_open_dialog(run)
