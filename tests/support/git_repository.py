"""A git repository with one commit, for tests that tag it."""

import subprocess

import pytest


def git(folder, *arguments):
    """Run git in a folder; gives what it printed."""
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The folder of a fresh repository in which ana made one commit."""
    for name, value in (("NAME", "ana"), ("EMAIL", "ana@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "start")
    return tmp_path
