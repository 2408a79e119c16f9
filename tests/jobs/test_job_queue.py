"""Jobs that outlive their starter: queueing, stopping and kills, with tiny scripts instead of demos and real processes."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.errors import BadInput, NotFound, NotWritable
from lib.jobs import job_folder, job_queue, job_runner, job_settings
from lib.jobs.job_folder import Job, JobProgress
from lib.jobs.job_settings import JobSettings
from lib.launch import catalogue, demo_jobs

HELLO = "print('run 1/1 hello')"
SLEEPS = "import time; print('fit 3/9', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
StartJob = Callable[..., Job]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[JobSettings]:
    environment = {**os.environ, "PODIUM_HOME": str(tmp_path / "home"), "PODIUM_JOBS": "1"}
    settings = job_settings.read_job_settings(environment, tmp_path)
    yield settings
    for job in job_queue.list_jobs(settings):
        job_queue.cancel(settings, job.id)
        job_queue.wait(settings, job.id, 10)


@pytest.fixture
def start_job(settings: JobSettings, fresh_store: Backend, tmp_path: Path) -> StartJob:
    """Start a job from the text of a script."""

    def start(text: str, *arguments: str, settings: JobSettings = settings) -> Job:
        script = tmp_path / f"script_{len(text)}.py"
        script.write_text(text)
        return job_queue.start_job(settings, job_queue.JobSpec("first-run", "A script", script, arguments), fresh_store, now())

    return start


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this never became true"
        time.sleep(0.05)


def wait_for_progress(settings: JobSettings, job: Job) -> None:
    """Wait until the script has printed its progress."""
    wait_until(lambda: job_folder.read_progress(job_queue.find_job(settings, job.id)))


def has_ended(pid: int) -> bool:
    """Whether the process ended, even if an orphan's exit code has not been collected yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def runner_of(job: Job) -> psutil.Process:
    processes = [process for process in psutil.process_iter(["cmdline"]) if str(job.folder) in (process.info["cmdline"] or [])]
    assert len(processes) == 1
    return processes[0]


def create_open_run(backend: Backend, job: Job) -> str:
    """Create a run as the script would have: RUNNING and tagged with the job."""
    experiment = client(backend).create_experiment(f"of {job.id}", artifact_location=str(backend.artifact_folder))
    return client(backend).create_run(experiment, tags={"podium.job": job.id}).info.run_id


def run_status(backend: Backend, run_id: str) -> str:
    return client(backend).get_run(run_id).info.status


def test_a_job_is_queued_then_runs_then_is_finished_with_its_log(settings: JobSettings, start_job: StartJob) -> None:
    started = start_job("import sys; print('run 1/1', sys.argv[1:])", "--author=a b")
    assert started.state == "queued"
    ended = job_queue.wait(settings, started.id, 15)
    assert (ended.state, ended.exit_code, ended.is_live) == ("finished", 0, False)
    assert job_folder.read_log_tail(ended) == "run 1/1 ['--author=a b']"
    assert job_folder.read_progress(ended) == JobProgress(1, 1, "run")
    assert ended.created_at <= ended.started_at <= ended.ended_at


def test_a_script_that_fails_leaves_its_traceback_in_the_log(settings: JobSettings, start_job: StartJob) -> None:
    ended = job_queue.wait(settings, start_job("raise ValueError('loss is NaN')").id, 20)
    assert (ended.state, ended.exit_code) == ("failed", 1)
    assert "ValueError: loss is NaN" in job_folder.read_log_tail(ended)


def test_a_script_that_is_not_there_fails_and_is_no_mystery(settings: JobSettings, fresh_store: Backend, tmp_path: Path) -> None:
    spec = job_queue.JobSpec("first-run", "Gone", tmp_path / "gone.py")
    ended = job_queue.wait(settings, job_queue.start_job(settings, spec, fresh_store, now()).id, 20)
    assert ended.state == "failed"
    assert "gone.py" in job_folder.read_log_tail(ended)


def test_the_script_runs_beside_the_database_and_its_runs_get_the_tag_of_the_job(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = job_queue.wait(settings, start_job("import os; print(os.getcwd()); print(os.environ['MLFLOW_RUN_CONTEXT'])").id, 15)
    folder, context = job_folder.read_log_tail(ended).splitlines()
    assert Path(folder) == fresh_store.path.parent
    assert json.loads(context) == {"podium.job": ended.id}


def test_one_job_runs_at_a_time_and_the_others_wait_in_the_order_they_came(settings: JobSettings, start_job: StartJob) -> None:
    first = start_job(SLEEPS)
    wait_for_progress(settings, first)
    second, third = start_job(HELLO), start_job(HELLO + " # third")
    time.sleep(1)
    assert [job.state for job in job_queue.reap_lost_jobs(settings, now())] == ["queued", "queued", "running"]
    job_queue.cancel(settings, first.id)
    ends = [job_queue.wait(settings, job.id, 30) for job in (first, second, third)]
    assert [job.state for job in ends] == ["stopped", "finished", "finished"]
    assert ends[1].ended_at <= ends[2].started_at + timedelta(seconds=0.3)


def test_a_job_keeps_its_turn_while_its_keeper_has_not_come_up_yet(
    settings: JobSettings, start_job: StartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "_start_runner", lambda *_: None)
    first, second = start_job(HELLO), start_job(HELLO + "#")
    assert first.id < second.id
    assert job_runner._count_jobs_ahead(second.folder) == 1
    assert job_runner._count_jobs_ahead(first.folder) == 0
    monkeypatch.setattr("lib.jobs.job_settings.STARTUP_GRACE_PERIOD", timedelta(0))
    assert job_runner._count_jobs_ahead(second.folder) == 0
    job_queue.reap_lost_jobs(settings, now())


@pytest.mark.slow
def test_a_higher_limit_lets_two_run_at_once(settings: JobSettings, start_job: StartJob) -> None:
    two_at_once = JobSettings(settings.jobs_folder, 2, settings.environment)
    first, second = start_job(SLEEPS, settings=two_at_once), start_job(SLEEPS + " # second", settings=two_at_once)
    wait_for_progress(settings, first)
    wait_for_progress(settings, second)
    assert all(job_queue.find_job(settings, job.id).state == "running" for job in (first, second))


def test_a_job_in_the_queue_can_be_stopped_before_it_ever_ran(settings: JobSettings, start_job: StartJob) -> None:
    wait_for_progress(settings, start_job(SLEEPS))
    queued_job = start_job(HELLO)
    job_queue.cancel(settings, queued_job.id)
    stopped_job = job_queue.wait(settings, queued_job.id, 15)
    assert (stopped_job.state, stopped_job.started_at, job_folder.read_log_tail(stopped_job)) == ("stopped", None, "")


def test_stopping_ends_a_script_that_ignores_the_polite_way_and_sets_its_runs_to_killed(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend
) -> None:
    job = start_job(DEAF)
    wait_for_progress(settings, job)
    open_run = create_open_run(fresh_store, job)
    asked_at = time.monotonic()
    job_queue.cancel(settings, job.id)
    assert job_queue.find_job(settings, job.id).is_stopping
    child, _ = job_folder.read_script_process(job.folder)
    wait_until(lambda: has_ended(child))
    assert 2.5 < time.monotonic() - asked_at < 6
    ended = job_queue.wait(settings, job.id, 30)
    assert (ended.state, ended.is_stopping, ended.cleanup_attempted_at) == ("stopped", False, None)
    assert run_status(fresh_store, open_run) == "KILLED"
    assert "Stopped on request" in job_folder.read_log_tail(ended)


def test_asking_a_keeper_to_end_by_signal_stops_the_job(settings: JobSettings, start_job: StartJob) -> None:
    job = start_job(SLEEPS)
    wait_for_progress(settings, job)
    runner_of(job).terminate()
    assert job_queue.wait(settings, job.id, 30).state == "stopped"


def test_a_script_killed_from_outside_leaves_no_run_running(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend
) -> None:
    job = start_job(SLEEPS)
    wait_for_progress(settings, job)
    open_run = create_open_run(fresh_store, job)
    os.kill(job_folder.read_script_process(job.folder)[0], signal.SIGKILL)
    assert job_queue.wait(settings, job.id, 30).state == "failed"
    assert run_status(fresh_store, open_run) == "KILLED"


def test_after_kill_9_of_the_keeper_the_next_look_ends_script_and_runs(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend
) -> None:
    job = start_job(SLEEPS)
    wait_for_progress(settings, job)
    open_run, child = create_open_run(fresh_store, job), job_folder.read_script_process(job.folder)[0]
    runner = runner_of(job)
    runner.kill()
    runner.wait(5)
    assert job_queue.find_job(settings, job.id).state == "running", "reading changes nothing"
    lost_job = job_queue.reap_lost_jobs(settings, now())[0]
    assert (lost_job.state, lost_job.is_live, lost_job.cleanup_attempted_at) == ("lost", False, None)
    assert has_ended(child)
    assert run_status(fresh_store, open_run) == "KILLED"


def test_a_job_whose_keeper_never_appeared_is_lost_after_half_a_minute(
    settings: JobSettings, fresh_store: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "_start_runner", lambda *_: None)
    job = job_queue.start_job(settings, job_queue.JobSpec("first-run", "Unborn", Path("x.py")), fresh_store, now())
    assert job_queue.reap_lost_jobs(settings, now())[0].state == "queued"
    assert job_queue.reap_lost_jobs(settings, now() + timedelta(seconds=31))[0].state == "lost"
    assert job_queue.find_job(settings, job.id).state == "lost"


def test_runs_that_could_not_be_ended_are_ended_by_a_later_look(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend
) -> None:
    job = start_job(SLEEPS)
    wait_for_progress(settings, job)
    open_run = create_open_run(fresh_store, job)
    moved_file = fresh_store.path.with_suffix(".away")
    runner_of(job).kill()
    fresh_store.path.rename(moved_file)
    fresh_store.path.write_text("no database at all")
    wait_until(lambda: job_queue.reap_lost_jobs(settings, now())[0].state == "lost")
    assert job_queue.find_job(settings, job.id).cleanup_attempted_at
    moved_file.replace(fresh_store.path)
    assert job_queue.reap_lost_jobs(settings, now())[0].cleanup_attempted_at, "not retried immediately"
    assert not job_queue.reap_lost_jobs(settings, now() + timedelta(seconds=31))[0].cleanup_attempted_at
    assert run_status(fresh_store, open_run) == "KILLED"


def test_kill_9_of_the_process_that_started_a_job_does_not_touch_it(
    settings: JobSettings, fresh_store: Backend, tmp_path: Path
) -> None:
    """A process that starts a job, waits until the script is running, and is killed stands in for the app."""
    (tmp_path / "work.py").write_text("import time\nfor n in range(1, 5):\n    print(f'fit {n}/4', flush=True); time.sleep(0.4)")
    (tmp_path / "app.py").write_text(
        "import sys, time; from pathlib import Path; from datetime import datetime, UTC; from lib.jobs import job_queue\n"
        "from lib.jobs.job_settings import JobSettings; from lib.backends.backend import Backend; import os\n"
        f"settings = JobSettings(Path({str(settings.jobs_folder)!r}), 1, dict(os.environ))\n"
        f"spec = job_queue.JobSpec('first-run', 'Work', Path({str(tmp_path / 'work.py')!r}))\n"
        f"job_queue.start_job(settings, spec, Backend({fresh_store.uri!r}, 'sqlite'), datetime.now(UTC)); time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": str(PROJECT_FOLDER)}
    app = subprocess.Popen([sys.executable, tmp_path / "app.py"], env=env, start_new_session=True)
    wait_until(lambda: job_queue.list_jobs(settings))
    wait_for_progress(settings, job_queue.list_jobs(settings)[0])
    os.killpg(app.pid, signal.SIGKILL)
    app.wait()
    ended = job_queue.wait(settings, job_queue.list_jobs(settings)[0].id, 30)
    assert ended.state == "finished"
    assert job_folder.read_log_tail(ended).splitlines() == ["fit 1/4", "fit 2/4", "fit 3/4", "fit 4/4"]


def test_workers_that_a_script_leaves_behind_end_with_it(settings: JobSettings, start_job: StartJob) -> None:
    text = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)"
    )
    ended = job_queue.wait(settings, start_job(text).id, 20)
    assert ended.state == "finished"
    wait_until(lambda: has_ended(int(job_folder.read_log_tail(ended))), 5)


def test_a_bad_value_starts_nothing(settings: JobSettings, fresh_store: Backend) -> None:
    with pytest.raises(BadInput):
        demo_jobs.start_demo_job(settings, catalogue.find_demo("search"), {"folds": "99"}, fresh_store, now())
    assert job_queue.list_jobs(settings) == []


def test_an_unwritable_folder_is_reported_before_anything_starts(fresh_store: Backend, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    settings = JobSettings(tmp_path / "taken" / "jobs", 1, dict(os.environ))
    with pytest.raises(NotWritable, match="could not be started"):
        job_queue.start_job(settings, job_queue.JobSpec("first-run", "x", Path("x.py")), fresh_store, now())


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "Free up space on the disk"), (errno.EACCES, "Check the folder's permissions")]
)
def test_a_launch_that_fails_half_way_leaves_no_folder_and_advises_what_helps(
    settings: JobSettings, fresh_store: Backend, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(job_queue.subprocess, "Popen", fail)  # a full disk cannot be simulated here
    with pytest.raises(NotWritable, match=advice):
        job_queue.start_job(settings, job_queue.JobSpec("first-run", "x", Path("x.py")), fresh_store, now())
    assert list(settings.jobs_folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "..", "../../etc", "01JZ", "x" * 26, "01ARZ3NDEKTSV4RRFFQ69G5FAV' or '1'='1"])
def test_a_text_that_is_no_id_names_no_job(settings: JobSettings, text: str) -> None:
    with pytest.raises(NotFound):
        job_queue.find_job(settings, text)


def test_the_runs_of_a_job_are_found_in_every_experiment(
    settings: JobSettings, start_job: StartJob, fresh_store: Backend
) -> None:
    job, other_id = job_queue.wait(settings, start_job(HELLO).id, 15), "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    mlflow_client = client(fresh_store)
    for name, job_id in (("a", job.id), ("b", job.id), ("c", other_id)):
        experiment = mlflow_client.create_experiment(name, artifact_location=str(fresh_store.artifact_folder))
        run_id = mlflow_client.create_run(experiment, run_name=f"in {name}", tags={"podium.job": job_id}).info.run_id
        mlflow_client.log_metric(run_id, "accuracy", 0.5)
    runs = job_queue.find_job_runs(fresh_store, job.id)
    assert [(run.name, run.metrics) for run in runs] == [
        ("in a", {"accuracy": 0.5}),
        ("in b", {"accuracy": 0.5}),
    ]
