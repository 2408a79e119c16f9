"""Supervisor process between Podium and a server it started: it stops the server when Podium ends for any reason.

Started as `python -m lib.backends.server_supervisor LOG COMMAND…` with a pipe as its standard input. Nothing is written to the pipe:
when it closes, Podium has ended or was killed. MLflow is not imported here.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from lib import processes
from lib.backends.app_files import open_private_log


def supervise(log_file: Path, command: list[str]) -> int:
    """Run a command until it ends or the pipe closes, with its output in `log_file`. Returns its exit code."""
    with open_private_log(log_file) as log:
        child = subprocess.Popen(  # noqa: S603 - a list, no shell; only lib.backends.local_server names it
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    threading.Thread(target=_end_with_podium, args=(child.pid,), daemon=True).start()
    with contextlib.suppress(_StopRequested):
        return child.wait()
    processes.end_process_tree(child.pid)
    return child.wait()


class _StopRequested(Exception):
    """SIGTERM was received."""


def _end_with_podium(pid: int) -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock would still be held when this process exits
        pass
    processes.end_process_tree(pid)


def _raise_stop(_: int, __: FrameType | None) -> None:
    raise _StopRequested


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _raise_stop)
    sys.exit(supervise(Path(sys.argv[1]), sys.argv[2:]))
