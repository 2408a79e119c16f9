"""All active runs and experiments of a backend, read once for the checks that ask about good practice. Writes nothing."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from cachetools import TTLCache

from lib.backends.backend import Backend
from lib.doctor.checks.secret_detection import without_secrets
from lib.doctor.types import Clock, Rows
from lib.runs.reading.run_reader import experiments, mark, runs
from lib.runs.table.types import Experiment, RunTable, Search

MOST_RUNS = 20_000
MOST_ROWS = 50
_SECONDS = 20.0
_LOCK = threading.Lock()
_KNOWN: "TTLCache[tuple[Backend, str | None], Gathered]" = TTLCache(maxsize=4, ttl=_SECONDS)


@dataclass(frozen=True)
class Gathered:
    """The active experiments, newest first, and their active runs: at most the newest 20,000."""

    experiments: tuple[Experiment, ...]
    table: RunTable

    @property
    def names(self) -> dict[str, str]:
        """Experiment id → its name, fit to be shown."""
        return {one.experiment_id: without_secrets(one.name) for one in self.experiments}

    @property
    def scope(self) -> str:
        """Which runs were looked at, when not all were: "Looked at the newest 20,000 of 31,000 runs." """
        if self.table.is_whole:
            return ""
        of = f" of {self.table.total:,}" if self.table.total else ""
        return f"Looked at the newest {len(self.table):,}{of} runs."


def gathered(backend: Backend, clock: Clock) -> Gathered:
    """Read experiments and runs. What was read is kept for twenty seconds while nobody writes to the file, so that checks share it."""
    key = (backend, mark(backend))
    with _LOCK:
        if key in _KNOWN:
            return _KNOWN[key]
    found = experiments(backend)
    ids = tuple(one.experiment_id for one in found)
    made = Gathered(found, runs(backend, Search(ids, most=MOST_RUNS), at=clock()))
    with _LOCK:
        _KNOWN[key] = made
    return made


def forget() -> None:
    """Read anew next time: a cure changed something."""
    with _LOCK:
        _KNOWN.clear()


def shown(rows: Sequence[tuple[str, ...]], most: int = MOST_ROWS) -> Rows:
    """Evidence for people: the first rows, and a last one that tells how many there are beyond them. Secrets in it are covered."""
    head = tuple(tuple(without_secrets(cell) for cell in row) for row in rows[:most])
    if len(rows) <= most:
        return head
    return (*head, (f"and {len(rows) - most:,} more", *("" for _ in rows[0][1:])))


def run_name(table: RunTable, run_id: str) -> str:
    """What people call a run: its name and the beginning of its id, fit to be shown."""
    name = str(table.identity.at[run_id, "name"] or "")
    return f"{without_secrets(name)} ({run_id[:8]})" if name else run_id[:8]
