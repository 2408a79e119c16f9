"""Every command that the Doctor shows does in a shell what its fix does: it is run as it stands, where `mlflow` is the installed one."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from lib.backends import local_server
from lib.backends.backend import Backend, sqlite_backend
from lib.backends.mlflow_client import client
from lib.backends.sqlite_schema import read_schema_status
from lib.doctor import fix_runner
from lib.doctor.types import offer_fix
from tests.conftest import copy_store
from tests.support import browser
from tests.support.ledger_stores import make_trained_run

SHELL_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def run_in_shell(code, folder):
    """Run a script as somebody would who copied it into a terminal in this folder."""
    environment = os.environ | {"PATH": SHELL_PATH}
    return subprocess.run(
        ["sh", "-ec", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def context_with_spaces(context, tmp_path, empty_database):
    """The context of a store whose path has a space, an apostrophe and a dollar sign."""
    return replace(context, backend=copy_store(empty_database, tmp_path / "Ana's $TORE 1"))


def test_the_python_of_a_new_local_store_makes_it(context, tmp_path):
    experiment_id = client(context.backend).create_experiment("wine")
    offer = offer_fix("local_store", experiment=experiment_id, folder=str(tmp_path / "new store"))
    (snippet,) = fix_runner.preview_fix(context, offer).snippets
    subprocess.run([sys.executable, "-c", snippet.text], cwd=tmp_path, check=True, capture_output=True)
    new_store = sqlite_backend(tmp_path / "new store" / "mlflow.db")
    location = client(new_store).get_experiment_by_name("wine").artifact_location
    assert Path(location).is_relative_to(tmp_path / "new store")


@pytest.mark.slow
def test_the_command_of_an_upgrade_upgrades(context_with_spaces, tmp_path):
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    store = context_with_spaces.backend
    command.downgrade(_get_alembic_config(store.uri), "-1")
    (snippet,) = fix_runner.preview_fix(context_with_spaces, offer_fix("upgrade_database")).snippets
    assert read_schema_status(store.path).state == "older"
    result = run_in_shell(snippet.text, tmp_path)
    assert result.returncode == 0, result.stderr
    assert read_schema_status(store.path).state == "current"


@pytest.mark.slow
@pytest.mark.parametrize("fix_id", ["remove_runs", "remove_experiment"])
def test_the_script_of_a_removal_removes_what_it_names_and_nothing_else_that_is_deleted(context_with_spaces, tmp_path, fix_id):
    store = context_with_spaces.backend
    mlflow_client, run_id, other_id = client(store), make_trained_run(store), make_trained_run(store)
    empty_id, other_empty_id = mlflow_client.create_experiment("empty"), mlflow_client.create_experiment("other")
    for experiment_id in (empty_id, other_empty_id):
        mlflow_client.delete_experiment(experiment_id)
    for deleted_id in (run_id, other_id):
        mlflow_client.delete_run(deleted_id)
    arguments = {"runs": run_id} if fix_id == "remove_runs" else {"experiment": empty_id}
    (snippet,) = fix_runner.preview_fix(context_with_spaces, offer_fix(fix_id, **arguments)).snippets
    subprocess.run([sys.executable, "-c", snippet.text], cwd=tmp_path, check=True, capture_output=True)
    remaining_runs = {run.info.run_id for run in mlflow_client.search_runs(["1"], run_view_type=ViewType.ALL)}
    remaining_experiments = {experiment.experiment_id for experiment in mlflow_client.search_experiments(ViewType.ALL)}
    expected_runs, expected_experiments = {run_id, other_id}, {"0", "1", empty_id, other_empty_id}
    removed = {"remove_runs": run_id, "remove_experiment": empty_id}[fix_id]
    assert remaining_runs == expected_runs - {removed}
    assert remaining_experiments == expected_experiments - {removed}  # and no decoy


def test_the_command_that_moves_a_file_store_moves_it(context, tmp_path):
    folder = tmp_path / "Ana's $TORE" / "mlruns"
    folder.mkdir(parents=True)
    client(Backend(folder.as_uri(), "file")).create_experiment("old-wine")
    offer = offer_fix("migrate_file_store", folder=str(folder), target=str(tmp_path / "moved here.db"))
    (snippet,) = fix_runner.preview_fix(context, offer).snippets
    result = run_in_shell(snippet.text, tmp_path)
    assert result.returncode == 0, result.stderr
    assert client(sqlite_backend(tmp_path / "moved here.db")).get_experiment_by_name("old-wine")


@pytest.mark.slow
def test_the_command_of_a_server_starts_it_on_this_database(context_with_spaces, tmp_path, monkeypatch):
    client(context_with_spaces.backend).create_experiment("behind-the-server")
    monkeypatch.setattr(local_server, "DEFAULT_PORT", 0)
    (snippet,) = fix_runner.preview_fix(context_with_spaces, offer_fix("local_server")).snippets
    url = f"http://127.0.0.1:{re.search(r'--port=([0-9]+)', snippet.text)[1]}"
    variables = {"PATH": SHELL_PATH, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = browser.start(["sh", "-ec", snippet.text], url, tmp_path / "server.log", variables)
    try:
        server.wait_for("/health")
        assert client(Backend(url, "server")).get_experiment_by_name("behind-the-server")
    finally:
        server.stop()
