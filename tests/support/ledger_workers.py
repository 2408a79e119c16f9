"""What the other processes of the race and kill tests do. They start from a fork server that has MLflow loaded, so they start quickly."""

import os
import signal
import sys
import time
from dataclasses import replace
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.errors import PodiumError
from lib.ledger.chain.hash_chain import DecodedBook, hash_text
from lib.ledger.entry.types import EMPTY_SLOT_STATES, BackendRef, Opened
from lib.ledger.entry.vocabulary import PODIUM_ACTOR
from lib.ledger.state import volumes
from lib.ledger.state.known_heads import KnownHead
from lib.ledger.storage.book import append
from lib.ledger.storage.head_memory import create_head_memory
from lib.registry.move_plan import Decision, MoveRequest
from lib.registry.promote import move_version
from lib.registry.reconcile import sync_model_status
from lib.registry.recover import recover_decisions
from tests.support.entry_signing import fingerprint_of, make_signer
from tests.support.ledger_stores import DECISION, REASON, make_writer

WRITES = (
    "create_experiment",
    "create_run",
    "set_terminated",
    "log_param",
    "set_tag",
    "set_experiment_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "transition_model_version_stage",
    "set_model_version_tag",
)


class WorkerProcess(ForkServerProcess):
    """A process that does not run the main module once more: after a page ran in a test, that is the page."""

    def start(self) -> None:
        """Start the process as from a program without a main module."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
            super().start()


class WorkerContext(ForkServerContext):
    """The fork server's context, with such processes."""

    Process = WorkerProcess


processes = WorkerContext()
processes.set_forkserver_preload(["tests.support.fork_server"])


def promote_often(backend: Backend, version: int, rounds: int, start, answers) -> None:
    """Promote version `me` of wine again and again, as fast as it goes."""
    promote_often_of(backend, "wine", version, rounds, start, answers)


def promote_often_of(backend: Backend, model: str, version: int, rounds: int, start, answers) -> None:
    """The same for a model of another name: tests on one server share its registry."""
    start.wait()
    answers.put([_promote(backend, str(version), model=model) for _ in range(rounds)])


def promote_against(backend: Backend, version: int, expected: str, start, answers) -> None:
    """Promote version `me` once, decided against the champion everybody saw."""
    sync_model_status(make_writer(backend), "wine")
    start.wait()
    answers.put(_promote(backend, str(version), expected))


def open_first_book(backend: Backend, start, answers) -> None:
    """Open the book of a model in a store that has no ledger yet."""
    client(backend).search_experiments(max_results=1)
    start.wait()
    answers.put(sync_model_status(make_writer(backend), "wine").book_id)


def promote_and_die(backend: Backend, version: str, write_limit: int) -> None:
    """Promote a version and kill this process right after its nth write (0: before the first)."""
    _die_after_writes(backend, write_limit)
    move_version(make_writer(backend), MoveRequest("wine", version, "Production"), DECISION)
    sys.exit(0)


def recover_and_die(backend: Backend, intent_id: str, choice, write_limit: int) -> None:
    """Finish an open decision or give it up, and kill this process right after its nth write (0: before the first)."""
    _die_after_writes(backend, write_limit)
    recover_decisions(make_writer(backend, "cy"), "wine", (intent_id,), choice, REASON)
    sys.exit(0)


def recover_often(backend: Backend, seconds: float, start, answers) -> None:
    """Finish and give up, in turn, whatever decision is found open, for so many seconds."""
    start.wait()
    outcomes, end = list[str](), time.monotonic() + seconds
    while time.monotonic() < end:
        status = sync_model_status(make_writer(backend, "meddler"), "wine")
        for intent in status.state.open_intents[:1]:
            choice = "finish" if len(outcomes) % 2 else "give up"
            try:
                outcomes += [recover_decisions(make_writer(backend, "cy"), "wine", (intent.id,), choice, REASON)[0].outcome]
            except PodiumError as error:
                outcomes.append(type(error).__name__)
    answers.put(outcomes)


def look_and_die(backend: Backend, write_limit: int) -> None:
    """Look at wine and kill this process right after its nth write (0: before the first)."""
    _die_after_writes(backend, write_limit)
    sync_model_status(make_writer(backend), "wine")


def promote_often_in_small_volumes(backend: Backend, capacity: int, version: int, rounds: int, start, answers) -> None:
    """The same with volumes of so few places."""
    volumes.VOLUME_CAPACITY = capacity
    promote_often(backend, version, rounds, start, answers)


def append_often_in_small_volumes(backend: Backend, book_id: str, capacity: int, name: str, rounds: int, start, answers) -> None:
    """Append entries that say who wrote them, in order, with volumes of so few places."""
    volumes.VOLUME_CAPACITY = capacity
    start.wait()
    answers.put([append(make_writer(backend), book_id, lambda _, n=n: _note(f"{name} {n}")) for n in range(rounds)])


def append_signed(backend: Backend, book_id: str, podium_home: str, start, answers) -> None:
    """Append two entries, signed with the key of this folder."""
    writer = replace(make_writer(backend), signer=make_signer(Path(podium_home)))
    start.wait()
    answers.put([append(writer, book_id, lambda _, n=n: _note(f"signed {n}")) for n in range(2)])


def load_signing_key(podium_home: str, start, answers) -> None:
    """Say which key a process would sign with that finds this folder as it is."""
    start.wait()
    answers.put(fingerprint_of(make_signer(Path(podium_home)).load_key()))


def remember_growing_books(podium_home: str, book_id: str, start, answers) -> None:
    """Remember fifteen heads of a book of one's own, and of one that all have, as they grow; say whether each could be written."""
    store, memory = Backend("sqlite:////a/mlflow.db", "sqlite"), create_head_memory({"PODIUM_HOME": podium_home})
    books = {name: DecodedBook((), tuple(hash_text(f"{name} {n}") for n in range(16)), ()) for name in (book_id, "d" * 32)}
    start.wait()
    results = [
        memory.remember(
            store, "", [(KnownHead("m", name, n, book.chains[n], "now"), replace(book, chains=book.chains[: n + 1]))], {}
        )
        for n in range(1, 16)
        for name, book in books.items()
    ]
    answers.put(all(results))


def append_and_die(backend: Backend, book_id: str, capacity: int, write_limit: int) -> None:
    """Append one entry and kill this process right after its nth write (0: before the first)."""
    volumes.VOLUME_CAPACITY = capacity
    _die_after_writes(backend, write_limit)
    append(make_writer(backend), book_id, lambda _: _note("mine"))


def _note(text: str) -> Opened:
    fields = {"model": "m", "recorded_at": "2026-11-24T10:00:00.000Z", "by": PODIUM_ACTOR, "backend": BackendRef(kind="", uri="")}
    return Opened(**fields, why="re-created", now=dict(EMPTY_SLOT_STATES), note=text)


def _promote(backend: Backend, version: str, expected: str | None = None, model: str = "wine") -> str:
    try:
        return move_version(
            make_writer(backend, f"w{version}"), MoveRequest(model, version, "Production"), Decision(REASON, expected)
        ).outcome
    except PodiumError as error:
        return f"{type(error).__name__}: {error}"


def _die_after_writes(backend: Backend, write_limit: int) -> None:
    """Count the writes of the client, and kill this process like a power cut once there were so many."""
    write_count = 0

    def die_when_due() -> None:
        if write_count >= write_limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_calls(method):
        def call(*args, **kwargs):
            nonlocal write_count
            die_when_due()
            result = method(*args, **kwargs)
            write_count += 1
            die_when_due()
            return result

        return call

    die_when_due()
    for name in WRITES:
        setattr(client(backend), name, count_calls(getattr(client(backend), name)))


def run_together(target, arguments) -> list:
    """Run `target` in one process per argument tuple, released at the same moment; gives their answers."""
    start, answers = processes.Barrier(len(arguments)), processes.Queue()
    children = [processes.Process(target=_answer, args=(target, args, start, answers)) for args in arguments]
    for child in children:
        child.start()
    results = [answers.get(timeout=300) for _ in children]
    for child in children:
        child.join()
    assert not [result for result in results if isinstance(result, Exception)], results
    return results


def _answer(target, args, start, answers) -> None:
    """Run the target; what it raises is its answer, so that nobody waits for one who crashed."""
    try:
        target(*args, start, answers)
    except Exception as error:
        answers.put(RuntimeError(repr(error)))
        raise
