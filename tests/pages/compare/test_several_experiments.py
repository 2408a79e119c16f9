"""Runs of several experiments on the Compare page: equal names stay distinct, and the experiment can colour and group runs."""

import json

import pytest

from tests.support.compare_page import EVIL, chart_spec, page_text, query_values
from tests.support.run_factories import log_run, make_experiment

PLOTS_WITH_TOOLTIPS = ("Parallel", "Scatter", "Box", "Groups")


@pytest.fixture
def twins(fresh_store):
    """Two experiments with the same four forests, name for name and value for value: (experiment ids, run ids)."""
    experiments = [make_experiment(fresh_store, name) for name in ("wine", f"beer {EVIL}")]
    runs = [
        log_run(
            fresh_store,
            experiment,
            f"forest-{trees}",
            params={"trees": trees},
            metrics={"accuracy": 0.6 + trees / 100},
            minute=trees,
        )
        for experiment in experiments
        for trees in (1, 2, 3, 4)
    ]
    return experiments, runs


def tooltips(spec: dict) -> list[list[str]]:
    """Return the field titles of every tooltip about a run."""
    tooltips_by_layer = [layer["encoding"].get("tooltip", []) for layer in spec["layer"]]
    return [[entry["title"] for entry in entries] for entries in tooltips_by_layer if entries and entries[0]["title"] == "Run"]


@pytest.mark.parametrize("plot", PLOTS_WITH_TOOLTIPS)
def test_a_tooltip_names_the_experiment_where_there_are_several_and_only_there(app, fresh_store, twins, plot):
    (wine, beer), _ = twins
    of_both = tooltips(chart_spec(app("compare", fresh_store, experiment=[wine, beer], plot=plot, by=["params.trees"])))
    assert of_both
    assert all(titles[:2] == ["Run", "Experiment"] for titles in of_both)
    if plot == "Groups":  # no single experiment repeats these runs
        return
    of_one = tooltips(chart_spec(app("compare", fresh_store, experiment=[wine], plot=plot)))
    assert of_one
    assert all("Experiment" not in titles for titles in of_one)


def test_the_experiment_can_colour_and_then_every_run_has_the_colour_of_its_own(app, fresh_store, twins):
    wine, beer = twins[0]
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Scatter", x="params.trees", y="metrics.accuracy")
    selectbox = page.selectbox(key="compare.color")
    selectbox.set_value("experiment").run()
    assert query_values(page, "mark") == ["experiment"]
    spec = chart_spec(page)
    color = next(layer["encoding"]["color"] for layer in spec["layer"] if "condition" in layer["encoding"].get("color", {}))
    assert len(set(color["condition"]["scale"]["range"])) == 2
    assert EVIL not in json.dumps([layer for layer in spec["layer"] if "transform" in layer])
    page.selectbox(key="compare.color").set_value("metrics.accuracy").run()
    assert query_values(page, "mark") == []
    assert "tint" not in json.dumps(chart_spec(page)["layer"])


def test_alone_an_experiment_is_offered_no_colour_by_experiment(app, fresh_store, twins):
    page = app("compare", fresh_store, experiment=[twins[0][0]], mark=["experiment"])
    assert page.selectbox(key="compare.color").options == ["Colour: accuracy"]
    assert "tint" not in json.dumps(chart_spec(page)["layer"])


def test_equal_runs_of_two_experiments_are_no_repeats_of_each_other(app, fresh_store, twins):
    (wine, beer), _ = twins
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups")
    assert "no repeated runs" in page_text(page)
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups", by=["params.trees"])
    assert "no repeated runs" not in page_text(page)
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups", by=["experiment"])
    assert len(set(page.dataframe[0].value["experiment"])) == 2
    assert "wine" in set(page.dataframe[0].value["experiment"])


def test_the_table_under_a_brush_and_the_chips_name_the_experiment(app, fresh_store, twins):
    (wine, beer), runs = twins
    page = app("compare", fresh_store, experiment=[wine, beer], range=["params.trees:1..1"], pick=[runs[0], runs[4]])
    assert sorted(page.dataframe[0].value["home"])[1] == "wine"
    links = [link.proto.label for link in page.main.get("page_link")]
    assert [label.split(" ")[0] for label in links] == ["forest&#45;1", "forest&#45;1"]
    assert "wine" in links[0]
    assert "wine" not in links[1]
    assert "beer" in links[1]


def test_the_one_picked_run_has_a_link_to_its_page(app, fresh_store, twins):
    (wine, _), runs = twins
    page = app("compare", fresh_store, experiment=[wine], pick=[runs[1]])
    links = [link.proto for link in page.main.get("page_link")]
    assert [link.label for link in links] == ["Open forest&#45;2"]
    assert runs[1] in links[0].query_string
    assert not app("compare", fresh_store, experiment=[wine]).main.get("page_link")
