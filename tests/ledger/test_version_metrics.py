"""What versions measured: intervals as they were logged, never estimated, and the chart of them on every history."""

from datetime import UTC, datetime

import pytest

from lib.ledger.charts.version_metric_chart import timeline
from lib.ledger.queries.version_metrics import BY_ENDS, BY_SPREAD, metrics, points, telling
from lib.registry.reader import recorded
from lib.registry.register import register
from lib.runs.export.chart_image import svg
from lib.theme import DARK, LIGHT
from lib.ui.app.routes import STATIC
from tests.support.ledger_stores import trained, writer


@pytest.fixture
def entries(fresh_store):
    from lib.backends.mlflow_client import client
    from lib.ledger.state.holdings import holdings
    from lib.registry.promote import Wish, move
    from tests.support.ledger_stores import WHY

    for n, (name, value) in enumerate((("forest-1-tree", 0.8), ("forest-5-trees", 0.9)), 1):
        run_id = trained(fresh_store, name, value)
        for metric, number in (("accuracy_low", value - 0.1), ("accuracy_high", value + 0.1), ("mean_cv", 0.7), ("std_cv", 0.02)):
            if n == 2:
                client(fresh_store).log_metric(run_id, metric, number)
        client(fresh_store).log_metric(run_id, "auc", float("nan") if n == 1 else 0.95)
        register(writer(fresh_store), run_id, "wine", "Trees.")
    move(writer(fresh_store), Wish("wine", "1", "Production", WHY))
    found = recorded(fresh_store, "wine").reading.entries
    assert holdings(found)
    return found


def test_the_ends_of_an_interval_are_no_metrics_of_their_own(entries):
    assert metrics(entries) == ("accuracy", "auc", "mean_cv")
    assert telling(["loss", "loss_low", "f1", "std_x", "mean_x"]) == ("f1", "loss", "mean_x")


def test_an_interval_is_told_where_it_was_logged_and_nowhere_else(entries):
    first, second = points(entries, "accuracy")
    assert (first.version, first.low, first.high, first.how) == ("1", None, None, "")
    assert (second.low, second.high, second.how) == (0.8, 1.0, BY_ENDS)
    (spread,) = points(entries, "mean_cv")
    assert (spread.low, spread.high, spread.how) == (pytest.approx(0.68), pytest.approx(0.72), BY_SPREAD)
    assert [one.version for one in points(entries, "auc")] == ["2"]  # NaN is no value
    assert points(entries, "none") == ()


@pytest.mark.parametrize("ink", [LIGHT, DARK])
@pytest.mark.parametrize("metric", ["accuracy", "auc"])
def test_the_timeline_draws_points_names_intervals_and_bands(entries, metric, ink):
    from lib.ledger.state.holdings import holdings

    held = [one for one in holdings(entries) if one.slot == "production"]
    for behind in (held, []):
        drawn = svg(timeline(points(entries, metric), behind, ink, datetime.now(UTC), "wine"), ink, STATIC / "fonts")
        assert "v2" in drawn
        assert "wine" in drawn
