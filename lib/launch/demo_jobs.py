"""Locates demo scripts and starts them as jobs. Demos are defined in `catalogue`, jobs in `lib.jobs`."""

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
    """Return the absolute path of a demo's script. Raises NotFound if the file is missing."""
    script = DEMO_FOLDER / demo.script
    if not script.is_file():
        raise NotFound(f"The script {demo.script} is missing.", next="Restore the demo_experiments folder from the project.")
    return script


def read_demo_script(demo: Demo) -> str:
    """Return the script's source text, for display next to its parameters."""
    return demo_script_path(demo).read_text(encoding="utf-8")


def start_demo_job(
    settings: JobSettings, demo: Demo, values: Mapping[str, ParameterInput], backend: Backend, at: datetime
) -> Job:
    """Start a demo as a job, queued behind running ones. Creates a missing local database first.

    Raises BadInput for an invalid value, ActionRefused if the demo needs another kind of backend, NeedsMigration or another
    BackendError if the backend is not usable, NotWritable if the job's folder cannot be created. In each case nothing was started.
    """
    if reason := demo.unavailable_reason(is_server=backend.kind == "server"):
        raise ActionRefused(reason, next="Choose another backend, or another demo.")
    spec = JobSpec(demo.key, demo.title, demo_script_path(demo), catalogue.script_arguments(demo, values))
    ensure_database(backend)
    return start_job(settings, spec, backend, at)
