"""The same runs in Podium and in MLflow's own UI, in the same browser: from a click in an open window, and from the address.

Both are done when the requested content is on the screen: in MLflow the first run's name or the axes of the plot with that name, in
Podium the marks of the plot for every run and the rows of the table.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from benchmarks.figures import Figure, judge_goal
from benchmarks.pages import ARE_ROWS_PAINTED, IS_PAINTED, LINES, POINTS, PageAction, Visits, stop_after
from benchmarks.stores import experiment_id_of
from lib.backends.backend import Backend
from lib.runs.plots.scatter import MAX_POINTS
from lib.runs.reading.run_reader import read_runs
from lib.runs.table.types import Search
from tests.support.browser import SETTLED, serve_podium

SELECTED_COUNT = 100
MAX_PROMISED_RUNS = 1000
"""Up to this many runs there is a goal against MLflow's list of a hundred; above it the ratio is only reported."""
_MARK_COUNT = 'document.querySelectorAll("%s").length'
_IS_LISTED = "[...document.querySelectorAll('a')].some((a) => a.innerText.trim() === %s)"
_IS_PLOTTED = "document.querySelectorAll('.js-plotly-plot .axis-title').length > 1 && document.body.innerText.includes(%s)"


@dataclass(frozen=True)
class Journey:
    """A user's way to a view: from `start` once `ready`, then a click; or from `address`. `seen` ends both."""

    start: str
    ready: PageAction
    click: PageAction
    address: str
    is_done: PageAction

    def measure_click(self, visits: Visits) -> float:
        """Return the seconds from the click."""
        return visits.measure_click(self.start, self.ready, self.click, self.is_done)

    def measure_address(self, visits: Visits) -> float:
        """Return the seconds from an empty window."""
        return visits.measure_address(self.address, self.is_done)


def measure_against_mlflow(browser: Browser, server: Backend, store: Backend, folder: Path, rounds: int) -> Iterator[Figure]:
    """Compare all runs with a scatter to MLflow's list of a hundred, and a hundred compared runs; MLflow's server uses the same file."""
    experiment = experiment_id_of(store)
    table, visits = read_runs(store, Search((experiment,))), Visits(browser, rounds)
    first = json.dumps(table.identity.name.iloc[0])
    with stop_after(serve_podium(store.uri, folder / "podium")) as podium:
        many = f"all {len(table):,} runs with a scatter", "MLflow's list of 100", "≤ 0.6× MLflow", 0.6
        few = f"{SELECTED_COUNT} of {len(table):,} runs compared", "MLflow's comparison", "≤ 0.4× MLflow", 0.4
        ids = list(table.ids[:SELECTED_COUNT])
        podium_journeys = _podium_journeys(podium.url, experiment, ids, len(table))
        mlflow_journeys = _mlflow_journeys(server.uri, experiment, ids, first)
        have_goals = [len(table) <= MAX_PROMISED_RUNS, True]
        for (what, peer, promise, most), podium_journey, mlflow_journey, has_goal in zip(
            (many, few), podium_journeys, mlflow_journeys, have_goals, strict=True
        ):
            for journey in (podium_journey, mlflow_journey):  # a server answers its first request more slowly than later ones
                journey.measure_address(Visits(browser, 1))
            podium_seconds, mlflow_seconds = podium_journey.measure_click(visits), mlflow_journey.measure_click(visits)
            goal = judge_goal(promise, podium_seconds / mlflow_seconds, maximum=most) if has_goal else {}
            yield Figure(f"a click: {what}", podium_seconds, mlflow_seconds, peer, **goal)
            yield Figure(
                f"from the address: {what}", podium_journey.measure_address(visits), mlflow_journey.measure_address(visits), peer
            )


def _podium_journeys(url: str, experiment: str, ids: Sequence[str], count: int) -> tuple[Journey, Journey]:
    """Return the journeys from Overview to all runs, and from all runs with a hundred picked to just these."""
    path = f"/compare?experiment={experiment}"
    selected_path = path + "".join(f"&pick={run_id}" for run_id in ids)
    is_everything_drawn = _wait_for(f"({_MARK_COUNT % POINTS} >= {min(count, MAX_POINTS)} || {IS_PAINTED}) && {ARE_ROWS_PAINTED}")
    lines = _MARK_COUNT % LINES
    are_selected_drawn = _wait_for(f"{lines} >= {len(ids)} && {lines} < {2 * len(ids)} && {ARE_ROWS_PAINTED}")
    return (
        Journey(
            url,
            _wait_until_still,
            lambda page: _follow_link(page, f"{path}&plot=Scatter"),
            f"{url}{path}&plot=Scatter",
            is_everything_drawn,
        ),
        Journey(
            f"{url}{selected_path}",
            _wait_until_still,
            _show_selected_only,
            f"{url}{selected_path}&only=picked",
            are_selected_drawn,
        ),
    )


def _mlflow_journeys(url: str, experiment: str, ids: Sequence[str], first: str) -> tuple[Journey, Journey]:
    """Return the journeys from the experiment list to the runs, and from the runs, all shown ones ticked, to their comparison."""
    runs_url, experiments_url = f"{url}/#/experiments/{experiment}/runs", f"{url}/#/experiments"
    query = f"runs={json.dumps(ids, separators=(',', ':'))}&experiments={json.dumps([experiment])}"
    ready = _wait_for("document.querySelector(`a[href*='/experiments/']`)")
    return (
        Journey(
            experiments_url,
            ready,
            lambda page: _follow_hash(page, f"#/experiments/{experiment}/runs"),
            runs_url,
            _wait_for(_IS_LISTED % first),
        ),
        Journey(
            runs_url,
            lambda page: _tick_all(page, first),
            _compare,
            f"{url}/#/compare-runs?{query}",
            _wait_for(_IS_PLOTTED % first),
        ),
    )


def _wait_for(condition: str) -> PageAction:
    return lambda page: page.wait_for_function(f"() => {condition}")


def _wait_until_still(page: Page) -> None:
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1000)


def _follow_link(page: Page, address: str) -> None:
    """Follow a link inside the open app."""
    page.evaluate("(to) => { history.pushState({}, '', to); dispatchEvent(new PopStateEvent('popstate')); }", address)


def _follow_hash(page: Page, address: str) -> None:
    page.evaluate("(to) => { location.hash = to; }", address)


def _show_selected_only(page: Page) -> None:
    page.get_by_text("Picked runs only").click()


def _tick_all(page: Page, first: str) -> None:
    _wait_for(_IS_LISTED % first)(page)
    page.wait_for_timeout(1000)
    page.locator("input[type=checkbox]").first.click(force=True)
    page.wait_for_timeout(1000)


def _compare(page: Page) -> None:
    page.get_by_role("button", name="Compare").first.click()
