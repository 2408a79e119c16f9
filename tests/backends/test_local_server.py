"""Podium's own server never outlives it, even if Podium is killed, and is reported if it ends unexpectedly."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import psutil
import pytest

from lib.backends import local_server
from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import sqlite_backend
from lib.errors import BackendError


def process_ids(marker):
    return [process.pid for process in psutil.process_iter(["cmdline"]) if marker in " ".join(process.info["cmdline"] or ())]


def wait_until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_the_supervised_server_ends_when_podium_is_killed(tmp_path):
    marker = f"sleep-{tmp_path.name}-{os.getpid()}"
    script = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "lib.backends.server_supervisor", {str(tmp_path / "log")!r}, sys.executable, "-c",
    "import time; time.sleep(60)  # {marker}"], stdin=subprocess.PIPE, start_new_session=True)
time.sleep(60)
"""
    podium = subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT_FOLDER, env={**os.environ, "PYTHONPATH": str(PROJECT_FOLDER)}
    )
    wait_until(lambda: len([pid for pid in process_ids(marker) if pid != podium.pid]) >= 2)
    podium.send_signal(signal.SIGKILL)
    podium.wait()
    wait_until(lambda: process_ids(marker) == [])


def test_a_command_that_ends_by_itself_ends_the_warden_with_its_code_and_its_words_in_the_log(tmp_path):
    command = [sys.executable, "-c", "print('why'); raise SystemExit(7)"]
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "lib.backends.server_supervisor", str(tmp_path / "log"), *command],
        cwd=PROJECT_FOLDER,
        stdin=subprocess.PIPE,
    )
    assert supervisor.wait(30) == 7
    supervisor.stdin.close()
    assert (tmp_path / "log").read_text() == "why\n"


def test_a_server_that_cannot_start_is_reported_with_its_log(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is no database")
    with pytest.raises(BackendError, match="The server did not start"):
        local_server.start(
            sqlite_backend(tmp_path / "mlflow.db"), tmp_path / "files", tmp_path, datetime.now(UTC), lambda _: None
        )
    assert local_server.running_servers() == ()
