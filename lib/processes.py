"""Ending a process and all it started: politely first, then not. POSIX ends the whole group; elsewhere the tree below it.

Other systems than POSIX are handled by psutil; that was not tried.
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
    """When a process began, in seconds since 1970; 0 when it is gone. With the id it names a process for good."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def is_same_process(pid: int, expected_start: float) -> bool:
    """Whether the process of that id is still the one that began then: ids are used again."""
    actual_start = start_time(pid)
    return actual_start > 0 and abs(actual_start - expected_start) < 2.0


def end_process_tree(pid: int, grace_seconds: float = _GRACE_SECONDS) -> None:
    """End a script that leads its own group, and all it started: ask, wait up to `grace_seconds`, then kill."""
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
    """The group too, because workers whose parent died first are in no tree any more. Reaping is left to the parent."""
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
