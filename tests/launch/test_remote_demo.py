"""Demo 4 against a stand-in for DagsHub: from a shell with the real client, and on a server without logged models."""

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from lib.backends.credentials import create_credential
from lib.backends.mlflow_client import client
from lib.errors import ActionRefused
from lib.jobs import job_queue
from lib.jobs.job_settings import read_job_settings
from lib.launch import catalogue, demo_jobs
from lib.ledger.entry.vocabulary import NO_HOLDER
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_snapshot
from lib.registry.register import find_candidates, register
from tests.support.dagshub_server import token
from tests.support.ledger_stores import REASON, make_writer
from tests.support.variants import thin_rows

REMOTE = catalogue.find_demo("remote")
WINE = "ana/wine"
SCORES = {"accuracy": 17 / 18, "precision": 0.9333333333333332, "recall": 0.9523809523809524, "f1": 0.9373219373219372}


@pytest.fixture
def run_script(dagshub, tmp_path):
    """A function that runs the demo from a shell in an empty folder, with only the variables a student would set."""
    folder = tmp_path / "empty"
    folder.mkdir()

    def run(*arguments, **variables):
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        settings = {
            "DAGSHUB_CLIENT_TOKENS_CACHE": str(tmp_path / "tokens"),
            "BROWSER": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        env = {**inherited, **settings, "DAGSHUB_CLIENT_HOST": dagshub.host, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", **variables}
        command = [sys.executable, str(demo_jobs.demo_script_path(REMOTE)), *arguments]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)

    yield run
    assert list(folder.iterdir()) == [], "nothing is stored on this disk"
    assert not (tmp_path / "tokens").exists()
    assert not dagshub.made()


@pytest.fixture
def ana(dagshub):
    """The repository, accessed as Ana."""
    credential = create_credential(dagshub.backend(WINE), "ana", token("ana"))
    yield dagshub.backend(WINE).with_principal(credential.principal)
    del credential


def new_experiment():
    return f"YT-MLOPS-Dagshub-{time.time_ns()}"


def only_run(backend, experiment):
    (run,) = client(backend).search_runs([client(backend).get_experiment_by_name(experiment).experiment_id])
    return run


def test_from_a_shell_the_run_is_in_the_repository_and_nothing_on_this_disk(run_script, ana):
    experiment = new_experiment()
    result = run_script("--repo", WINE, "--experiment", experiment, DAGSHUB_USER_TOKEN=token("ana"))
    assert result.returncode == 0, result.stderr
    assert "run 1/1 forest-15-trees: accuracy 0.9444 on 18 test rows" in result.stdout
    run = only_run(ana, experiment)
    assert {name: run.data.metrics[name] for name in SCORES} == pytest.approx(SCORES, abs=1e-12)
    assert (run.data.params["n_estimators"], run.data.params["max_depth"], run.data.params["test_rows"]) == ("15", "10", "18")
    assert {"Author", "Project", "purpose", "model_type"} <= set(run.data.tags)
    files = {item.path for item in client(ana).list_artifacts(run.info.run_id)}
    assert {"confusion_matrix.png", "requirements.txt", "04_remote_dagshub.py"} <= files
    assert {tag.value for dataset in run.inputs.dataset_inputs for tag in dataset.tags} == {"training", "testing"}
    assert run.outputs.model_outputs
    assert token("ana") not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    thin_rows(
        [
            (["--repo", "ana/wien"], {"DAGSHUB_USER_TOKEN": token("ana")}, "There is no repository ana/wien"),
            (["--repo", "team/secret"], {"DAGSHUB_USER_TOKEN": token("ben")}, "There is no repository team/secret"),
            (["--repo", WINE], {"DAGSHUB_USER_TOKEN": "dhp-wrong"}, "401 means the token is invalid"),
            (["--repo", WINE], {}, "Set DAGSHUB_USER_TOKEN"),
            ([], {}, "specify where to log"),
            ([], {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}, "specify where to log"),
        ],
        4,
    ),
)
def test_an_invalid_call_is_reported_and_creates_neither_repository_nor_file(run_script, arguments, environment, says):
    result = run_script(*arguments, **environment)
    assert result.returncode != 0
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_during_an_outage_the_script_ends_with_a_sentence(run_script, dagshub):
    dagshub.fault = 503
    result = run_script("--repo", WINE, DAGSHUB_USER_TOKEN=token("ana"))
    assert (result.returncode, "503" in result.stderr, "Traceback" in result.stderr) == (1, True, False)


@pytest.mark.slow
def test_without_logged_models_it_still_registers_and_reaches_production(dagshub, ana, tmp_path):
    dagshub.unsupported = re.compile("logged-models|/api/3.0/")
    experiment, settings = new_experiment(), read_job_settings({**os.environ, "PODIUM_HOME": str(tmp_path)}, tmp_path)
    job = demo_jobs.start_demo_job(settings, REMOTE, {"experiment": experiment}, ana, datetime.now(UTC))
    ended_job = job_queue.wait(settings, job.id, 120)
    log = (job.folder / "log.txt").read_text()
    assert ended_job.state == "finished", log
    assert "older than MLflow 3" in log
    run = only_run(ana, experiment)
    (candidate,) = find_candidates(ana, run.info.run_id)
    assert candidate.source.endswith("/artifacts/model")
    model = f"remote-{time.time_ns()}"
    assert register(make_writer(ana), run.info.run_id, model).version == "1"
    assert move_version(make_writer(ana), MoveRequest(model, "1", "Production"), Decision(REASON, NO_HOLDER)).outcome == "applied"
    assert read_snapshot(ana, model).slot_states["production"].holders == ("1",)


def test_on_local_files_it_is_refused_with_the_reason(fresh_store, tmp_path):
    settings = read_job_settings({"PODIUM_HOME": str(tmp_path / "podium")}, tmp_path)
    with pytest.raises(ActionRefused, match="logs to another machine"):
        demo_jobs.start_demo_job(settings, REMOTE, {}, fresh_store, datetime.now(UTC))
    assert job_queue.list_jobs(settings) == []


def test_the_page_greys_it_out_on_local_files(app, fresh_store):
    page = app("launch", fresh_store, demo="remote")
    assert page.button(key="launch.start").disabled
    assert any("another machine" in caption.value for caption in page.caption)


def test_on_a_server_it_can_be_started(app, mlflow_server):
    page = app("launch", mlflow_server, demo="remote")
    assert not page.button(key="launch.start").disabled
    page.button(key="launch.script").click().run()
    assert page.code[0].value.startswith("python demo_experiments/04_remote_dagshub.py --repo owner/repo --experiment=")
