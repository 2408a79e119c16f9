"""Measure Podium's performance goals and write the results: benchmarks/results/*.json and the table in docs/benchmarks.md.

`make bench` takes up to a quarter of an hour; `make bench-quick` takes two minutes, uses small stores and writes no page.
"""

import argparse
import json
import logging
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from benchmarks import histories, ledger, pages, peers, reading, sessions, strays
from benchmarks.figures import Figure, figure_table
from benchmarks.stores import fill_store
from lib.backends.backend import Backend
from lib.backends.mlflow_client import installed_mlflow_version
from tests.support.browser import serve_mlflow

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


SESSION_RUNS = 100
"""Runs in the store used for the concurrent sessions."""


@dataclass(frozen=True)
class Plan:
    """Amounts to measure: runs per store for each kind of figure (empty skips the kind), steps of a history, rounds.

    `entries` are the sizes of the ledger books, `strays` the number of parameters planted in one, `sessions` the numbers of
    concurrent users.
    """

    read: Sequence[int]
    steps: int
    reactions: Sequence[int]
    rounds: int
    client: int = 0
    served: Sequence[int] = ()
    entries: Sequence[int] = ()
    strays: int = 0
    sessions: Sequence[int] = ()


FULL_PLAN = Plan(
    read=(1000, 5000, 20_000),
    steps=1000,
    reactions=(500, 5000),
    rounds=2,
    client=1000,
    served=(1000, 5000),
    entries=(100, 2_000, 10_000),
    strays=10_000,
    sessions=(1, 5, 20),
)
QUICK_PLAN = Plan(read=(500, 1000), steps=200, reactions=(300,), rounds=1, entries=(100,), strays=1_000, sessions=(1,))


def main() -> None:
    """Measure, print progress, and write the results."""
    os.environ["MLFLOW_TRACKING_URI"] = ""  # ignore the user's own backend
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small stores, one round, no page written")
    quick = parser.parse_args().quick
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    start, figures = time.monotonic(), []
    sys.stdout.write(figure_table([]))
    with tempfile.TemporaryDirectory() as name:
        for figure in measure(QUICK_PLAN if quick else FULL_PLAN, Path(name)):
            sys.stdout.write(figure_table([figure]).splitlines()[-1] + "\n")
            sys.stdout.flush()
            figures.append(figure)
    document = figures_to_json(figures, time.monotonic() - start)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / ("quick.json" if quick else "bench.json")).write_text(document, encoding="utf-8")
    if not quick:
        PAGE.write_text(render_page(figures), encoding="utf-8")
    missed_goals = [figure.what for figure in figures if figure.kept is False]
    sys.stdout.write(f"\nMissed: {', '.join(missed_goals)}\n" if missed_goals else "\nAll goals met.\n")


def measure(plan: Plan, folder: Path) -> Iterator[Figure]:
    """Yield the figures of a plan one by one."""
    yield from reading.measure_sqlite(folder / "read", plan.read, plan.rounds)
    if plan.client:
        yield reading.measure_client(folder, plan.client, 2 * plan.rounds)
    home = histories.make_history_store(folder, plan.steps)
    yield histories.measure_backend(home, f"{plan.steps:,} steps, SQLite", home, plan.rounds)
    if plan.served:
        with serve_store(folder / "history-server", home) as server:
            yield histories.measure_backend(server, f"{plan.steps:,} steps, server", home, 1)
    if plan.entries:
        yield from ledger.measure_ledger(folder / "ledger", plan.entries, plan.rounds)
    if plan.strays:
        yield from strays.measure_strays(folder / "strays", plan.strays, plan.rounds)
    if plan.sessions:
        store = fill_store(folder / "sessions", SESSION_RUNS)
        yield from sessions.measure_sessions(store, folder / "sessions-podium", plan.sessions, 2 * plan.rounds)
    with pages.start_chromium() as browser:
        yield from pages.measure_reactions(browser, plan.reactions, folder / "reactions", plan.rounds)
        for count in plan.served:
            store = fill_store(folder / f"served-{count}", count)
            with serve_store(folder / f"server-{count}", store) as server:
                yield reading.measure_server(server, store, count, plan.rounds if count <= 1000 else 1)
                yield from peers.measure_against_mlflow(browser, server, store, folder / f"pages-{count}", plan.rounds)


@contextmanager
def serve_store(folder: Path, store: Backend) -> Iterator[Backend]:
    """Run a real `mlflow server` on the file of a store."""
    process = serve_mlflow(folder, database=store.path)
    try:
        yield Backend(process.url, "server")
    finally:
        process.stop()


def describe_machine() -> dict[str, str | int | None]:
    """Return the environment of the measurements."""
    return {
        "python": platform.python_version(),
        "mlflow": installed_mlflow_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
    }


def figures_to_json(figures: Sequence[Figure], seconds: float) -> str:
    """Return the figures as JSON, with the machine and the total duration."""
    return (
        json.dumps(
            {**describe_machine(), "took_s": round(seconds), "figures": [figure.as_json() for figure in figures]}, indent=2
        )
        + "\n"
    )


def render_page(figures: Sequence[Figure]) -> str:
    """Return the documentation page."""
    facts = describe_machine()
    return (
        "# Benchmarks\n\n"
        f"Measured by `make bench` on {time.gmtime().tm_mday} {time.strftime('%B %Y', time.gmtime())} with Python {facts['python']}, MLflow {facts['mlflow']}, "
        f"SQLite {facts['sqlite']}, {facts['cores']} cores.\n"
        "The values in a row were measured within the same minutes; only the ratios are meaningful. Stores have 15 metrics, 15 parameters\n"
        "and 9 tags per run. Reading a local file is measured in CPU time, everything else in wall-clock time.\n\n"
        "The client is measured in a process of its own, as warm as Podium: after the large tables of the rows above Python collects so\n"
        "rarely that the raised threshold would make no difference.\n\n"
        "A click while others click is the median from the request to the end of the script run, over the WebSocket; each user pauses on\n"
        "a page for two seconds.\n\n"
        "Pages are measured in Chromium at 1440 × 900, each in a new window with a warm server: from the address or the click until the\n"
        "marks of the plot and the rows of the table are on the screen and nothing moves. Podium reads the SQLite file; MLflow's server\n"
        "uses the same file. Its list counts as done with the first run name, its comparison with the axes of its plot.\n"
        "Goals against MLflow's UI apply to a click in an open window; times from the address are reported without a goal.\n\n"
        + figure_table(figures)
    )


if __name__ == "__main__":
    main()
