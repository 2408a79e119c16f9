"""The Launch page: the form of every demo, a real job from click to metrics, the queue, the stop, and what goes wrong."""

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
def shop(app: OpenPage, tmp_path: Path) -> JobSettings:
    """The workshop of the page under test. Jobs that still live at the end are stopped."""
    made = read_job_settings(os.environ, tmp_path)
    assert made.jobs_folder.is_relative_to(tmp_path)
    yield made
    for one in job_queue.list_jobs(made):
        job_queue.cancel(made, one.id)
    for one in job_queue.list_jobs(made):
        job_queue.wait(made, one.id, 20)


@pytest.fixture
def start(shop: JobSettings, fresh_store: Backend, tmp_path: Path) -> Start:
    """Start a job from the text of a script, under the title of a demo."""

    def begin(text: str, title: str = "Wine, first run", backend: Backend = fresh_store) -> Job:
        script = tmp_path / f"script_{abs(hash(text))}.py"
        script.write_text(text)
        return job_queue.start_job(shop, job_queue.JobSpec("first-run", title, script), backend, datetime.now(UTC))

    return begin


def printed(shop: JobSettings, one: Job) -> None:
    """Wait until the script of a job has printed its progress."""
    end = datetime.now(UTC) + timedelta(seconds=20)
    while job_folder.read_progress(job_queue.find_job(shop, one.id)) is None:
        assert datetime.now(UTC) < end


def words(page: AppTest) -> str:
    """All text of the page that a person reads, without the marks of the escaping."""
    parts = [*page.title, *page.subheader, *page.markdown, *page.caption, *page.error, *page.code]
    return "\n".join(str(part.value) for part in parts).replace("&#46;", ".").replace("&#45;", "-").replace("\u2060", "")


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def test_before_the_first_job_the_page_says_what_to_do(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store)
    assert "Nothing runs" in words(page)
    assert "Start a demo at the left" in words(page)
    assert "Start" in buttons(page)


@pytest.mark.parametrize("demo", list_demos(), ids=lambda demo: demo.key)
def test_the_address_chooses_a_demo_and_the_form_shows_its_parameters(app: OpenPage, fresh_store: Backend, demo: Demo) -> None:
    page = app("launch", fresh_store, demo=demo.key)
    assert page.selectbox(key="launch.demo").value == demo.key
    shown = {widget.label: widget.value for widget in (*page.text_input, *page.number_input, *page.get("button_group"))}
    for parameter in demo.parameters:
        value = shown[parameter.label]
        assert (tuple(value) if isinstance(value, list) else value) == parameter.default


def test_another_demo_is_chosen_and_stands_in_the_address(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store)
    page.selectbox(key="launch.demo").set_value("search").run()
    assert page.query_params["demo"] == "search"
    assert "12 trials, 60 fits, about 15 s. Writes 13 runs, one model." in words(page)


def test_from_the_click_to_the_metrics_and_the_way_to_compare(app: OpenPage, fresh_store: Backend, shop: JobSettings) -> None:
    page = app("launch", fresh_store, demo="first-run")
    page.get("button_group")[0].set_value([5, 1, 15])
    page.text_input(key="launch.first-run.author").set_value("Ana")
    page.run().button(key="launch.start").click().run()
    (started,) = job_queue.list_jobs(shop)
    assert page.query_params["job"] == started.id
    assert started.arguments[1:5] == ("--n-estimators", "1", "5", "15")
    assert job_queue.wait(shop, started.id, 120).state == "finished"
    page.run()
    table = page.dataframe[0].value
    assert list(table["run"]) == ["forest-1-tree", "forest-5-trees", "forest-15-trees"]
    assert list(table["accuracy"].round(4)) == [0.6667, 0.9444, 0.9444]
    assert "run 3/3 forest-15-trees: accuracy 0.9444 on 18 test rows" in words(page)
    runs = job_queue.find_job_runs(fresh_store, started.id)
    assert all(client(fresh_store).get_run(run.run_id).data.tags["Author"] == "Ana" for run in runs)
    ways = {link.proto.label: link.proto for link in page.get("page_link")}
    way = ways["Compare its runs"]
    assert way.page == "compare"
    assert sum(link.page == "run" for link in ways.values()) == 3, "each run can be opened"
    assert f"experiment={runs[0].experiment_id}" in way.query_string
    assert all(f"pick={run.run_id}" in way.query_string for run in runs)


@pytest.mark.parametrize(("typed", "said"), [(" ", "Experiment is empty"), ("podium-ledger", "kept for Podium's own record")])
def test_a_bad_name_is_told_in_its_place_and_cannot_be_started(
    app: OpenPage, fresh_store: Backend, shop: JobSettings, typed: str, said: str
) -> None:
    page = app("launch", fresh_store, demo="search")
    page.text_input(key="launch.search.experiment").set_value(typed).run()
    assert said in page.error[0].value.replace("&#45;", "-").replace("&#39;", "'")
    assert "Start" not in buttons(page)
    assert job_queue.list_jobs(shop) == []


def test_a_form_without_a_single_number_cannot_be_started(app: OpenPage, fresh_store: Backend) -> None:
    page = app("launch", fresh_store, demo="search")
    page.get("button_group")[0].set_value([]).run()
    assert "Trees needs one to 8 numbers" in page.error[0].value
    assert "Start" not in buttons(page)


def test_a_running_job_is_found_by_whoever_opens_the_page_and_can_be_stopped(
    app: OpenPage, fresh_store: Backend, shop: JobSettings, start: Start
) -> None:
    one = start(SLEEPS)
    printed(shop, one)
    page = app("launch", fresh_store)
    assert page.query_params["job"] == one.id
    assert page.get("progress")[0].proto.text == "Fit 3 of 9"
    assert "Start when its turn comes" in buttons(page)
    page.button(key="launch.stop").click().run()
    assert "Stopping" in words(page) or job_queue.find_job(shop, one.id).state == "stopped"
    assert job_queue.wait(shop, one.id, 20).state == "stopped"
    page.run()
    assert "Stopped on request" in words(page)
    assert "launch.stop" not in [button.key for button in page.button]


def test_a_queued_job_says_for_whom_it_waits(app: OpenPage, fresh_store: Backend, shop: JobSettings, start: Start) -> None:
    first = start(SLEEPS, "Breast cancer, grid search")
    printed(shop, first)
    second = start("print('never')")
    page = app("launch", fresh_store, job=second.id)
    assert "Waits for Breast cancer, grid search" in words(page)
    page.button(key="launch.stop").click().run()
    job_queue.wait(shop, second.id, 20)
    page.run()
    assert "Stopped before its turn came. Nothing was written." in words(page)


def test_a_failed_job_shows_its_exit_code_and_the_end_of_its_log(
    app: OpenPage, fresh_store: Backend, shop: JobSettings, start: Start
) -> None:
    one = start("raise ValueError('loss is **NaN** <b>')")
    job_queue.wait(shop, one.id, 20)
    page = app("launch", fresh_store, job=one.id)
    assert "exit code 1" in words(page)
    assert "ValueError: loss is **NaN** <b>" in page.code[0].value
    assert "It left no run" in words(page)


def test_a_job_whose_keeper_was_killed_is_shown_as_stopped(
    app: OpenPage, fresh_store: Backend, shop: JobSettings, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    monkeypatch.setattr(job_queue, "_start_runner", lambda *_: None)
    monkeypatch.setattr("lib.jobs.job_folder.STARTUP_GRACE_PERIOD", timedelta(0))
    one = start("print()")
    job_folder.write_status(one.folder, state="running", started=datetime.now(UTC).isoformat())
    page = app("launch", fresh_store, job=one.id)
    assert "The process that watched this job was killed" in words(page)
    assert job_queue.find_job(shop, one.id).state == "lost"


def test_a_click_on_an_earlier_job_shows_it(app: OpenPage, fresh_store: Backend, shop: JobSettings, start: Start) -> None:
    first, second = start("print('run 1/1 the first')"), start("print('run 1/1 the second')")
    job_queue.wait(shop, second.id, 30)
    page = app("launch", fresh_store)
    assert page.code[0].value == "run 1/1 the second"
    page.button(key=f"launch.show.{first.id}").click().run()
    assert page.code[0].value == "run 1/1 the first"
    assert page.query_params["job"] == first.id


@pytest.mark.parametrize("text", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "../../etc", "<b>"])
def test_an_address_with_an_unknown_job_says_so_and_the_page_lives(app: OpenPage, fresh_store: Backend, text: str) -> None:
    page = app("launch", fresh_store, job=text)
    assert page.error
    assert "Start" in buttons(page)


def test_runs_on_another_backend_are_named_and_not_linked(
    app: OpenPage, fresh_store: Backend, shop: JobSettings, start: Start, tmp_path: Path, empty_database: Path
) -> None:
    from tests.conftest import copy_store

    other = copy_store(empty_database, tmp_path / "other")
    one = job_queue.wait(shop, start("print('run 1/1')", backend=other).id, 20)
    experiment = client(other).create_experiment("elsewhere", artifact_location=str(other.artifact_folder))
    client(other).create_run(experiment, tags={"podium.job": one.id})
    page = app("launch", fresh_store, job=one.id)
    assert "These runs are on another backend" in words(page)
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
