"""Compare: the runs of one experiment, searched, drawn, listed, and the picked ones side by side."""

from dataclasses import replace

import streamlit as st

from lib.runs.table import subset
from lib.ui.compare import nothing, reading
from lib.ui.compare.chart import chart
from lib.ui.compare.differences import difference_card
from lib.ui.compare.table import lines, runs_table
from lib.ui.compare.toolbar import toolbar, top
from lib.ui.compare.view import asked, keep, settled
from lib.ui.session import backend

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
