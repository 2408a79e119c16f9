"""All active runs and experiments of a backend, read once for the good-practice checks. Read-only."""

import threading
from dataclasses import dataclass

from cachetools import TTLCache

from lib.backends.backend import Backend
from lib.doctor.secret_detection import mask_secrets
from lib.doctor.types import Clock
from lib.runs.reading.run_reader import read_experiments, read_runs
from lib.runs.reading.sqlite_change_marker import read_change_marker
from lib.runs.table.types import Experiment, RunTable, Search

MAX_RUNS = 20_000
_TTL_SECONDS = 20.0
_LOCK = threading.Lock()
_CACHE: "TTLCache[tuple[Backend, str | None], ActiveRuns]" = TTLCache(maxsize=4, ttl=_TTL_SECONDS)


@dataclass(frozen=True)
class ActiveRuns:
    """The active experiments, newest first, and their newest active runs, at most 20,000."""

    experiments: tuple[Experiment, ...]
    table: RunTable

    @property
    def experiment_names(self) -> dict[str, str]:
        """Experiment names by id, with secrets masked."""
        return {experiment.experiment_id: mask_secrets(experiment.name) for experiment in self.experiments}

    @property
    def scope_note(self) -> str:
        """Which runs were checked if not all: "Checked the newest 20,000 of 31,000 runs." """
        if self.table.is_complete:
            return ""
        total_text = f" of {self.table.total:,}" if self.table.total else ""
        return f"Checked the newest {len(self.table):,}{total_text} runs."


def read_active_runs(backend: Backend, clock: Clock) -> ActiveRuns:
    """Read experiments and runs, cached for twenty seconds while the file is unchanged, so that checks share them."""
    key = (backend, read_change_marker(backend))
    with _LOCK:
        if key in _CACHE:
            return _CACHE[key]
    experiments = read_experiments(backend)
    experiment_ids = tuple(experiment.experiment_id for experiment in experiments)
    active_runs = ActiveRuns(experiments, read_runs(backend, Search(experiment_ids, limit=MAX_RUNS), at=clock()))
    with _LOCK:
        _CACHE[key] = active_runs
    return active_runs


def clear_run_cache() -> None:
    """Clear the cache, because a fix changed something."""
    with _LOCK:
        _CACHE.clear()
