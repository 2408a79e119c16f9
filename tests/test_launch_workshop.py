"""Where jobs run, and what of the environment a script inherits."""

from pathlib import Path

import pytest

from lib.backends.uri import Backend, sqlite_backend
from lib.errors import BadInput
from lib.launch.workshop import Workshop, environment_for, folder_for, workshop

SERVER = Backend("https://mlflow.example.org", "server")
SECRET = {"AWS_SECRET_ACCESS_KEY": "s3", "MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "pw", "PATH": "/bin"}


def test_jobs_lie_in_the_project_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    assert workshop({}, tmp_path).folder == tmp_path / ".podium" / "jobs"
    assert workshop({"PODIUM_HOME": str(tmp_path / "x")}, Path("/")).folder == tmp_path / "x" / "jobs"
    assert workshop({}, tmp_path).limit == 1


@pytest.mark.parametrize("asked", ["0", "two", "-1", "65", "1.5"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="PODIUM_JOBS"):
        workshop({"PODIUM_JOBS": asked}, tmp_path)


def test_a_script_on_a_local_file_gets_no_password_and_no_stranger_variable(tmp_path: Path) -> None:
    found = environment_for(Workshop(tmp_path, 1, SECRET), sqlite_backend(tmp_path / "m.db"), "J")
    assert set(SECRET) & set(found) == {"PATH"}
    assert found["MLFLOW_TRACKING_URI"] == found["MLFLOW_REGISTRY_URI"] == f"sqlite:///{tmp_path / 'm.db'}"


def test_a_script_on_a_server_signs_in_as_the_app_does(tmp_path: Path) -> None:
    found = environment_for(Workshop(tmp_path, 1, SECRET), SERVER, "J")
    assert (found["MLFLOW_TRACKING_USERNAME"], found["MLFLOW_TRACKING_PASSWORD"]) == ("ana", "pw")
    assert "AWS_SECRET_ACCESS_KEY" not in found


def test_a_password_inside_the_address_becomes_a_variable_and_leaves_the_address(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, 1, {"MLFLOW_TRACKING_URI": "https://bo:p%40w@mlflow.example.org"})
    found = environment_for(shop, SERVER, "J")
    assert (found["MLFLOW_TRACKING_USERNAME"], found["MLFLOW_TRACKING_PASSWORD"]) == ("bo", "p@w")
    assert "p%40w" not in found["MLFLOW_TRACKING_URI"]
    assert "bo" not in repr(shop)


def test_a_script_runs_beside_its_database_or_in_the_project(tmp_path: Path) -> None:
    assert folder_for(sqlite_backend(tmp_path / "m.db"), Path("/project")) == tmp_path
    assert folder_for(SERVER, Path("/project")) == Path("/project")
