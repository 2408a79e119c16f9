"""How quickly a person sees something: Compare in Chromium, against an empty Streamlit page and against MLflow's own pages."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.figures import Figure
from lib.backends.uri import Backend
from lib.runs.reading import runs
from lib.runs.values import Search
from tests.browser import SETTLED, Process, free_port, launch, serve_podium, start
from tests.see_to_a_browser import find

STILL = 0.25
"""`SETTLED` waits for a quarter of a second of stillness, which is nobody's work."""
PATIENCE = 240_000
PICKED = 100
DRAWN = "document.querySelectorAll('.js-plotly-plot, svg.main-svg').length > 0"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, started once."""
    with sync_playwright() as play:
        browser = launch(play, find())
        yield browser
        browser.close()


def _visit(
    browser: Browser, url: str, until: Callable[[Page], object], rounds: int, act: Callable[[Page], object] | None = None
) -> float:
    """The least seconds from the address to what is waited for; with `act`, from that deed on."""
    took = []
    for _ in range(rounds):
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE)
        begun = time.perf_counter()
        page.goto(url)
        until(page)
        if act:
            begun = time.perf_counter()
            act(page)
            until(page)
        took.append(time.perf_counter() - begun)
        page.context.close()
    return min(took)


def _settled(page: Page) -> None:
    page.wait_for_function(SETTLED)


def _plot(name: str) -> Callable[[Page], object]:
    return lambda page: page.get_by_role("radio", name=name).click()


def reactions(browser: Browser, store: Backend, count: int, folder: Path, rounds: int) -> Iterator[Figure]:
    """From a click to a settled page with so many runs, against a click on an empty page."""
    with _serving(_empty(folder)) as nothing, _serving(serve_podium(store.uri, folder / "podium")) as podium:
        floor = (
            _visit(browser, nothing.url, _settled, rounds, lambda page: page.get_by_role("button", name="Count").click()) - STILL
        )
        first = _visit(browser, nothing.url, _settled, rounds) - STILL
        address = f"{podium.url}/compare?experiment=1"
        _visit(browser, address, _settled, 1)
        opened = _visit(browser, address, _settled, rounds) - STILL
        clicked = _visit(browser, address, _settled, rounds, _plot("Scatter")) - STILL
    yield Figure(f"open Compare, {count:,} runs", opened, floor=first, floor_is="empty page")
    yield Figure(f"click: another plot of {count:,} runs", clicked, floor=floor, floor_is="click on an empty page")


def against_mlflow(browser: Browser, server: Backend, store: Backend, folder: Path, rounds: int) -> Iterator[Figure]:
    """The same runs in MLflow's own pages (its list shows a hundred) and a hundred of them compared, in the same browser."""
    table = runs(store, Search(("1",)))
    ids, newest = list(table.ids[:PICKED]), table.identity.name.iloc[0]
    listed = _visit(
        browser,
        f"{server.uri}/#/experiments/1/runs",
        lambda page: page.wait_for_function(f"document.body.innerText.includes({json.dumps(newest)})"),
        rounds,
    )
    asked = f"runs={json.dumps(ids, separators=(',', ':'))}&experiments={json.dumps(['1'])}"
    compared = _visit(browser, f"{server.uri}/#/compare-runs?{asked}", lambda page: page.wait_for_function(DRAWN), rounds)
    with _serving(serve_podium(store.uri, folder / "podium-100")) as podium:
        whole = f"{podium.url}/compare?experiment=1&plot=Scatter"
        _visit(browser, whole, _settled, 1)
        scatter = _visit(browser, whole, _settled, rounds) - STILL
        picks = "&".join(f"pick={one}" for one in ids)
        hundred = _visit(browser, f"{podium.url}/compare?experiment=1&only=picked&{picks}", _settled, rounds) - STILL
    yield Figure(
        f"all {len(table):,} runs and a scatter",
        scatter,
        listed,
        "MLflow's list of 100",
        goal="≤ 0.6× MLflow",
        kept=scatter / listed <= 0.6,
    )
    yield Figure(
        f"{PICKED} runs compared", hundred, compared, "MLflow's comparison", goal="≤ 0.4× MLflow", kept=hundred / compared <= 0.4
    )


@contextmanager
def _serving(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


def _empty(folder: Path) -> Process:
    port = free_port()
    script = Path(__file__).with_name("empty_page.py")
    flags = [
        f"--server.port={port}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
    ]
    served = start(
        [sys.executable, "-m", "streamlit", "run", str(script), *flags], f"http://127.0.0.1:{port}", folder / "empty.log", {}
    )
    served.wait_for("/_stcore/health")
    return served
