"""How long one call may take: a deadline for the whole of it, whatever the network does.

The timeout of a socket begins anew with every byte, so it never ends a server that sends one byte a second. A call therefore runs in a
thread of its own, and whoever asked waits until the deadline only. Files have a deadline of progress: a large one may take its time as
long as it comes in. How MLflow's own requests get a deadline is left to `deadline_adapter`.
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
"""How long one call may take, its retries included. Three calls of `FOLLOW_UP_SECONDS` fit behind it into half a minute."""
FOLLOW_UP_SECONDS = 3.0
"""How long a call may take after another one of the same action got no answer."""
CALL_SECONDS_VARIABLE = "PODIUM_CALL_SECONDS"
PROGRESS_BYTES = 128 * 1024
"""Bytes of a file that must come in within each deadline."""
TIMEOUT_PHRASE = "Podium waited in vain for"
"""How the message of a timeout begins: of a failed download MLflow passes on the message alone."""
_ACTION: "ContextVar[_Action | None]" = ContextVar("podium_action", default=None)
ResultT = TypeVar("ResultT")


class DeadlineExceeded(Exception):
    """A call took longer than its deadline. Nobody waits for it any more, and whether it is carried out is not known."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


def call_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """How long a call may take from here: `PODIUM_CALL_SECONDS` or 20 s, and 3 s where this action has waited in vain already."""
    try:
        seconds = float(environment.get(CALL_SECONDS_VARIABLE, ""))
    except ValueError:
        seconds = CALL_SECONDS
    seconds = seconds if 0 < seconds < math.inf else CALL_SECONDS
    action = _ACTION.get()
    return min(seconds, FOLLOW_UP_SECONDS) if action and action.has_waited else seconds


def has_waited_in_vain() -> bool:
    """Did a call of this action get no answer already?"""
    action = _ACTION.get()
    return action is not None and action.has_waited


@contextmanager
def single_wait() -> Iterator[None]:
    """One action of a person: one call may wait its full time in vain, and each later one seconds only.

    An action inside an action is a part of it. Threads that the action starts do not belong to it.
    """
    reset_token = _ACTION.set(_ACTION.get() or _Action())
    try:
        yield
    finally:
        _ACTION.reset(reset_token)


def run_with_deadline(action: Callable[[], ResultT], seconds: float) -> ResultT:
    """What an action gives or raises. Raises DeadlineExceeded when it takes longer; its thread then ends with its socket.

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
    """The same for an action that brings in bytes, counted by `progress`: it may go on for as long as enough of them come in."""
    outcome, byte_count = _Outcome[ResultT](), 0
    threading.Thread(target=outcome.take_from, args=(action,), name="transfer with a deadline", daemon=True).start()
    while not outcome.is_known.wait(seconds):
        previous_count, byte_count = byte_count, progress()
        if byte_count < previous_count + PROGRESS_BYTES:
            _note_wait()
            raise DeadlineExceeded(seconds)
    return outcome.unwrap()


def read_with_progress(pieces: Iterator[bytes], seconds: float, first_seconds: float | None = None) -> Iterator[bytes]:
    """The pieces of a file as they come in. Raises DeadlineExceeded when too few bytes come in within these seconds.

    `first_seconds` is how long the first bytes may take, where a part of the time has passed already.
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
    """What one person does at one moment: a command, a run of a page, an entry to be written."""

    has_waited: bool = False


class _Outcome(Generic[ResultT]):
    """What an action came to in its own thread: its result, or whatever it raised, for the thread that waits."""

    def __init__(self) -> None:
        self.is_known = threading.Event()
        self._results: list[ResultT] = []
        self.error: BaseException | None = None

    def take_from(self, action: Callable[[], ResultT]) -> None:
        """Run the action here."""
        with self:
            self._results.append(action())

    def unwrap(self) -> ResultT:
        """The result, once it is known; raises what the action raised."""
        if self.error is not None:
            raise self.error
        return self._results[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        self.error = error
        self.is_known.set()
        return True
