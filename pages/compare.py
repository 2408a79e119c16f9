"""Compare: the runs of one experiment, searched, drawn, listed, and the picked ones side by side."""

from dataclasses import replace

import streamlit as st

from lib.runs.table.run_table import subset
from lib.ui.app.session import backend
from lib.ui.pages.compare import empty_states as nothing
from lib.ui.pages.compare import queries as reading
from lib.ui.pages.compare.differences import difference_card
from lib.ui.pages.compare.plot_card import chart
from lib.ui.pages.compare.table import lines, runs_table
from lib.ui.pages.compare.toolbar import toolbar, top
from lib.ui.pages.compare.view_state import asked, keep, settled

# Choose
here, wish = backend(), asked()
with reading.titled():
    catalogue = reading.catalogue(here)
    there = tuple(one.experiment_id for one in catalogue.named(wish.experiment))
    view = replace(wish, experiment=there or (catalogue.newest,) * bool(catalogue.newest))
    found = reading.find(here, view) if view.experiment else None
if found is None:
    nothing.no_experiment()
    st.stop()
keep(experiment=view.experiment)
view = settled(view, found.whole)
top(here, view, catalogue, found)
nothing.gone(wish, view, catalogue)
toolbar(view, catalogue, found)
nothing.gone_picks(wish, found)

# Look
if not len(found.whole):
    nothing.no_run(view)
    st.stop()
if not len(found.left):
    nothing.no_match(view)
    st.stop()
rows = lines(view, found.left)
listed = [line.run_id for line in rows]
chart(view, subset(found.left, listed), found.whole, catalogue.names)
left, right = st.columns([13, 7], gap="medium")
with left:
    runs_table(here, view, found.left, rows, catalogue.names)

# Act: the deed of this page stands in its header, what it is decided by stands here
with right:
    difference_card(view, found.whole, listed, catalogue.names)
