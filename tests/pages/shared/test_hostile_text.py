"""Hostile names and texts on every page: labels, help, dialog titles, options and chart specifications never carry them unescaped."""

import re

import pytest
from mlflow.entities import Metric

from lib.backends.mlflow_client import client
from lib.ui.app.navigation import MENU_PAGES
from lib.ui.pages.compare.view_state import PLOT_NAMES
from tests.support.hostile_text import HOSTILE, WIDE_METRICS, active_texts, chart_specs, fill_hostile_store, spec_parts
from tests.support.page_driver import find_button

STRING_LITERAL = re.compile(r"""("|')(?:\\.|(?!\1).)*\1""")
"""Of Vega's expression language."""
HOSTILE_PARAM = "params.:material-check: www.evil.invalid"


@pytest.fixture
def hostile_run(fresh_store):
    run_id = fill_hostile_store(fresh_store)
    client(fresh_store).log_batch(run_id, metrics=[Metric("accuracy", n / 10, n, n) for n in range(5)])
    return run_id


@pytest.mark.parametrize("name", [*(page.name for page in MENU_PAGES), "run"])
def test_nothing_that_a_page_reads_as_markdown_holds_a_hostile_text(app, fresh_store, hostile_run, name):
    page = app(name, fresh_store, **({"run": hostile_run} if name == "run" else {}))
    assert active_texts(page) == []


@pytest.mark.parametrize("label", ["Rename", "Edit note", "Edit tags", "Delete"])
def test_the_dialogs_of_a_run_escape_what_they_name(app, fresh_store, hostile_run, label):
    page = app("run", fresh_store, run=hostile_run)
    find_button(page, label).click().run()
    assert any(button.key == "run.confirm" for button in page.button)
    assert active_texts(page) == []


def test_the_dialog_of_a_move_escapes_what_it_names(app, fresh_store, hostile_run):
    page = app("models", fresh_store)
    find_button(page, "Move to Production").click().run()
    assert any(button.key == "models.confirm" for button in page.button)
    assert active_texts(page) == []


@pytest.mark.parametrize("plot", PLOT_NAMES)
def test_a_plot_over_hostile_columns_draws_them_as_text_and_fetches_nothing(app, fresh_store, hostile_run, plot):
    experiment = client(fresh_store).get_run(hostile_run).info.experiment_id
    view = {"color": HOSTILE_PARAM, "x": HOSTILE_PARAM, "y": "metrics.accuracy", "by": HOSTILE_PARAM}
    page = app("compare", fresh_store, experiment=experiment, plot=plot, **view)
    assert not page.exception
    assert active_texts(page) == []
    specs = chart_specs(page)
    assert specs or plot in ("Differences", "Artifacts", "Importance", "Contour", "Groups")
    for spec in specs:
        assert list(spec_parts(spec, frozenset({"url", "href", "signal", "loader"}))) == []
        expressions = [
            str(value) for _, value in spec_parts(spec, frozenset({"expr", "calculate", "labelExpr", "filter", "test"}))
        ]
        assert not [text for text in expressions if "evil" in STRING_LITERAL.sub("", text)]


def test_the_store_holds_what_these_tests_look_for(app, fresh_store, hostile_run):
    page = app("compare", fresh_store, experiment=client(fresh_store).get_run(hostile_run).info.experiment_id)
    assert HOSTILE[:12] in str(page.dataframe[0].value.values)
    assert WIDE_METRICS[0] in str(page.dataframe[0].value.columns)
