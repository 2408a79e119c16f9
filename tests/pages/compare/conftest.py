"""Two experiments that most tests of the Compare page start from."""

import pytest

from tests.support.run_factories import log_run, make_experiment


@pytest.fixture
def wine(fresh_store):
    """Three forests as created by demo 1: (experiment id, run ids of 1, 5 and 15 trees)."""
    experiment = make_experiment(fresh_store, "wine")
    ids = [
        log_run(
            fresh_store,
            experiment,
            f"forest-{trees}",
            params={"trees": trees, "test_rows": 18, "seed": 42},
            metrics={"accuracy": right / 18, "log loss": loss},
            minute=minute,
        )
        for minute, (trees, right, loss) in enumerate([(1, 12, 0.9), (5, 17, 0.4), (15, 17, 0.2)])
    ]
    return experiment, ids


@pytest.fixture
def search(fresh_store):
    """A parent with a model and two children without: (experiment id, parent, children)."""
    experiment = make_experiment(fresh_store, "search")
    parent = log_run(fresh_store, experiment, "grid", metrics={"best accuracy": 0.9})
    children = [
        log_run(
            fresh_store,
            experiment,
            f"trial-{n}",
            params={"n": n},
            metrics={"cv accuracy": n / 10},
            parent=parent,
            model=False,
            minute=n,
        )
        for n in (1, 2)
    ]
    return experiment, parent, children
