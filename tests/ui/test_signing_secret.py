"""Podium removes its signing key from the environment before it starts anything, so no child process inherits it."""

import asyncio
import os
import shutil
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lib.backends import local_server, signing_secret
from lib.backends.backend import sqlite_backend
from lib.backends.signing_secret import KEY_FILE_VARIABLE, KEY_VARIABLE
from lib.doctor.checks import git_commits
from lib.doctor.fixes import migrate_file_store, mlflow_gc
from lib.errors import BackendError
from lib.jobs import job_queue
from lib.jobs.job_folder import read_log_tail
from lib.jobs.job_settings import read_job_settings
from lib.ledger.chain.hash_chain import Anchor
from lib.ledger.storage import signing_keys
from lib.registry.git_anchor import create_anchor_tag
from lib.ui.app import lifespan
from tests.cli.conftest import run as run  # noqa: PLC0414 - a fixture
from tests.support import print_environment
from tests.support.entry_signing import fingerprint_of, make_private_key, make_signer
from tests.support.git_repository import repository as repository  # noqa: PLC0414 - a fixture
from tests.support.ledger_stores import make_registered_model

KEY = make_private_key("given")
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SECRET_LINE = PEM.splitlines()[1]
WHY = ["--category", "better", "--reason", "Measured better on the same rows, twice."]
SCRIPT = Path(print_environment.__file__)


@pytest.fixture
def given_key(monkeypatch, tmp_path, clean_session):
    """Start Podium with its key in both variables."""
    file = tmp_path / "mounted-secret.pem"
    file.write_text(PEM)
    monkeypatch.setenv(KEY_VARIABLE, PEM)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(file))
    monkeypatch.setenv("ENVIRONMENT_FILE", str(tmp_path / "environment.json"))
    return tmp_path


@pytest.fixture
def started_app(given_key, app, fresh_store):
    """Open a page on it."""
    app("overview", fresh_store)
    return given_key


def read_inherited(folder, text=""):
    """Return the environment that a child inherited, as text; that the child ran is part of the proof."""
    text = text or (folder / "environment.json").read_text()
    assert '"PATH"' in text
    return text


def assert_no_secret(text):
    assert [name for name in (KEY_VARIABLE, SECRET_LINE, "mounted-secret") if name in text] == []


def test_the_app_takes_the_key_out_of_its_environment_when_it_starts(given_key, monkeypatch):
    monkeypatch.setattr(lifespan, "warm_up", lambda: None)
    monkeypatch.setattr(lifespan, "can_open_browser", lambda *_: False)

    async def start():
        async with lifespan.lifespan(None):
            assert not {KEY_VARIABLE, KEY_FILE_VARIABLE} & set(os.environ)

    with ThreadPoolExecutor(1) as own_thread:  # in the main thread the browser tests' event loop may be running
        own_thread.submit(asyncio.run, start()).result()
    assert fingerprint_of(make_signer(given_key / "home").load_key()) == fingerprint_of(KEY)


def test_a_page_takes_out_what_streamlits_secrets_put_there_later(started_app):
    assert not {KEY_VARIABLE, KEY_FILE_VARIABLE} & set(os.environ)
    assert signing_secret.given_value(KEY_VARIABLE) == PEM.strip()


@pytest.mark.parametrize("is_taken_out", [True, False])
def test_a_demo_and_its_runner_inherit_no_key(given_key, fresh_store, is_taken_out):
    """Children get only the variables they need, so the key would not leak even if it were still set."""
    if is_taken_out:
        signing_secret.take_from_environment(os.environ)
    settings = read_job_settings({**os.environ, "PODIUM_HOME": str(given_key / "home")}, given_key)
    job = job_queue.start_job(settings, job_queue.JobSpec("first-run", "Env", SCRIPT), fresh_store, datetime.now(UTC))
    job = job_queue.wait(settings, job.id, 60)
    assert_no_secret(read_inherited(given_key, read_log_tail(job)))
    assert_no_secret("".join(file.read_text(errors="replace") for file in job.folder.iterdir() if file.is_file()))


@pytest.mark.parametrize("is_taken_out", [True, False])
def test_a_server_of_podiums_own_and_its_supervisor_inherit_no_key(given_key, monkeypatch, is_taken_out):
    if is_taken_out:
        signing_secret.take_from_environment(os.environ)
    monkeypatch.setattr(local_server, "server_command", lambda *_: ["tests.support.print_environment"])
    with pytest.raises(BackendError, match="did not start"):
        local_server.start(
            sqlite_backend(given_key / "mlflow.db"), given_key / "files", given_key, datetime.now(UTC), lambda _: None
        )
    assert_no_secret(read_inherited(given_key))


def test_mlflows_own_commands_inherit_no_key(started_app):
    assert mlflow_gc._run_gc(["tests.support.print_environment"]) == ""
    assert_no_secret(read_inherited(started_app))
    (started_app / "environment.json").unlink()
    shutil.copy(SCRIPT, started_app / "mlflow.py")  # shadows MLflow in the folder where the command runs
    migrate_file_store._run_migration(started_app / "mlruns", started_app / "target.db")
    assert_no_secret(read_inherited(started_app))


@pytest.fixture
def fake_git(tmp_path, monkeypatch):
    """A git stub ahead of the real one that prints its inherited environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file, real_git = folder / "git", shutil.which("git")
    file.write_text(f'#!/bin/sh\n"{sys.executable}" "{SCRIPT}"\nexec "{real_git}" "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_git_inherits_no_key(started_app, repository, fake_git):
    create_anchor_tag(repository, "wine", Anchor(3, "a" * 64))
    assert_no_secret(read_inherited(started_app))
    (started_app / "environment.json").unlink()
    assert git_commits._run_git(repository, "log", "-n1") is not None
    assert_no_secret(read_inherited(started_app))


def test_a_command_takes_the_key_out_before_it_starts_anything(given_key, repository, fake_git, fresh_store, run):
    make_registered_model(fresh_store)
    run("promote", "wine", "1", "--to", "Production", *WHY)
    run("verify", "--tag", str(repository))
    assert_no_secret(read_inherited(given_key))
    assert run("keys", "show")[0]["keys"][0]["fingerprint"] == fingerprint_of(KEY)
    (report,) = run("verify", "wine")[0]["models"]
    assert report["signatures"]["trusted"] == report["entries"]


def test_a_command_in_ci_without_a_key_says_so_and_signs_nothing(run, fresh_store, monkeypatch, tmp_path):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(signing_keys, "_UNSIGNED_NOTE_PRINTED", threading.Event())
    make_registered_model(fresh_store)
    document, note = run("promote", "wine", "1", "--to", "Production", *WHY)
    assert (document["outcome"], note.count("are not signed")) == ("applied", 1)
    (report,) = run("verify", "wine")[0]["models"]
    assert report["signatures"] == {"trusted": 0, "unknown": 0, "none": report["entries"]}
    assert not (tmp_path / "podium" / "keys").exists()
