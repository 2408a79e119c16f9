"""Launch: choose a demo, watch its job, start or stop it."""

import streamlit as st

from lib.jobs import job_queue as jobs
from lib.ui.app.session import backend, now
from lib.ui.components.formatting import count
from lib.ui.components.layout import card, empty, header
from lib.ui.pages.launch.form import ask_parameters, choose_demo, read_script, shop, start_button
from lib.ui.pages.launch.job import earlier, follow, watched

here, place = backend(), shop()
known = jobs.settle(place, now())
shown = watched(known)
busy = sum(one.live for one in known) >= place.limit

top = st.container()
left, right = st.columns([7, 13], gap="medium")

with left:
    with card("New job", key="launch.form"):
        demo = choose_demo()
        values = ask_parameters(demo)
        start_button(demo, values, here, waits=busy)
    earlier(known, shown)

with right:
    if shown:
        follow(shown, known, here)
    else:
        with card(key="launch.nothing"):
            empty("play_circle", "Nothing runs", "Start a demo at the left. Its progress, log and metrics appear here.")
            st.space("small")

at_once = "One job" if place.limit == 1 else f"Up to {count(place.limit, 'job')}"
runs = "runs" if place.limit == 1 else "run"
with top, header("Launch", f"{at_once} {runs} at a time on this machine. A job goes on when you leave the page."):
    if st.button("Read the script", type="tertiary", icon=":material/code:", key="launch.script"):
        read_script(demo, values)
