"""Podium's own folder is accessible to its user only, and another user's folder is never used."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lib.backends import app_files
from lib.backends.app_files import PROJECT_FOLDER, lock_file, make_private_folder, podium_home
from lib.backends.artifact_path_map import PathMapping, save_mapping
from lib.backends.backend_config import add_backend, parse_configured_backend
from lib.backends.home_protection import protect_home
from lib.errors import NotWritable


def modes(folder: Path) -> dict[str, str]:
    """The permissions of a folder and of everything in it, as octal digits."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {path.relative_to(folder).as_posix(): f"{stat.S_IMODE(path.lstat().st_mode):o}" for path in paths}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "parent" / "home"))
    return tmp_path / "parent" / "home"


def test_what_podium_writes_is_for_its_login_alone(home):
    save_mapping(home, PathMapping("sqlite:///x.db", "/mnt", "/srv"))
    add_backend(home / "backends.toml", parse_configured_backend("team", "http://127.0.0.1:5000", folder=home))
    make_private_folder(home / "jobs" / "01M8NT1VY7HZ3C9N007ZGA1VW3")
    assert {path: mode for path, mode in modes(home).items() if mode != ("700" if (home / path).is_dir() else "600")} == {}
    assert f"{stat.S_IMODE(home.parent.stat().st_mode):o}" == "700"


def test_what_an_earlier_podium_left_open_is_closed(home):
    (home / "jobs" / "a").mkdir(parents=True)
    for name in ("jobs/a/log.txt", "backends.toml", ".backends.toml.lock", "known-heads.json"):
        (home / name).touch(0o644)
    (home / "jobs" / "a" / "link").symlink_to("/etc/passwd")
    protect_home(os.environ)
    wrong_modes = {
        path: mode
        for path, mode in modes(home).items()
        if not (home / path).is_symlink() and mode != ("700" if (home / path).is_dir() else "600")
    }
    assert wrong_modes == {}
    assert Path("/etc/passwd").stat().st_mode & 0o044


def test_a_folder_that_holds_other_things_keeps_its_own_rights_and_theirs(home):
    home.mkdir(parents=True, mode=0o755)
    (home / "index.html").touch(0o644)
    (home / "mapped.json").touch(0o644)
    protect_home(os.environ)
    assert modes(home) == {".": "755", "index.html": "644", "mapped.json": "600"}


def test_a_file_whose_rights_an_operator_set_keeps_them(tmp_path):
    file = tmp_path / "backends.toml"
    file.touch(0o640)
    add_backend(file, parse_configured_backend("team", "http://127.0.0.1:5000", folder=tmp_path))
    assert modes(tmp_path)["backends.toml"] == "640"


def test_the_folder_of_another_login_is_not_used_and_the_message_names_podium_home(tmp_path, monkeypatch):
    (tmp_path / ".podium").mkdir()
    assert podium_home({}, tmp_path) == tmp_path / ".podium"
    monkeypatch.setattr(app_files.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotWritable, match=r"belongs to another user.*PODIUM_HOME"):
        podium_home({}, tmp_path)
    assert podium_home({"PODIUM_HOME": str(tmp_path / ".podium")}, tmp_path) == tmp_path / ".podium"
    assert podium_home({}, tmp_path / "elsewhere") == tmp_path / "elsewhere" / ".podium"


def test_a_command_says_in_one_line_that_the_folder_is_another_logins(tmp_path, fresh_store):
    script = (
        "import lib.backends.app_files as f\n"
        "f._belongs_to_another_login = lambda folder: True\n"
        "from lib.cli import podium\npodium(['models'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PODIUM_HOME"}
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_FOLDER,
        env=environment | {"MLFLOW_TRACKING_URI": fresh_store.uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "Set PODIUM_HOME to a folder of your own." in result.stderr


def test_a_lock_is_for_its_login_alone(tmp_path):
    with lock_file(tmp_path / "home" / "x.json"):
        assert modes(tmp_path / "home") == {".": "700", ".x.json.lock": "600"}
