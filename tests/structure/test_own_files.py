"""The tests use nothing of the user who runs them: neither their environment nor the stores in the project folder."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lib.backends.app_files import PROJECT_FOLDER
from tests.support.own_files import PERSONAL_NAMES, clear_environment, is_personal


@pytest.mark.parametrize("name", PERSONAL_NAMES)
def test_a_test_that_touches_a_file_of_the_person_who_runs_it_fails_at_once(name):
    path = PROJECT_FOLDER / name
    with pytest.raises(AssertionError, match="belongs to the person"):
        path.open("rb")
    with pytest.raises(AssertionError, match="belongs to the person"):
        list(path.iterdir())
    with pytest.raises(AssertionError, match="belongs to the person"):
        sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def test_other_files_of_the_project_are_read_by_tests():
    assert not any(
        map(is_personal, (PROJECT_FOLDER / "README.md", "mlflow.db", "/tmp/mlflow.db", PROJECT_FOLDER / "mlruns.md", 7))
    )
    assert is_personal(PROJECT_FOLDER / "docs" / ".." / "mlflow.db-wal")
    assert is_personal(str(PROJECT_FOLDER / ".podium" / "jobs" / "x").encode())


def test_the_tests_run_in_a_folder_of_their_own():
    assert PROJECT_FOLDER not in (Path.cwd(), *Path.cwd().parents)


def test_of_the_environment_only_the_choice_of_a_browser_is_left():
    environment = {
        "MLFLOW_TRACKING_URI": "http://x",
        "PODIUM_BACKENDS": "x",
        "PODIUM_NO_BROWSER": "1",
        "STREAMLIT_X": "1",
        "HOME": "/",
    }
    clear_environment(environment)
    assert environment == {"PODIUM_NO_BROWSER": "1", "HOME": "/"}


def test_a_program_that_a_test_starts_in_another_folder_finds_the_modules_of_the_project(tmp_path):
    subprocess.run([sys.executable, "-c", "import lib, tests"], cwd=tmp_path, check=True)


def test_nothing_that_git_is_reported_to_ignore_is_committed():
    if not (PROJECT_FOLDER / ".git").exists():
        pytest.skip("This is no checkout.")
    command = ["git", "-C", str(PROJECT_FOLDER), "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
