"""Jobs against a real `mlflow server`, against a dead one, and across a `kill -9` of Podium itself."""

import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.errors import Unreachable
from lib.jobs import job_queue
from lib.jobs.job_settings import JobSettings, read_job_settings
from lib.launch import demo_jobs
from lib.launch.catalogue import find_demo
from tests.support.browser import Driver, free_port, serve_podium


def job_settings_in(folder: Path) -> JobSettings:
    return read_job_settings({**os.environ, "PODIUM_HOME": str(folder), "PODIUM_JOBS": "1"}, folder)


@pytest.mark.slow
def test_a_job_logs_to_a_server_which_keeps_the_files(mlflow_server: Backend, tmp_path: Path) -> None:
    settings = job_settings_in(tmp_path)
    values = {"experiment": "Launched on a server", "n_estimators": (1,)}
    job = demo_jobs.start_demo_job(settings, find_demo("first-run"), values, mlflow_server, datetime.now(UTC))
    assert job_queue.wait(settings, job.id, 120).state == "finished"
    (run,) = job_queue.find_job_runs(mlflow_server, job.id)
    assert (run.name, round(run.metrics["accuracy"], 4), run.status) == ("forest-1-tree", 0.6667, "FINISHED")
    logged = client(mlflow_server).get_run(run.run_id)
    assert logged.info.artifact_uri.startswith("mlflow-artifacts:")
    assert logged.outputs.model_outputs


def test_a_dead_server_is_reported_within_seconds_when_reading_the_runs_of_a_job() -> None:
    asked_at = datetime.now(UTC)
    with pytest.raises(Unreachable):
        job_queue.find_job_runs(Backend(f"http://127.0.0.1:{free_port()}", "server"), "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (datetime.now(UTC) - asked_at).total_seconds() < 5


@pytest.mark.slow
def test_a_job_goes_on_when_podium_is_killed_and_is_found_when_it_comes_back(
    fresh_store: Backend, tmp_path: Path, window: Callable[..., Driver]
) -> None:
    first_app = serve_podium(fresh_store.uri, tmp_path)
    window(first_app).open("/launch?demo=search").click("Start").page.get_by_text(re.compile(r"Fit \d+ of 60")).wait_for()
    os.killpg(first_app.process.pid, signal.SIGKILL)
    first_app.process.wait()
    (job,) = job_queue.list_jobs(job_settings_in(tmp_path / "podium"))
    assert job.state == "running"
    second_app = serve_podium(fresh_store.uri, tmp_path)
    try:
        page = window(second_app).open("/launch").page
        page.get_by_text("12 trials, best first", exact=False).wait_for()
        assert f"job={job.id}" in page.url
        assert {run.status for run in job_queue.find_job_runs(fresh_store, job.id)} == {"FINISHED"}
        assert len(job_queue.find_job_runs(fresh_store, job.id)) == 13
    finally:
        second_app.stop()
