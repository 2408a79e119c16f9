"""How quickly a person sees something: Compare in Chromium, against an empty Streamlit page.

What is waited for stands on the screen, the marks of the plot and the rows of the table, and nothing moves any more.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.figures import Figure, goal
from benchmarks.reading import LINEAR
from benchmarks.stores import experiment_of, filled
from lib.backends.backend import Backend
from lib.runs.plots.parallel import MAX_LINES
from lib.runs.plots.scatter import MAX_POINTS
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.run_table import varying_params
from lib.runs.table.types import Search
from tests.support.browser import SETTLED, Process, free_port, launch, serve_podium, start
from tests.support.install_browser import find

STILL = 0.25
"""`SETTLED` waits for a quarter of a second of stillness, which is nobody's work."""
PATIENCE = 240_000
WINDOW = {"width": 1440, "height": 900}
ROWS = """(() => {
  const canvas = document.querySelector('[data-testid=stDataFrame] canvas');
  if (!canvas || !canvas.width || !canvas.clientWidth) return false;
  const [left, top, width, height] = [60, 36, 100, 24].map((length) => length * canvas.width / canvas.clientWidth);
  const reds = canvas.getContext('2d').getImageData(left, top, width, height).data.filter((_, part) => (part & 3) === 0);
  return reds.filter((red) => Math.abs(red - reds[0]) > 40).length > 20;
})()"""
"""The name of the first run is painted. The table's rows for screen readers come a fifth of a second later."""
LINES = ".st-key-compare-chart svg g.mark-line path:not([stroke-opacity='0'])"
POINTS = ".st-key-compare-chart svg g.mark-symbol.role-mark path"
PAINTED = """(() => {
  const canvas = document.querySelector('.st-key-compare-chart canvas.marks');
  return canvas && canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((part) => part > 0);
})()"""
"""Above some thousand marks Streamlit paints them on a canvas, all in one go."""
_MARKS = '(document.querySelectorAll("%s").length >= %d || ' + PAINTED + ") && " + ROWS
Until = Callable[[Page], object]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, started once."""
    path = find()
    with sync_playwright() as play:
        browser = launch(play, path)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Visits:
    """So many visits in a new window each; the quickest counts."""

    browser: Browser
    rounds: int

    def opened(self, url: str, until: Until) -> float:
        """Seconds from the address to what is waited for."""
        return min(self._window(lambda page: page.goto(url), lambda page: None, until) for _ in range(self.rounds))

    def clicked(self, url: str, ready: Until, click: Until, until: Until) -> float:
        """Seconds from a click on a page that is ready to what is waited for."""

        def prepare(page: Page) -> None:
            page.goto(url)
            ready(page)

        return min(self._window(click, prepare, until) for _ in range(self.rounds))

    def _window(self, act: Until, prepare: Until, until: Until) -> float:
        page = self.browser.new_context(viewport=WINDOW).new_page()
        page.set_default_timeout(PATIENCE)
        prepare(page)
        begun = time.perf_counter()
        act(page)
        until(page)
        took = time.perf_counter() - begun
        page.context.close()
        return took


def _seen(condition: str) -> Until:
    """Wait until something stands on the screen and nothing moves any more."""

    def wait(page: Page) -> None:
        page.wait_for_function(f"() => {condition}")
        page.evaluate("window.stillSince = 0")
        page.wait_for_function(SETTLED)

    return wait


def _lines(count: int) -> Until:
    return _seen(_MARKS % (LINES, min(count, MAX_LINES)))


def _points(count: int) -> Until:
    return _seen(_MARKS % (POINTS, min(count, MAX_POINTS)))


def reactions(browser: Browser, sizes: Sequence[int], folder: Path, rounds: int) -> Iterator[Figure]:
    """From the address and from a click to a settled page, against an empty page, and what more runs cost."""
    visits, took = Visits(browser, rounds), {}
    with serving(_empty(folder)) as nothing:
        counted = _seen("document.body.innerText.includes('1 clicks')")
        ready = _seen("document.body.innerText.includes('0 clicks')")
        floor = visits.opened(nothing.url, ready) - STILL
        click = visits.clicked(nothing.url, ready, lambda page: page.get_by_role("button", name="Count").click(), counted) - STILL
    for count in sizes:
        figures = list(_of_podium(visits, filled(folder / f"page-{count}", count), count, (floor, click)))
        took[count] = figures[0].podium
        yield from figures
    first, last = min(took), max(took)
    if last > first:
        more, longer = last / first, took[last] / took[first]
        yield Figure(
            f"{more:g}× as many runs: Compare opens in {longer:.1f}× the time",
            took[last],
            **goal("no worse than linear", longer / more, most=LINEAR),
        )


def _of_podium(visits: Visits, store: Backend, count: int, floor: tuple[float, float]) -> Iterator[Figure]:
    search = Search((experiment_of(store),))
    first = read_runs(store, search).ids[0]
    other = varying_params(read_runs(store, search))[-1]
    with serving(serve_podium(store.uri, store.path.parent / "podium")) as podium:
        address = f"{podium.url}/compare?experiment={search.experiment_ids[0]}"
        Visits(visits.browser, 1).opened(address, _lines(count))
        opened = visits.opened(address, _lines(count)) - STILL
        plot = visits.clicked(address, _lines(count), _radio("Scatter"), _points(count)) - STILL
        half = "metrics.metric_0 > 0.5"
        filtered = visits.clicked(address, _lines(count), lambda page: _filter(page, half), _told(f" of {count:,} runs")) - STILL
        pick = f"{address}&plot=Scatter&x={other}&pick={first}"
        picked = visits.clicked(pick, _points(count), _tick, _told("2 picked")) - STILL
    yield Figure(f"open Compare, {count:,} runs", opened, floor=floor[0], floor_is="an empty page")
    for what, seconds in (("another plot", plot), ("a filter", filtered), ("a pick", picked)):
        yield Figure(f"click: {what} of {count:,} runs", seconds, floor=floor[1], floor_is="a click on an empty page")


def _radio(name: str) -> Until:
    return lambda page: page.get_by_role("radio", name=name).click()


def _filter(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Filter").fill(text)
    page.keyboard.press("Enter")


def _tick(page: Page) -> None:
    """Tick the third row of the table."""
    sheet = page.locator("[data-testid=stDataFrame] canvas").first
    sheet.scroll_into_view_if_needed()
    at = sheet.bounding_box()
    assert at is not None
    page.mouse.click(at["x"] + 16, at["y"] + 32 + 31 * 2 + 15)


def _told(text: str) -> Until:
    return _seen(f"document.body.innerText.replace(/\\s/g, ' ').includes({json.dumps(text)}) && {ROWS}")


@contextmanager
def serving(process: Process) -> Iterator[Process]:
    """Stop a server in the end."""
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
    folder.mkdir(parents=True, exist_ok=True)
    served = start(
        [sys.executable, "-m", "streamlit", "run", str(script), *flags], f"http://127.0.0.1:{port}", folder / "empty.log", {}
    )
    served.wait_for("/_stcore/health")
    return served
