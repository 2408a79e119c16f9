"""The arrow next to the colour sets a metric's direction for the entire page."""

import json
import time

import pytest

from lib.backends.credentials import create_credential
from lib.backends.mlflow_client import client
from lib.runs.analysis.direction_tags import DIRECTIONS_TAG
from tests.support.auth_server import password
from tests.support.compare_page import chart_alt, open_popover, page_text, run_names
from tests.support.page_driver import click_button
from tests.support.run_factories import log_run, make_experiment


@pytest.fixture
def search_by_value(fresh_store):
    """A study with trials at 0.9, 0.2 and 0.5 in a metric of unknown direction: (experiment, trial ids)."""
    experiment = make_experiment(fresh_store, "search")
    study = log_run(fresh_store, experiment, "study", model=False)
    return experiment, [
        log_run(fresh_store, experiment, f"trial {n}", params={"n": n}, metrics={"q": value}, parent=study, minute=n)
        for n, value in enumerate((0.9, 0.2, 0.5))
    ]


def direction_tag(store, experiment):
    text = client(store).get_experiment(experiment).tags.get(DIRECTIONS_TAG)
    return json.loads(text)["metrics"] if text else None


def choose_direction(page, direction):
    page = open_popover(page, "direction")
    page.segmented_control(key="compare.direction").set_value(direction).run()
    assert not page.exception
    return page


def test_an_unknown_metric_has_no_arrow_and_no_best_run_and_registering_asks(app, fresh_store, search_by_value):
    page = app("compare", fresh_store, experiment=search_by_value[0], children="best")
    assert "All children are shown because the direction of q is not set" in page_text(page)
    assert "The best q" not in chart_alt(page)
    page = click_button(page, "compare.register")
    assert page.session_state["compare.drawer.direction"]
    assert "Not set and not inferable from the name" in page_text(page)


def test_a_click_sets_the_direction_for_the_team_and_the_page_follows(app, fresh_store, search_by_value):
    experiment, _ = search_by_value
    page = choose_direction(app("compare", fresh_store, experiment=experiment), "less")
    assert direction_tag(fresh_store, experiment) == {"q": "less"}
    assert "The best q ↓ is 0.2000, reached by trial 1" in chart_alt(page)
    for direction, best_trial in (("less", "trial 1"), ("more", "trial 0")):
        page = choose_direction(app("compare", fresh_store, experiment=experiment, children="best"), direction)
        assert run_names(page) == [best_trial]
    assert direction_tag(fresh_store, experiment) == {"q": "more"}


def test_a_reader_sets_it_for_the_session_and_is_told_so(app, signed_server, monkeypatch):
    ana, rae = (create_credential(signed_server.backend, name, password(name)) for name in ("ana", "rae"))
    store = signed_server.backend.with_principal(ana.principal)
    experiment = make_experiment(store, f"search {time.time_ns()}")
    for n, value in enumerate((0.9, 0.2)):
        log_run(store, experiment, f"trial {n}", params={"n": n}, metrics={"q": value}, minute=n, model=False)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "rae")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password("rae"))
    page = choose_direction(app("compare", signed_server.backend, experiment=experiment), "less")
    assert direction_tag(store, experiment) is None
    assert "The best q ↓ is 0.2000, reached by trial 1" in chart_alt(page)
    assert "q is set for this browser session only" in " ".join(str(warning.value) for warning in page.warning)
    del ana, rae


def test_the_machines_metrics_come_last_everywhere(app, fresh_store):
    experiment = make_experiment(fresh_store, "machine")
    for n in range(3):
        log_run(
            fresh_store, experiment, f"r{n}", params={"n": n}, metrics={f"system/{k}": n for k in "abcdefghijk"} | {"loss": n}
        )
    page = app("compare", fresh_store, experiment=experiment)
    assert page.selectbox(key="compare.color").options[0] == "Colour: loss"
    assert "system/" not in chart_alt(page).partition(". ")[0]
    assert "Not shown: system/a" in page_text(page).replace("&#47;", "/")
