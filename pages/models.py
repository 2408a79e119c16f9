"""Models: one model, who held which stage when, its versions, and what can be done with the chosen one."""

import streamlit as st

from lib.errors import LedgerBroken, NotFound
from lib.registry.pending_decisions import pending
from lib.ui.app.routes import goto
from lib.ui.app.session import backend
from lib.ui.components.chart_theme import ink
from lib.ui.components.drift_banner import banner, elsewhere, unreadable
from lib.ui.components.formatting import md
from lib.ui.components.layout import card, empty, header
from lib.ui.components.pending_banner import unfinished
from lib.ui.components.write_access import for_recording, greyed
from lib.ui.pages.models import move_dialogs as models_dialogs
from lib.ui.pages.models import register_dialog as models_register
from lib.ui.pages.models.cards import header_facts, history_card, other_models, strip_card, version_card
from lib.ui.pages.models.version_table import versions_card
from lib.ui.queries.registry import model_names, sight

here = backend()
names = model_names(here)

if not names:
    with header("Models", "No model is registered yet"):
        off = for_recording(here)
        st.button("Register a version", icon=":material/add_box:", key="models.register", on_click=models_register.ask, **off)
    with card(key="models.empty"):
        empty("deployed_code", "No model yet", "Train one, compare the runs, then register the better one.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button("Compare runs", icon=":material/compare_arrows:", key="models.compare"):
                goto("compare")
    models_register.show_open_dialog()
    st.stop()

# Choose
asked = st.query_params.get("model", names[0])
model = asked if asked in names else names[0]
st.query_params["model"] = model
try:
    seen = sight(here, model)
except (LedgerBroken, NotFound) as error:
    with header(md(model), "Its record cannot be read"):
        other_models(names, model)
    unreadable(here, model, error)
    st.stop()
with header(md(model), header_facts(seen)):
    other_models(names, model)
    off = greyed(seen.why)
    st.button("Register a version", icon=":material/add_box:", key="models.register", on_click=models_register.ask, **off)
if asked != model:
    elsewhere(here, asked, model)
models_dialogs.show_done()

# Look
banner(seen)
unfinished(pending(model, seen.found.state), may_write=seen.may_write)
strip_card(seen, ink())
numbers = list(seen.found.seen.versions)
left, right = st.columns([13, 7], gap="medium")
if numbers:
    wanted = st.query_params.get("version", "")
    with left:
        number = versions_card(seen, wanted if wanted in numbers else numbers[0])
        st.query_params["version"] = number
        history_card(seen, number)
    with right:
        version_card(seen, number)

# Act
models_register.show_open_dialog()
models_dialogs.show_open_dialog()
