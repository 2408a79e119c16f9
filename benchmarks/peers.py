"""The same runs in Podium and in MLflow's own pages, in the same browser: from a click in an open window, and from the address.

Both sides are done when what was asked for stands on the screen: in MLflow the first run's name or the axes of the plot with that
name, in Podium the marks of the plot for every run and the rows of the table.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.figures import Figure, goal
from benchmarks.pages import LINES, PAINTED, POINTS, ROWS, Until, Visits, serving
from benchmarks.stores import experiment_of
from lib.backends.backend import Backend
from lib.runs.plots.scatter import MAX_POINTS
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.types import Search
from tests.support.browser import SETTLED, serve_podium

PICKED = 100
MOST_PROMISED = 1000
"""Runs up to which all of them are promised sooner than MLflow's list of a hundred; beyond, the ratio is only told."""
_MARKS = 'document.querySelectorAll("%s").length'
_LISTED = "[...document.querySelectorAll('a')].some((a) => a.innerText.trim() === %s)"
_PLOTTED = "document.querySelectorAll('.js-plotly-plot .axis-title').length > 1 && document.body.innerText.includes(%s)"


@dataclass(frozen=True)
class Way:
    """How a person comes to see something: standing at `start` until `ready`, then a click; or from `address`. `seen` ends both."""

    start: str
    ready: Until
    click: Until
    address: str
    seen: Until

    def by_click(self, visits: Visits) -> float:
        """Seconds from the click."""
        return visits.clicked(self.start, self.ready, self.click, self.seen)

    def from_address(self, visits: Visits) -> float:
        """Seconds from an empty window."""
        return visits.opened(self.address, self.seen)


def against_mlflow(browser: Browser, server: Backend, store: Backend, folder: Path, rounds: int) -> Iterator[Figure]:
    """All runs with a scatter beside MLflow's list of a hundred, and a hundred runs compared; MLflow's server works on the same file."""
    experiment = experiment_of(store)
    table, visits = read_runs(store, Search((experiment,))), Visits(browser, rounds)
    first = json.dumps(table.identity.name.iloc[0])
    with serving(serve_podium(store.uri, folder / "podium")) as podium:
        many = f"all {len(table):,} runs with a scatter", "MLflow's list of 100", "≤ 0.6× MLflow", 0.6
        few = f"{PICKED} of {len(table):,} runs compared", "MLflow's comparison", "≤ 0.4× MLflow", 0.4
        ids = list(table.ids[:PICKED])
        ours = _ours(podium.url, experiment, ids, len(table))
        theirs = _theirs(server.uri, experiment, ids, first)
        promised = [len(table) <= MOST_PROMISED, True]
        for (what, peer, promise, most), mine, other, counts in zip((many, few), ours, theirs, promised, strict=True):
            for way in (mine, other):  # a server answers its first question more slowly than all others
                way.from_address(Visits(browser, 1))
            us, them = mine.by_click(visits), other.by_click(visits)
            told = goal(promise, us / them, most=most) if counts else {}
            yield Figure(f"a click: {what}", us, them, peer, **told)
            yield Figure(f"from the address: {what}", mine.from_address(visits), other.from_address(visits), peer)


def _ours(url: str, experiment: str, ids: Sequence[str], count: int) -> tuple[Way, Way]:
    """From the Overview to all runs, and from all runs, of which a hundred are picked, to these."""
    page = f"/compare?experiment={experiment}"
    picks = page + "".join(f"&pick={one}" for one in ids)
    everything = _seen(f"({_MARKS % POINTS} >= {min(count, MAX_POINTS)} || {PAINTED}) && {ROWS}")
    lines = _MARKS % LINES
    these = _seen(f"{lines} >= {len(ids)} && {lines} < {2 * len(ids)} && {ROWS}")
    return (
        Way(url, _settled, lambda at: _go(at, f"{page}&plot=Scatter"), f"{url}{page}&plot=Scatter", everything),
        Way(f"{url}{picks}", _settled, _only_picked, f"{url}{picks}&only=picked", these),
    )


def _theirs(url: str, experiment: str, ids: Sequence[str], first: str) -> tuple[Way, Way]:
    """From the list of experiments to the runs, and from the runs, of which all shown are ticked, to their comparison."""
    listed, home = f"{url}/#/experiments/{experiment}/runs", f"{url}/#/experiments"
    asked = f"runs={json.dumps(ids, separators=(',', ':'))}&experiments={json.dumps([experiment])}"
    ready = _seen("document.querySelector(`a[href*='/experiments/']`)")
    return (
        Way(home, ready, lambda at: _go_hash(at, f"#/experiments/{experiment}/runs"), listed, _seen(_LISTED % first)),
        Way(listed, lambda at: _tick_all(at, first), _compare, f"{url}/#/compare-runs?{asked}", _seen(_PLOTTED % first)),
    )


def _seen(condition: str) -> Until:
    return lambda page: page.wait_for_function(f"() => {condition}")


def _settled(page: Page) -> None:
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1000)


def _go(page: Page, address: str) -> None:
    """Follow a link inside the open app."""
    page.evaluate("(to) => { history.pushState({}, '', to); dispatchEvent(new PopStateEvent('popstate')); }", address)


def _go_hash(page: Page, address: str) -> None:
    page.evaluate("(to) => { location.hash = to; }", address)


def _only_picked(page: Page) -> None:
    page.get_by_text("Only the picked runs").click()


def _tick_all(page: Page, first: str) -> None:
    _seen(_LISTED % first)(page)
    page.wait_for_timeout(1000)
    page.locator("input[type=checkbox]").first.click(force=True)
    page.wait_for_timeout(1000)


def _compare(page: Page) -> None:
    page.get_by_role("button", name="Compare").first.click()
