"""Perceived speed: Compare in Chromium, compared with an empty Streamlit page.

A page is done when the marks of the plot and the rows of the table are on the screen and nothing moves.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.figures import Figure, judge_goal
from benchmarks.reading import MAX_LINEAR_GROWTH
from benchmarks.stores import experiment_id_of, fill_store
from lib.backends.backend import Backend
from lib.runs.plots.parallel import MAX_LINES
from lib.runs.plots.scatter import MAX_POINTS
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.run_table import varying_params
from lib.runs.table.types import Search
from tests.support.browser import SETTLED, Process, free_port, launch, serve_podium, start
from tests.support.install_browser import find

STILLNESS_SECONDS = 0.25
"""`SETTLED` waits for a quarter of a second without changes, which is not part of the measurement."""
TIMEOUT_MS = 240_000
WINDOW = {"width": 1440, "height": 900}
ARE_ROWS_PAINTED = """(() => {
  const canvas = document.querySelector('[data-testid=stDataFrame] canvas');
  if (!canvas || !canvas.width || !canvas.clientWidth) return false;
  const [left, top, width, height] = [60, 36, 100, 24].map((length) => length * canvas.width / canvas.clientWidth);
  const reds = canvas.getContext('2d').getImageData(left, top, width, height).data.filter((_, part) => (part & 3) === 0);
  return reds.filter((red) => Math.abs(red - reds[0]) > 40).length > 20;
})()"""
"""Whether the first run's name is painted. The table's rows for screen readers follow a fifth of a second later."""
LINES = ".st-key-compare-chart svg g.mark-line path:not([stroke-opacity='0'])"
POINTS = ".st-key-compare-chart svg g.mark-symbol.role-mark path"
IS_PAINTED = """(() => {
  const canvas = document.querySelector('.st-key-compare-chart canvas.marks');
  return canvas && canvas.width > 0 && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((part) => part > 0);
})()"""
"""Whether the canvas is painted: above a few thousand marks Streamlit draws them on a canvas in one go."""
_ARE_MARKS_DRAWN = '(document.querySelectorAll("%s").length >= %d || ' + IS_PAINTED + ") && " + ARE_ROWS_PAINTED
PageAction = Callable[[Page], object]


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Start a browser once."""
    path = find()
    with sync_playwright() as play:
        browser = launch(play, path)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Visits:
    """Repeated visits, each in a new window; the fastest counts."""

    browser: Browser
    rounds: int

    def measure_address(self, url: str, until: PageAction) -> float:
        """Return the seconds from the address to the awaited state."""
        return min(self._window(lambda page: page.goto(url), lambda page: None, until) for _ in range(self.rounds))

    def measure_click(self, url: str, ready: PageAction, click: PageAction, until: PageAction) -> float:
        """Return the seconds from a click on a ready page to the awaited state."""

        def prepare(page: Page) -> None:
            page.goto(url)
            ready(page)

        return min(self._window(click, prepare, until) for _ in range(self.rounds))

    def _window(self, act: PageAction, prepare: PageAction, until: PageAction) -> float:
        page = self.browser.new_context(viewport=WINDOW).new_page()
        page.set_default_timeout(TIMEOUT_MS)
        prepare(page)
        start = time.perf_counter()
        act(page)
        until(page)
        seconds = time.perf_counter() - start
        page.context.close()
        return seconds


def _wait_for(condition: str) -> PageAction:
    """Wait until something is on the screen and nothing moves."""

    def wait(page: Page) -> None:
        page.wait_for_function(f"() => {condition}")
        page.evaluate("window.stillSince = 0")
        page.wait_for_function(SETTLED)

    return wait


def _wait_for_lines(count: int) -> PageAction:
    return _wait_for(_ARE_MARKS_DRAWN % (LINES, min(count, MAX_LINES)))


def _wait_for_points(count: int) -> PageAction:
    return _wait_for(_ARE_MARKS_DRAWN % (POINTS, min(count, MAX_POINTS)))


def measure_reactions(browser: Browser, sizes: Sequence[int], folder: Path, rounds: int) -> Iterator[Figure]:
    """Measure from the address and from a click to a settled page, compared with an empty page, and the growth with more runs."""
    visits, seconds_by_size = Visits(browser, rounds), {}
    with stop_after(_serve_empty_page(folder)) as empty_page:
        is_counted = _wait_for("document.body.innerText.includes('1 clicks')")
        ready = _wait_for("document.body.innerText.includes('0 clicks')")
        floor = visits.measure_address(empty_page.url, ready) - STILLNESS_SECONDS
        click = (
            visits.measure_click(empty_page.url, ready, lambda page: page.get_by_role("button", name="Count").click(), is_counted)
            - STILLNESS_SECONDS
        )
    for count in sizes:
        figures = list(_measure_compare(visits, fill_store(folder / f"page-{count}", count), count, (floor, click)))
        seconds_by_size[count] = figures[0].podium
        yield from figures
    first, last = min(seconds_by_size), max(seconds_by_size)
    if last > first:
        more, longer = last / first, seconds_by_size[last] / seconds_by_size[first]
        yield Figure(
            f"{more:g}× as many runs: Compare opens in {longer:.1f}× the time",
            seconds_by_size[last],
            **judge_goal("no worse than linear", longer / more, maximum=MAX_LINEAR_GROWTH),
        )


def _measure_compare(visits: Visits, store: Backend, count: int, floor: tuple[float, float]) -> Iterator[Figure]:
    search = Search((experiment_id_of(store),))
    first = read_runs(store, search).ids[0]
    column = varying_params(read_runs(store, search))[-1]
    with stop_after(serve_podium(store.uri, store.path.parent / "podium")) as podium:
        address = f"{podium.url}/compare?experiment={search.experiment_ids[0]}"
        Visits(visits.browser, 1).measure_address(address, _wait_for_lines(count))
        open_seconds = visits.measure_address(address, _wait_for_lines(count)) - STILLNESS_SECONDS
        plot_seconds = (
            visits.measure_click(address, _wait_for_lines(count), _choose_plot("Scatter"), _wait_for_points(count))
            - STILLNESS_SECONDS
        )
        condition = "metrics.metric_0 > 0.5"
        filter_seconds = (
            visits.measure_click(
                address,
                _wait_for_lines(count),
                lambda page: _enter_filter(page, condition),
                _wait_for_text(f" of {count:,} runs"),
            )
            - STILLNESS_SECONDS
        )
        pick = f"{address}&plot=Scatter&x={column}&pick={first}"
        pick_seconds = (
            visits.measure_click(pick, _wait_for_points(count), _select_row, _wait_for_text("2 picked")) - STILLNESS_SECONDS
        )
    yield Figure(f"open Compare, {count:,} runs", open_seconds, floor=floor[0], floor_is="an empty page")
    for what, seconds in (("another plot", plot_seconds), ("a filter", filter_seconds), ("a pick", pick_seconds)):
        yield Figure(f"click: {what} of {count:,} runs", seconds, floor=floor[1], floor_is="a click on an empty page")


def _choose_plot(name: str) -> PageAction:
    return lambda page: page.get_by_role("radio", name=name).click()


def _enter_filter(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Filter").fill(text)
    page.keyboard.press("Enter")


def _select_row(page: Page) -> None:
    """Tick the third row of the table."""
    canvas = page.locator("[data-testid=stDataFrame] canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 32 + 31 * 2 + 15)


def _wait_for_text(text: str) -> PageAction:
    return _wait_for(f"document.body.innerText.replace(/\\s/g, ' ').includes({json.dumps(text)}) && {ARE_ROWS_PAINTED}")


@contextmanager
def stop_after(process: Process) -> Iterator[Process]:
    """Stop a server at the end."""
    try:
        yield process
    finally:
        process.stop()


def _serve_empty_page(folder: Path) -> Process:
    port = free_port()
    script = Path(__file__).with_name("empty_page.py")
    flags = [
        f"--server.port={port}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    process = start(
        [sys.executable, "-m", "streamlit", "run", str(script), *flags], f"http://127.0.0.1:{port}", folder / "empty.log", {}
    )
    process.wait_for("/_stcore/health")
    return process
