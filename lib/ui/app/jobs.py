"""Start a demo from a page: the job settings of this process, and the switch to the new job."""

import os

import streamlit as st

from lib.backends.backend import Backend
from lib.jobs.job_settings import JobSettings, read_job_settings
from lib.launch import demo_jobs
from lib.launch.catalogue import Demo, ParameterInput
from lib.ui.app.page_links import PROJECT_ROOT, switch_page
from lib.ui.app.session import now


def job_settings() -> JobSettings:
    """Return the job settings of this process. Raises BadInput if PODIUM_JOBS is invalid."""
    return read_job_settings(os.environ, PROJECT_ROOT)


def start_demo(demo: Demo, values: dict[str, ParameterInput], backend: Backend) -> None:
    """Start a demo and open its job. Raises PodiumError if nothing was started."""
    with st.spinner("Starting…"):
        job = demo_jobs.start_demo_job(job_settings(), demo, values, backend, now())
    switch_page("launch", demo=demo.key, job=job.id)
