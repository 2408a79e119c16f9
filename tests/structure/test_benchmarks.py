"""The benchmarks run with tiny stores. Durations are not checked here."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.__main__ import Plan, figures_to_json, measure, render_page
from benchmarks.figures import Figure, figure_table, measure_quickest
from tests.support.install_browser import is_opted_out

TINY = Plan(
    read=(20, 200), steps=5, reactions=(20, 40), rounds=1, client=20, served=(120,), entries=(20, 40), strays=150, sessions=(2,)
)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(is_opted_out(), reason="PODIUM_NO_BROWSER=1")
def test_every_benchmark_runs_through_with_tiny_stores(tmp_path, clean_session):
    with ThreadPoolExecutor(1) as executor:  # the browser of other tests keeps this thread's event loop running
        figures = executor.submit(lambda: list(measure(TINY, tmp_path))).result()
    measurements = " ".join(figure.what for figure in figures)
    kinds = ("read 200 runs, SQLite", "the client reads", "histories of 50 runs, 5 steps, server", "read 120 runs, server")
    kinds += (
        "open Compare, 40 runs",
        "another plot of 40",
        "a filter of 40",
        "a pick of 40",
        "with a scatter",
        "100 of 120 runs compared",
        "append an entry, SQLite",
        "append an entry, server",
        "promote, SQLite",
        "promote, server",
        "as-of at 40 entries",
        "timeline of 40 entries",
        "append at 40 entries",
        "verify 40 entries",
        "current, 150 strays beyond the end",
        "current, 150 strays at the next places",
        "promote, 150 strays beyond the end",
        "the first promote, 150 strays at the next places",
        "a click while 2 people click",
        "a reload, the memory after",
    )
    assert [kind for kind in kinds if kind not in measurements] == []
    assert all(figure.podium > 0 for figure in figures)
    assert len(json.loads(figures_to_json(figures, 1.0))["figures"]) == len(figures)
    assert render_page(figures).count("\n| ") == len(figures) + 1


def test_the_actions_alternate_and_the_fastest_round_counts():
    ticks = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0, 30.0, 35.0])
    calls = []
    durations = measure_quickest({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2, lambda: next(ticks))
    assert calls == ["a", "b", "a", "b"]
    assert durations == {"a": 2.0, "b": 1.0}


def test_a_figure_says_its_ratios_and_whether_its_goal_was_kept():
    figure = Figure("read", 0.2, peer=4.0, peer_is="MLflow", floor=0.1, floor_is="fetch", goal="≥ 10×", kept=True)
    assert (figure.times_faster, figure.above_floor) == (20, 2)
    assert "| read | 200 ms | 4.0 s MLflow | **20× as fast** | 100 ms fetch | 2× | ≥ 10×: met |" in figure_table([figure])
