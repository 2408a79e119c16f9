"""Metrics of versions: intervals as logged, never estimated, and their chart for any history."""

from datetime import UTC, datetime

import pytest

from lib.ledger.charts.version_metric_chart import version_metric_chart
from lib.ledger.queries.version_metrics import (
    LOGGED_BOUNDS,
    LOGGED_STANDARD_DEVIATION,
    main_metrics,
    metric_names,
    version_metrics,
)
from lib.registry.reader import read_book_state
from lib.registry.register import register
from lib.runs.export.chart_image import render_svg
from lib.theme import DARK, LIGHT
from lib.ui.app.page_links import STATIC_FOLDER
from tests.support.ledger_stores import make_trained_run, make_writer


@pytest.fixture
def entries(fresh_store):
    from lib.backends.mlflow_client import client
    from lib.ledger.state.holdings import recorded_holdings
    from lib.registry.move_plan import Decision, MoveRequest
    from lib.registry.promote import move_version
    from tests.support.ledger_stores import REASON

    for n, (name, value) in enumerate((("forest-1-tree", 0.8), ("forest-5-trees", 0.9)), 1):
        run_id = make_trained_run(fresh_store, name, value)
        for metric, number in (("accuracy_low", value - 0.1), ("accuracy_high", value + 0.1), ("mean_cv", 0.7), ("std_cv", 0.02)):
            if n == 2:
                client(fresh_store).log_metric(run_id, metric, number)
        client(fresh_store).log_metric(run_id, "auc", float("nan") if n == 1 else 0.95)
        register(make_writer(fresh_store), run_id, "wine", "Trees.")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), Decision(REASON))
    entries = read_book_state(fresh_store, "wine").book.entries
    assert recorded_holdings(entries)
    return entries


def test_the_ends_of_an_interval_are_no_metrics_of_their_own(entries):
    assert metric_names(entries) == ("accuracy", "auc", "mean_cv")
    assert main_metrics(["loss", "loss_low", "f1", "std_x", "mean_x"]) == ("f1", "loss", "mean_x")


def test_an_interval_is_told_where_it_was_logged_and_nowhere_else(entries):
    first, second = version_metrics(entries, "accuracy")
    assert (first.version, first.low, first.high, first.interval_source) == ("1", None, None, "")
    assert (second.low, second.high, second.interval_source) == (0.8, 1.0, LOGGED_BOUNDS)
    (spread,) = version_metrics(entries, "mean_cv")
    assert (spread.low, spread.high, spread.interval_source) == (
        pytest.approx(0.68),
        pytest.approx(0.72),
        LOGGED_STANDARD_DEVIATION,
    )
    assert [point.version for point in version_metrics(entries, "auc")] == ["2"]  # NaN does not count as a value
    assert version_metrics(entries, "none") == ()


@pytest.mark.parametrize("ink", [LIGHT, DARK])
@pytest.mark.parametrize("metric", ["accuracy", "auc"])
def test_the_timeline_draws_points_names_intervals_and_bands(entries, metric, ink):
    from lib.ledger.state.holdings import recorded_holdings

    holdings = [holding for holding in recorded_holdings(entries) if holding.slot == "production"]
    for bands in (holdings, []):
        svg = render_svg(
            version_metric_chart(version_metrics(entries, metric), bands, ink, datetime.now(UTC), "wine"),
            ink,
            STATIC_FOLDER / "fonts",
        )
        assert "v2" in svg
        assert "wine" in svg
