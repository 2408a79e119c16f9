"""A deadline for a complete call, whatever the network does.

A socket timeout restarts with every byte, so it never stops a server that sends one byte a second. A call therefore runs in a thread of
its own, and the caller waits only until the deadline. File transfers have a progress deadline instead: a large file may take as long
as bytes keep coming. MLflow's own requests are left to `deadline_adapter`.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

CALL_SECONDS = 20.0
"""Time limit of one call including retries. Three more calls of `FOLLOW_UP_SECONDS` still fit into half a minute."""
FOLLOW_UP_SECONDS = 3.0
"""Time limit of a call after another call of the same action timed out."""
CALL_SECONDS_VARIABLE = "PODIUM_CALL_SECONDS"
PROGRESS_BYTES = 128 * 1024
"""Bytes of a file that must arrive within each deadline."""
TIMEOUT_PHRASE = "Podium timed out after"
"""Start of a timeout's message: for a failed download MLflow passes on nothing but the message."""
_ACTION: "ContextVar[_Action | None]" = ContextVar("podium_action", default=None)
ResultT = TypeVar("ResultT")


class DeadlineExceeded(Exception):
    """A call exceeded its deadline. Its result is discarded, and it is unknown whether the call takes effect."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


def call_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """Return the time limit of the next call: `PODIUM_CALL_SECONDS` or 20 s, but 3 s once a call of this action has timed out."""
    try:
        seconds = float(environment.get(CALL_SECONDS_VARIABLE, ""))
    except ValueError:
        seconds = CALL_SECONDS
    seconds = seconds if 0 < seconds < math.inf else CALL_SECONDS
    action = _ACTION.get()
    return min(seconds, FOLLOW_UP_SECONDS) if action and action.has_waited else seconds


def has_waited_in_vain() -> bool:
    """Whether a call of this action has already timed out."""
    action = _ACTION.get()
    return action is not None and action.has_waited


@contextmanager
def single_wait() -> Iterator[None]:
    """Scope of one user action: the first call to time out gets the full limit, later calls only a few seconds.

    A nested scope joins the outer one. Threads started by the action do not belong to it.
    """
    reset_token = _ACTION.set(_ACTION.get() or _Action())
    try:
        yield
    finally:
        _ACTION.reset(reset_token)


def run_with_deadline(action: Callable[[], ResultT], seconds: float) -> ResultT:
    """Return or raise whatever the action does. Raises DeadlineExceeded if it takes longer; its thread then ends with its socket.

    The thread does not keep the process alive.
    """
    outcome, started_at = _Outcome[ResultT](), time.monotonic()
    threading.Thread(target=outcome.take_from, args=(action,), name="call with a deadline", daemon=True).start()
    is_known = outcome.is_known.wait(max(0.0, seconds))
    if (not is_known or outcome.error) and time.monotonic() - started_at >= min(seconds, FOLLOW_UP_SECONDS):
        _note_wait()
    if not is_known:
        raise DeadlineExceeded(seconds)
    return outcome.unwrap()


def run_with_progress(action: Callable[[], ResultT], progress: Callable[[], int], seconds: float) -> ResultT:
    """Like `run_with_deadline` for a transfer whose bytes `progress` counts: it may continue as long as enough bytes arrive."""
    outcome, byte_count = _Outcome[ResultT](), 0
    threading.Thread(target=outcome.take_from, args=(action,), name="transfer with a deadline", daemon=True).start()
    while not outcome.is_known.wait(seconds):
        previous_count, byte_count = byte_count, progress()
        if byte_count < previous_count + PROGRESS_BYTES:
            _note_wait()
            raise DeadlineExceeded(seconds)
    return outcome.unwrap()


def read_with_progress(pieces: Iterator[bytes], seconds: float, first_seconds: float | None = None) -> Iterator[bytes]:
    """Yield the pieces of a file as they arrive. Raises DeadlineExceeded if too few bytes arrive within `seconds`.

    `first_seconds` is the limit for the first bytes if part of the time has already passed.
    """
    deadline, byte_count = time.monotonic() + (seconds if first_seconds is None else first_seconds), 0
    while True:
        try:
            piece = run_with_deadline(lambda: next(pieces, None), deadline - time.monotonic())
        except DeadlineExceeded:
            raise DeadlineExceeded(seconds) from None
        if piece is None:
            return
        byte_count += len(piece)
        if byte_count >= PROGRESS_BYTES:
            deadline, byte_count = time.monotonic() + seconds, 0
        yield piece


def _note_wait() -> None:
    if action := _ACTION.get():
        action.has_waited = True


@dataclass
class _Action:
    """One user action: a command, a page run, or the writing of an entry."""

    has_waited: bool = False


class _Outcome(Generic[ResultT]):
    """The outcome of an action run in its own thread: its result or exception, for the waiting thread."""

    def __init__(self) -> None:
        self.is_known = threading.Event()
        self._results: list[ResultT] = []
        self.error: BaseException | None = None

    def take_from(self, action: Callable[[], ResultT]) -> None:
        """Run the action in this thread."""
        with self:
            self._results.append(action())

    def unwrap(self) -> ResultT:
        """Return the known result; raises what the action raised."""
        if self.error is not None:
            raise self.error
        return self._results[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        self.error = error
        self.is_known.set()
        return True
