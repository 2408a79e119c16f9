"""A demo as a job: its script as a file, and its start. The demos are in `catalogue`, jobs in `lib.jobs`."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend
from lib.backends.sqlite_store import ensure_database
from lib.errors import ActionRefused, NotFound
from lib.jobs.job_folder import Job
from lib.jobs.job_queue import JobSpec, start_job
from lib.jobs.job_settings import JobSettings
from lib.launch import catalogue
from lib.launch.catalogue import Demo, ParameterInput

DEMO_FOLDER = PROJECT_FOLDER / "demo_experiments"


def demo_script_path(demo: Demo) -> Path:
    """The script of a demo, absolute. Raises NotFound when the file is gone."""
    script = DEMO_FOLDER / demo.script
    if not script.is_file():
        raise NotFound(f"The script {demo.script} is missing.", next="Restore the folder demo_experiments from the project.")
    return script


def read_demo_script(demo: Demo) -> str:
    """The text of the script, to be read beside its parameters."""
    return demo_script_path(demo).read_text(encoding="utf-8")


def start_demo_job(
    settings: JobSettings, demo: Demo, values: Mapping[str, ParameterInput], backend: Backend, at: datetime
) -> Job:
    """Start a demo as a job; it waits its turn when others run. Makes a missing local database first.

    Raises BadInput for a bad value, ActionRefused when the backend is not what the demo is about, NeedsMigration or another BackendError when
    it is not fit for it, NotWritable when the job's folder cannot be made. Then nothing was started.
    """
    if reason := demo.unavailable_reason(is_server=backend.kind == "server"):
        raise ActionRefused(reason, next="Choose another backend, or another demo.")
    spec = JobSpec(demo.key, demo.title, demo_script_path(demo), catalogue.script_arguments(demo, values))
    ensure_database(backend)
    return start_job(settings, spec, backend, at)
