"""Launch: choose a demo, watch its job, start or stop it."""

import streamlit as st

from lib.jobs import job_queue
from lib.ui.app.jobs import job_settings
from lib.ui.app.session import current_backend, now
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.pages.launch.form import ask_parameters, choose_demo, open_script_dialog, start_button
from lib.ui.pages.launch.job import find_selected_job, show_job, show_job_list

here, place = current_backend(), job_settings()
known = job_queue.reap_lost_jobs(place, now())
shown = find_selected_job(known)
busy = sum(one.is_live for one in known) >= place.max_running

top = st.container()
left, right = st.columns([7, 13], gap="medium")

with left:
    with card("New job", key="launch.form"):
        demo = choose_demo()
        values = ask_parameters(demo)
        start_button(demo, values, here, is_busy=busy)
    show_job_list(known, shown)

with right:
    if shown:
        show_job(shown, known, here)
    else:
        with card(key="launch.nothing"):
            show_empty_state(
                "play_circle", "Nothing runs", "Start a demo at the left. Its progress, log and metrics appear here."
            )
            st.space("small")

at_once = "One job" if place.max_running == 1 else f"Up to {format_count(place.max_running, 'job')}"
runs = "runs" if place.max_running == 1 else "run"
with top, page_header("Launch", f"{at_once} {runs} at a time on this machine. A job goes on when you leave the page."):
    if st.button("Read the script", type="tertiary", icon=":material/code:", key="launch.script"):
        open_script_dialog(demo, values)
