"""The Launch page: the form of every demo, a real job from click to metrics, queueing, stopping, and failures."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.jobs import job_folder, job_queue
from lib.jobs.job_folder import Job
from lib.jobs.job_settings import JobSettings, read_job_settings
from lib.launch.catalogue import Demo, list_demos

OpenPage = Callable[..., AppTest]
Start = Callable[..., Job]
SLEEPS = "import time; print('fit 3/9', flush=True); time.sleep(60)"


@pytest.fixture
def settings(app: OpenPage, tmp_path: Path) -> JobSettings:
    """The job settings of the page under test. Jobs still live at the end are stopped."""
    job_settings = read_job_settings(os.environ, tmp_path)
    assert job_settings.jobs_folder.is_relative_to(tmp_path)
    yield job_settings
    for job in job_queue.list_jobs(job_settings):
        job_queue.cancel(job_settings, job.id)
    for job in job_queue.list_jobs(job_settings):
        job_queue.wait(job_settings, job.id, 20)


@pytest.fixture
def start(settings: JobSettings, fresh_store: Backend, tmp_path: Path) -> Start:
    """Start a job from the text of a script, under the title of a demo."""

    def start_job(text: str, title: str = "Wine, first run", backend: Backend = fresh_store) -> Job:
        script = tmp_path / f"script_{abs(hash(text))}.py"
        script.write_text(text)
        return job_queue.start_job(settings, job_queue.JobSpec("first-run", title, script), backend, datetime.now(UTC))

    return start_job


def wait_for_progress(settings: JobSettings, job: Job) -> None:
    """Wait until the script of a job has printed its progress."""
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while job_folder.read_progress(job_queue.find_job(settings, job.id)) is None:
        assert datetime.now(UTC) < deadline


def page_text(page: AppTest) -> str:
    """Return all visible text of the page without escape characters."""
    parts = [*page.title, *page.subheader, *page.markdown, *page.caption, *page.error, *page.code]
    return "\n".join(str(part.value) for part in parts).replace("&#46;", ".").replace("&#45;", "-").replace("\u2060", "")


def button_labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def test_before_the_first_job_the_page_says_what_to_do(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store)
    assert "No jobs yet" in page_text(page)
    assert "Start a demo on the left" in page_text(page)
    assert "Start" in button_labels(page)


@pytest.mark.parametrize("demo", list_demos(), ids=lambda demo: demo.key)
def test_the_address_chooses_a_demo_and_the_form_shows_its_parameters(app: OpenPage, fresh_store: Backend, demo: Demo) -> None:
    page = app("launch", fresh_store, demo=demo.key)
    assert page.selectbox(key="launch.demo").value == demo.key
    values = {widget.label: widget.value for widget in (*page.text_input, *page.number_input, *page.get("button_group"))}
    for parameter in demo.parameters:
        value = values[parameter.label]
        assert (tuple(value) if isinstance(value, list) else value) == parameter.default


def test_another_demo_is_chosen_and_stands_in_the_address(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store)
    page.selectbox(key="launch.demo").set_value("search").run()
    assert page.query_params["demo"] == "search"
    assert "12 trials, 60 fits, about 15 s. Writes 13 runs, one model." in page_text(page)


def test_from_the_click_to_the_metrics_and_the_way_to_compare(app: OpenPage, fresh_store: Backend, settings: JobSettings) -> None:
    page = app("launch", fresh_store, demo="first-run")
    page.get("button_group")[0].set_value([5, 1, 15])
    page.text_input(key="launch.first-run.author").set_value("Ana")
    page.run().button(key="launch.start").click().run()
    (job,) = job_queue.list_jobs(settings)
    assert page.query_params["job"] == job.id
    assert job.arguments[1:5] == ("--n-estimators", "1", "5", "15")
    assert job_queue.wait(settings, job.id, 120).state == "finished"
    page.run()
    table = page.dataframe[0].value
    assert list(table["run"]) == ["forest-1-tree", "forest-5-trees", "forest-15-trees"]
    assert list(table["accuracy"].round(4)) == [0.6667, 0.9444, 0.9444]
    assert "run 3/3 forest-15-trees: accuracy 0.9444 on 18 test rows" in page_text(page)
    runs = job_queue.find_job_runs(fresh_store, job.id)
    assert all(client(fresh_store).get_run(run.run_id).data.tags["Author"] == "Ana" for run in runs)
    assert sum(link.proto.page == "run" for link in page.get("page_link")) == 3, "each run can be opened"
    page.button(key="launch.compare").click().run()
    assert page.title[0].value == "Compare"
    assert page.query_params["experiment"] == runs[0].experiment_id
    assert set(page.query_params["pick"]) == {run.run_id for run in runs}


@pytest.mark.parametrize(
    ("typed_name", "message"), [(" ", "Experiment is empty"), ("podium-ledger", "reserved for Podium's own record")]
)
def test_a_bad_name_is_told_in_its_place_and_cannot_be_started(
    app: OpenPage, fresh_store: Backend, settings: JobSettings, typed_name: str, message: str
) -> None:
    page = app("launch", fresh_store, demo="search")
    page.text_input(key="launch.search.experiment").set_value(typed_name).run()
    assert message in page.error[0].value.replace("&#45;", "-").replace("&#39;", "'")
    assert "Start" not in button_labels(page)
    assert job_queue.list_jobs(settings) == []


def test_a_form_without_a_single_number_cannot_be_started(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store, demo="search")
    page.get("button_group")[0].set_value([]).run()
    assert "Trees needs one to 8 numbers" in page.error[0].value
    assert "Start" not in button_labels(page)


def test_a_running_job_is_found_by_whoever_opens_the_page_and_can_be_stopped(
    app: OpenPage, fresh_store: Backend, settings: JobSettings, start: Start
) -> None:
    job = start(SLEEPS)
    wait_for_progress(settings, job)
    page = app("launch", fresh_store)
    assert page.query_params["job"] == job.id
    assert page.get("progress")[0].proto.text == "Fit 3 of 9"
    assert "Add to queue" in button_labels(page)
    page.button(key="launch.stop").click().run()
    assert "Stopping" in page_text(page) or job_queue.find_job(settings, job.id).state == "stopped"
    assert job_queue.wait(settings, job.id, 20).state == "stopped"
    page.run()
    assert "Stopped on request" in page_text(page)
    assert "launch.stop" not in [button.key for button in page.button]


def test_a_queued_job_says_for_whom_it_waits(app: OpenPage, fresh_store: Backend, settings: JobSettings, start: Start) -> None:
    first = start(SLEEPS, "Breast cancer, grid search")
    wait_for_progress(settings, first)
    second = start("print('never')")
    page = app("launch", fresh_store, job=second.id)
    assert "Waiting for Breast cancer, grid search" in page_text(page)
    page.button(key="launch.stop").click().run()
    job_queue.wait(settings, second.id, 20)
    page.run()
    assert "Stopped before it started. Nothing was written." in page_text(page)


def test_a_failed_job_shows_its_exit_code_and_the_end_of_its_log(
    app: OpenPage, fresh_store: Backend, settings: JobSettings, start: Start
) -> None:
    job = start("raise ValueError('loss is **NaN** <b>')")
    job_queue.wait(settings, job.id, 20)
    page = app("launch", fresh_store, job=job.id)
    assert "exit code 1" in page_text(page)
    assert "ValueError: loss is **NaN** <b>" in page.code[0].value
    assert "This job logged no runs" in page_text(page)


def test_a_job_whose_keeper_was_killed_is_shown_as_stopped(
    app: OpenPage, fresh_store: Backend, settings: JobSettings, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    monkeypatch.setattr(job_queue, "_start_runner", lambda *_: None)
    monkeypatch.setattr("lib.jobs.job_settings.STARTUP_GRACE_PERIOD", timedelta(0))
    job = start("print()")
    job_folder.write_status(job.folder, state="running", started=datetime.now(UTC).isoformat())
    page = app("launch", fresh_store, job=job.id)
    assert "The process that supervised this job was killed" in page_text(page)
    assert job_queue.find_job(settings, job.id).state == "lost"


def test_a_click_on_an_earlier_job_shows_it(app: OpenPage, fresh_store: Backend, settings: JobSettings, start: Start) -> None:
    first, second = start("print('run 1/1 the first')"), start("print('run 1/1 the second')")
    job_queue.wait(settings, second.id, 30)
    page = app("launch", fresh_store)
    assert page.code[0].value == "run 1/1 the second"
    page.button(key=f"launch.show.{first.id}").click().run()
    assert page.code[0].value == "run 1/1 the first"
    assert page.query_params["job"] == first.id


@pytest.mark.parametrize("text", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "../../etc", "<b>"])
def test_an_address_with_an_unknown_job_says_so_and_the_page_lives(app: OpenPage, fresh_store: Backend, text: str) -> None:
    page = app("launch", fresh_store, job=text)
    assert page.error
    assert "Start" in button_labels(page)


@pytest.mark.slow
def test_runs_on_another_backend_are_named_and_not_linked(
    app: OpenPage, fresh_store: Backend, settings: JobSettings, start: Start, tmp_path: Path, empty_database: Path
) -> None:
    from tests.conftest import copy_store

    other_backend = copy_store(empty_database, tmp_path / "other")
    job = job_queue.wait(settings, start("print('run 1/1')", backend=other_backend).id, 20)
    experiment = client(other_backend).create_experiment("elsewhere", artifact_location=str(other_backend.artifact_folder))
    client(other_backend).create_run(experiment, tags={"podium.job": job.id})
    page = app("launch", fresh_store, job=job.id)
    assert "These runs are on another backend" in page_text(page)
    assert not page.main.get("page_link")


def test_a_senseless_number_of_jobs_is_told_in_plain_words(
    app: OpenPage, fresh_store: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_JOBS", "many")
    page = app("launch", fresh_store)
    assert "PODIUM_JOBS" in page.error[0].value.replace("&#95;", "_")


def test_the_script_is_read_beside_the_form(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store, demo="search")
    page.button(key="launch.script").click().run()
    line, source = (code.value for code in page.code)
    assert line.startswith("python demo_experiments/06_hyperparameter_search.py --experiment=Breast-Cancer-Rf-HP-Tuning")
    assert source.startswith('"""Demo 6: a hyper-parameter search.')
