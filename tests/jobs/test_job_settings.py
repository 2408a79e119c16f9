"""Where jobs run, and which environment variables a script inherits."""

from pathlib import Path

import pytest

from lib.backends.backend import Backend, sqlite_backend
from lib.backends.credentials import create_credential
from lib.errors import BadInput
from lib.jobs.job_settings import JobSettings, read_job_settings, script_environment, working_folder

SERVER = Backend("https://mlflow.example.org", "server")
SECRET = {"AWS_SECRET_ACCESS_KEY": "s3", "MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "pw", "PATH": "/bin"}


def test_jobs_lie_in_the_project_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    assert read_job_settings({}, tmp_path).jobs_folder == tmp_path / ".podium" / "jobs"
    assert read_job_settings({"PODIUM_HOME": str(tmp_path / "x")}, Path("/")).jobs_folder == tmp_path / "x" / "jobs"
    assert read_job_settings({}, tmp_path).max_running == 1


@pytest.mark.parametrize("limit", ["0", "two", "-1", "65", "1.5"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(limit: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="PODIUM_JOBS"):
        read_job_settings({"PODIUM_JOBS": limit}, tmp_path)


def test_a_script_on_a_local_file_gets_no_password_and_no_stranger_variable(tmp_path: Path) -> None:
    environment = script_environment(JobSettings(tmp_path, 1, SECRET), sqlite_backend(tmp_path / "m.db"), "J")
    assert set(SECRET) & set(environment) == {"PATH"}
    assert environment["MLFLOW_TRACKING_URI"] == environment["MLFLOW_REGISTRY_URI"] == f"sqlite:///{tmp_path / 'm.db'}"


def test_a_script_on_a_server_signs_in_as_its_starter_without_credentials_in_the_address(tmp_path: Path) -> None:
    credential = create_credential(SERVER, "bo", "p@w")
    environment = script_environment(JobSettings(tmp_path, 1, SECRET), SERVER.with_principal(credential.principal), "J")
    assert (environment["MLFLOW_TRACKING_USERNAME"], environment["MLFLOW_TRACKING_PASSWORD"]) == ("bo", "p@w")
    assert "AWS_SECRET_ACCESS_KEY" not in environment
    assert environment["MLFLOW_TRACKING_URI"] == SERVER.uri


def test_a_script_on_a_server_without_sign_in_gets_no_credentials(tmp_path: Path) -> None:
    environment = script_environment(JobSettings(tmp_path, 1, SECRET), SERVER, "J")
    assert not [name for name in environment if name.startswith("MLFLOW_TRACKING_") and name != "MLFLOW_TRACKING_URI"]


def test_a_script_runs_beside_its_database_or_in_the_project(tmp_path: Path) -> None:
    assert working_folder(sqlite_backend(tmp_path / "m.db"), Path("/project")) == tmp_path
    assert working_folder(SERVER, Path("/project")) == Path("/project")
