"""CPU seconds of MLflow's client with and without the raised garbage-collection threshold, in a process of its own: `URI ROUNDS`.

The process is as a warm Podium is: its modules are imported and excluded from collections. In the process of the other benchmarks Python
would collect almost never, because it waits until the objects are a quarter more than those of its last full collection, and the large
tables measured there have been freed since then.
"""

import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import measure_quickest
from benchmarks.stores import experiment_id_of
from lib.backends.backend import Backend, parse_backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.ui.app.lifespan import warm_up


def read_pages(backend: Backend, experiment: str) -> Iterator[object]:
    """Yield all runs of an experiment, page by page."""
    token = None
    while True:
        page = client(backend).search_runs([experiment], max_results=5000, page_token=token)
        yield from page
        if not (token := page.token):
            return


def _read_relaxed(backend: Backend, experiment: str) -> None:
    with relaxed_gc():
        list(read_pages(backend, experiment))


def main(uri: str, rounds: int) -> None:
    """Print the seconds "with" and "without" as JSON."""
    backend = parse_backend(uri, Path.cwd())
    experiment = experiment_id_of(backend)
    list(read_pages(backend, experiment))  # triggers MLflow's lazy imports
    warm_up()
    gc.set_threshold(700, 10, 10)
    actions = {
        "with": lambda: _read_relaxed(backend, experiment),
        "without": lambda: list(read_pages(backend, experiment)),
    }
    sys.stdout.write(json.dumps(measure_quickest(actions, rounds, time.process_time)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
