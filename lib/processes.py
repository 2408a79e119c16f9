"""Ends a process and all its descendants, first gracefully, then forcibly. Ends the process group on POSIX, elsewhere the tree.

Non-POSIX systems are handled with psutil; this is untested.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable

import psutil

_GRACE_SECONDS = 3.0
_POSIX = hasattr(os, "killpg")


def start_time(pid: int) -> float:
    """Return a process's start time in seconds since 1970, or 0 if it is gone. With the id, it identifies a process uniquely."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def is_same_process(pid: int, expected_start: float) -> bool:
    """Return whether the process id still belongs to the process with this start time, since ids are reused."""
    actual_start = start_time(pid)
    return actual_start > 0 and abs(actual_start - expected_start) < 2.0


def end_process_tree(pid: int, grace_seconds: float = _GRACE_SECONDS) -> None:
    """End a process group leader and its descendants: terminate, wait up to `grace_seconds`, then kill."""
    processes = _process_tree(pid)
    _terminate(pid, processes)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(_is_running(process) for process in processes):
        time.sleep(0.05)
    _kill(pid, processes)


def _process_tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _terminate(pid: int, processes: list[psutil.Process]) -> None:
    if _POSIX:
        _signal_group(pid, signal.SIGTERM)
        return
    for process in processes:
        _call_unless_gone(process.terminate)


def _kill(pid: int, processes: list[psutil.Process]) -> None:
    """Kill the processes and the group, since orphaned workers are no longer in the tree. Reaping is left to the parent."""
    if _POSIX:
        _signal_group(pid, signal.SIGKILL)
    for process in processes:
        _call_unless_gone(process.kill)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _call_unless_gone(action: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        action()
