"""A demo as a job: its script as a file, and its start. What demos mean is left to `catalogue`, what a job is to `jobs`."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from lib.backends.backend import Backend
from lib.backends.sqlite_store import make_ready
from lib.errors import NotFound, Refused
from lib.jobs.job_folder import Job
from lib.jobs.job_queue import PROJECT, Order, launch
from lib.jobs.job_settings import Workshop
from lib.launch import catalogue
from lib.launch.catalogue import Demo, Value

FOLDER = PROJECT / "demo_experiments"


def path(demo: Demo) -> Path:
    """The script of a demo, absolute. Raises NotFound when the file is gone."""
    script = FOLDER / demo.script
    if not script.is_file():
        raise NotFound(f"The script {demo.script} is missing.", next="Restore the folder demo_experiments from the project.")
    return script


def source(demo: Demo) -> str:
    """The text of the script, to be read beside its parameters."""
    return path(demo).read_text(encoding="utf-8")


def start(workshop: Workshop, demo: Demo, values: Mapping[str, Value], backend: Backend, at: datetime) -> Job:
    """Start a demo as a job; it waits its turn when others run. Makes a missing local database first.

    Raises BadInput for a bad value, Refused when the backend is not what the demo is about, NeedsMigration or another BackendError when
    it is not fit for it, NotWritable when the job's folder cannot be made. Then nothing was started.
    """
    if why := demo.unfit(is_server=backend.kind == "server"):
        raise Refused(why, next="Choose another backend, or another demo.")
    order = Order(demo.key, demo.title, path(demo), catalogue.argv(demo, values))
    make_ready(backend)
    return launch(workshop, order, backend, at)
