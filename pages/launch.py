"""Launch: choose and start a demo, watch or stop its job."""

import streamlit as st

from lib.jobs import job_queue
from lib.ui.app.jobs import job_settings
from lib.ui.app.session import current_backend, now
from lib.ui.components.formatting import format_count
from lib.ui.components.layout import card, page_header, show_empty_state
from lib.ui.pages.launch.form import ask_parameters, choose_demo, open_script_dialog, start_button
from lib.ui.pages.launch.job import find_selected_job, show_job, show_job_list

backend, settings = current_backend(), job_settings()
jobs = job_queue.reap_lost_jobs(settings, now())
selected_job = find_selected_job(jobs)
is_busy = sum(job.is_live for job in jobs) >= settings.max_running

header = st.container()
left_column, right_column = st.columns([7, 13], gap="medium")

with left_column:
    with card("New job", key="launch.form"):
        demo = choose_demo()
        values = ask_parameters(demo)
        start_button(demo, values, backend, is_busy=is_busy)
    show_job_list(jobs, selected_job)

with right_column:
    if selected_job:
        show_job(selected_job, jobs, backend)
    else:
        with card(key="launch.nothing"):
            show_empty_state("play_circle", "No jobs yet", "Start a demo on the left. Its progress, log and metrics appear here.")
            st.space("small")

job_limit = "One job" if settings.max_running == 1 else f"Up to {format_count(settings.max_running, 'job')}"
verb = "runs" if settings.max_running == 1 else "run"
with header, page_header("Launch", f"{job_limit} {verb} at a time on this machine. Jobs continue when you leave the page."):
    if st.button("View script", type="tertiary", icon=":material/code:", key="launch.script"):
        open_script_dialog(demo, values)
