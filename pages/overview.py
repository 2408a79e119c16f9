"""Overview: who is in Production, what ran, and what to do next. Its cards load side by side."""

import streamlit as st

from lib.backends.quick_summary import glance
from lib.runs.reading.latest_runs import recent
from lib.ui.app.routes import goto
from lib.ui.app.session import backend, now
from lib.ui.components.formatting import lately, md
from lib.ui.components.layout import header
from lib.ui.pages.overview.cards import recent_runs, this_backend
from lib.ui.pages.overview.first_steps import steps
from lib.ui.pages.overview.health import health
from lib.ui.pages.overview.launch_wine import launch_wine
from lib.ui.pages.overview.models import in_production, latest_entries, lead
from lib.ui.pages.overview.parallel import beside
from lib.ui.queries.registry import model_names

here = backend()
runs, has_models = recent(here, 6), bool(model_names(here))
is_new = not runs and not has_models
found = glance(here) if is_new else None
age = f" · created {lately(found.created, now())}" if found and found.created else ""

with header("Overview", f"{md(here.name)} · {md(here.place)}{age}"):
    if runs and st.button("Launch a demo", icon=":material/play_arrow:", key="overview.launch"):
        goto("launch")

if has_models:
    beside(lead, here)
else:
    st.space("small")
    steps(2 if runs else 1, lambda: launch_wine(here))
    st.space("xsmall")

if found:
    this_backend(found.checks)
    st.stop()

left, right = st.columns([13, 7], gap="medium")
with left:
    if has_models:
        beside(in_production, here, rows=6)
    recent_runs(runs)
with right:
    if has_models:
        beside(latest_entries, here, rows=6)
    beside(health, here, rows=7)
