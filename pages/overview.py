"""Overview: who is in Production, what ran, and what to do next."""

import streamlit as st

from lib.backends.checks import glance
from lib.runs.recent import recent
from lib.ui.cards import header
from lib.ui.models_reads import registry
from lib.ui.outside import short_banner
from lib.ui.overview_cards import recent_runs, this_backend
from lib.ui.overview_first import steps
from lib.ui.overview_launch import launch_wine
from lib.ui.overview_models import in_production, latest_entries, progress, standing
from lib.ui.routes import goto
from lib.ui.session import backend, now
from lib.ui.text import lately, md

here = backend()
runs, models, found = recent(here, 6), progress(here), glance(here)
age = f" · created {lately(found.created, now())}" if found.created and not runs else ""

with header("Overview", f"{md(here.name)} · {md(here.place)}{age}{standing(here)}"):
    if runs and st.button("Launch a demo", icon=":material/play_arrow:", key="overview.launch"):
        goto("launch")

short_banner(registry(here))
if models != "in production":
    st.space("small")
    steps(3 if models == "registered" else 2 if runs else 1, lambda: launch_wine(here))
    st.space("xsmall")

if not runs and models == "nothing":
    this_backend(found.checks)
    st.stop()

left, right = st.columns([13, 7], gap="medium")
with left:
    if models == "in production":
        in_production(here)
    recent_runs(runs)
with right:
    if models != "nothing":
        latest_entries(here)
    this_backend(found.checks)
