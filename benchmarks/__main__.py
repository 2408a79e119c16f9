"""Measures what Podium promises and writes it down: benchmarks/results/*.json, and the table in docs/benchmarks.md.

`make bench` takes up to a quarter of an hour; `make bench-quick` two minutes, with small stores, and writes no page.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ["MLFLOW_TRACKING_URI"] = ""

from benchmarks import histories, pages, reading
from benchmarks.figures import Figure, table
from benchmarks.stores import filled
from lib.backends.connect import mlflow_version
from lib.backends.uri import Backend
from tests.browser import serve_mlflow

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, print as it goes, write."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="small stores, one round, no page written")
    quick = asked.parse_args().quick
    figures = []
    with tempfile.TemporaryDirectory() as name:
        for one in _quick(Path(name)) if quick else _whole(Path(name)):
            sys.stdout.write(table([one]).splitlines()[-1] + "\n")
            sys.stdout.flush()
            figures.append(one)
    RESULTS.mkdir(exist_ok=True)
    written = {**machine(), "figures": [one.as_json() for one in figures]}
    (RESULTS / ("quick.json" if quick else "bench.json")).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    if not quick:
        PAGE.write_text(_page(figures), encoding="utf-8")
    missed = [one.what for one in figures if one.kept is False]
    sys.stdout.write(f"\nMissed: {', '.join(missed)}\n" if missed else "\nEvery goal was kept.\n")


def _quick(folder: Path) -> Iterator[Figure]:
    yield from reading.on_sqlite(folder, [500, 1000], 1)
    yield histories.measured(home := histories.store(folder, 200), "200 steps, SQLite", home, 1)
    with pages.chromium() as browser:
        yield from pages.reactions(browser, filled(folder / "page", 300), 300, folder, 1)


def _whole(folder: Path) -> Iterator[Figure]:
    yield from reading.on_sqlite(folder, [1000, 5000, 20_000], 2)
    yield reading.the_client(folder, 1000, 3)
    home = histories.store(folder, 1000)
    yield histories.measured(home, "1,000 steps, SQLite", home, 2)
    with served(folder / "history-server", home) as server:
        yield histories.measured(server, "1,000 steps, server", home, 1)
    for count in (1000, 5000):
        store = filled(folder / f"served-{count}", count)
        with served(folder / f"server-{count}", store) as server, pages.chromium() as browser:
            yield reading.on_server(server, store, count, 1)
            yield from pages.against_mlflow(browser, server, store, folder / f"p{count}", 2)
            yield from pages.reactions(browser, store, count, folder / f"r{count}", 3)


@contextmanager
def served(folder: Path, store: Backend) -> Iterator[Backend]:
    """A real `mlflow server` on the file of a store."""
    process = serve_mlflow(folder, database=store.path)
    try:
        yield Backend(process.url, "server")
    finally:
        process.stop()


def machine() -> dict[str, str | int | None]:
    """What a reader of the numbers wants to know about where they come from."""
    return {
        "python": platform.python_version(),
        "mlflow": mlflow_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
    }


def _page(figures: list[Figure]) -> str:
    about = machine()
    return (
        "# Benchmarks\n\n"
        f"Measured by `make bench` on {date.today():%-d %B %Y} with Python {about['python']}, MLflow {about['mlflow']}, SQLite {about['sqlite']}, "  # noqa: DTZ011
        f"{about['cores']} cores. Each line compares within the same minutes; only the ratios say something.\n"
        "Stores hold 15 metrics, 15 parameters and 9 tags per run. Pages are measured in Chromium at 1440 × 900, from the address or the\n"
        "click until nothing moves any more.\n\n" + table(figures)
    )


if __name__ == "__main__":
    main()
