"""Compare reports what it does not draw and makes no false claims: samples, best runs, empty views, conditions without a match."""

import json
import math

import pytest

from lib.backends.mlflow_client import client
from tests.support.compare_page import chart_alt, chart_spec, page_text, query_values
from tests.support.run_factories import log_run, make_experiment
from tests.support.variants import thin


def make_runs(store, number: int) -> str:
    """An experiment with runs of increasing accuracy."""
    experiment = make_experiment(store, "many")
    for n in range(number):
        log_run(store, experiment, f"run-{n}", params={"n": n}, metrics={"accuracy": n / number}, model=False)
    return experiment


def test_more_lines_than_fit_are_a_sample_over_all_runs_with_the_picked_and_the_best(app, fresh_store):
    experiment = make_runs(fresh_store, 360)
    first = client(fresh_store).search_runs([experiment], "attributes.run_name = 'run-0'")[0].info.run_id
    page = app("compare", fresh_store, experiment=experiment, pick=[first])
    assert "Showing a sample of 300 of 360\u00a0runs; picked runs are always included." in page_text(page)
    assert chart_alt(page).startswith("Parallel coordinates of 300 of 360 runs over")
    drawn_names = {row["run"] for rows in chart_spec(page).get("datasets", {}).values() for row in rows if "run" in row}
    if drawn_names:  # some versions of Streamlit send the data separately
        numbers = sorted(int(name.partition("-")[2]) for name in drawn_names)
        assert {0, 359} <= set(numbers)
        assert 0.4 < sum(number < 180 for number in numbers) / 300 < 0.6


def test_a_scatter_without_a_point_says_what_it_takes(app, fresh_store):
    experiment = make_experiment(fresh_store, "apart")
    for n in range(6):
        log_run(fresh_store, experiment, f"r{n}", metrics={"a" if n % 2 else "b": float(n)}, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot="Scatter", x="metrics.a", y="metrics.b")
    assert "**No points to draw**" in page_text(page)
    assert not page.get("vega_lite_chart")


def test_the_alt_of_a_front_is_plain_text(app, fresh_store):
    page = app(
        "compare",
        fresh_store,
        experiment=make_runs(fresh_store, 12),
        plot="Scatter",
        x="params.n",
        y="metrics.accuracy",
        mark=["pareto", "trend"],
    )
    assert "&#" not in chart_alt(page)
    assert "accuracy rises with n" in chart_alt(page)


@pytest.mark.parametrize("plot", ["Differences", "Artifacts"])
def test_the_first_runs_are_not_called_the_best(app, fresh_store, plot):
    experiment = make_experiment(fresh_store, "counts")
    for n in range(12):
        log_run(fresh_store, experiment, f"r{n}", params={"n": n}, metrics={"epoch": float(n)}, model=False)
    page = app("compare", fresh_store, experiment=experiment, plot=plot)
    assert "Showing the first" in page_text(page)
    assert "the best" not in page_text(page)


def test_conditions_that_leave_nothing_can_be_taken_away(app, fresh_store):
    page = app("compare", fresh_store, experiment=make_runs(fresh_store, 12), facet=["metrics.accuracy:5..9"])
    assert "No run matches the conditions under Refine." in page_text(page)
    page.button(key="compare.clear").click().run()
    assert query_values(page, "facet") == []
    assert "No run matches" not in page_text(page)


def test_the_page_says_that_a_filter_judges_the_last_value(app, fresh_store):
    note = "The filter uses the last value of a metric"
    parameters = {"experiment": make_runs(fresh_store, 12), "filter": "metrics.accuracy > 0.5"}
    assert note in page_text(app("compare", fresh_store, stat="best", **parameters))
    assert note not in page_text(app("compare", fresh_store, **parameters))


@pytest.mark.parametrize(
    "plot", thin(["Parallel", "Scatter", "Box", "Contour", "Curves", "Groups", "Importance", "Differences"], 4)
)
def test_numbers_beyond_all_bounds_break_no_view(app, fresh_store, plot):
    experiment = make_experiment(fresh_store, "odd")
    numbers = [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 7e307, -7e307, 5e-324, 1e-300, 0.0, *map(float, range(1, 14))]
    for n, value in enumerate(numbers):
        run_id = log_run(fresh_store, experiment, f"r{n}", params={"n": n, "m": n * n % 7}, metrics={"acc": value}, model=False)
        client(fresh_store).log_metric(run_id, "acc", value, step=1)
    page = app(
        "compare",
        fresh_store,
        experiment=experiment,
        plot=plot,
        color="metrics.acc",
        y="metrics.acc",
        x="params.n",
        by="params.m",
    )
    for chart in page.get("vega_lite_chart"):
        json.loads(chart.proto.spec, parse_constant=lambda constant: pytest.fail(f"{constant} in the chart"))
