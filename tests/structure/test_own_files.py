"""The tests use nothing of the user who runs them: neither their environment nor the stores in the project folder."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lib.backends.app_files import PROJECT_FOLDER
from lib.ui.app.page_links import SHELL_SCRIPT
from tests.support.ledger_workers import processes
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


def open_database_of_the_project():
    sqlite3.connect(PROJECT_FOLDER / "mlflow.db").close()


def test_a_process_that_a_test_forks_cannot_touch_them_either():
    process = processes.Process(target=open_database_of_the_project)
    existed = (PROJECT_FOLDER / "mlflow.db").exists()
    process.start()
    process.join()
    assert process.exitcode == 1
    assert (PROJECT_FOLDER / "mlflow.db").exists() == existed


def test_a_process_that_a_test_forks_does_not_run_the_page_that_ran_in_the_test(app, fresh_store):
    app("compare", fresh_store)
    assert sys.modules["__main__"].__file__ == str(SHELL_SCRIPT)
    answers = processes.Queue()
    process = processes.Process(target=report_main_file, args=(answers,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert answers.get(timeout=60) != str(SHELL_SCRIPT)


def report_main_file(answers):
    answers.put(str(getattr(sys.modules["__main__"], "__file__", "")))


def test_a_page_that_ran_in_a_test_is_not_the_main_module_of_the_next():
    assert getattr(sys.modules["__main__"], "__file__", "") != str(SHELL_SCRIPT)


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
