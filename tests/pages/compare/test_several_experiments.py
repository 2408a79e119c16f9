"""Runs of several experiments on the Compare page: equal names stay two runs, and the experiment can colour, group and be read."""

import json

import pytest

from tests.pages.compare.test_page import EVIL, address, said
from tests.pages.compare.test_plots import spec
from tests.support.run_factories import log_run, make_experiment

POINTED = ("Parallel", "Scatter", "Box", "Groups")


@pytest.fixture
def twins(fresh_store):
    """Two experiments with the same four forests, name for name and value for value: (experiment ids, run ids)."""
    homes = [make_experiment(fresh_store, name) for name in ("wine", f"beer {EVIL}")]
    runs = [
        log_run(
            fresh_store,
            home,
            f"forest-{trees}",
            params={"trees": trees},
            metrics={"accuracy": 0.6 + trees / 100},
            minute=trees,
        )
        for home in homes
        for trees in (1, 2, 3, 4)
    ]
    return homes, runs


def tooltips(chart: dict) -> list[list[str]]:
    """The titles of every tooltip that tells of a run."""
    found = [layer["encoding"].get("tooltip", []) for layer in chart["layer"]]
    return [[one["title"] for one in tips] for tips in found if tips and tips[0]["title"] == "Run"]


@pytest.mark.parametrize("plot", POINTED)
def test_a_tooltip_names_the_experiment_where_there_are_several_and_only_there(app, fresh_store, twins, plot):
    (wine, beer), _ = twins
    both = tooltips(spec(app("compare", fresh_store, experiment=[wine, beer], plot=plot, by=["params.trees"])))
    assert both
    assert all(tips[:2] == ["Run", "Experiment"] for tips in both)
    if plot == "Groups":  # these runs are repeated in no experiment alone
        return
    alone = tooltips(spec(app("compare", fresh_store, experiment=[wine], plot=plot)))
    assert alone
    assert all("Experiment" not in tips for tips in alone)


def test_the_experiment_can_colour_and_then_every_run_has_the_colour_of_its_own(app, fresh_store, twins):
    wine, beer = twins[0]
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Scatter", x="params.trees", y="metrics.accuracy")
    choice = page.selectbox(key="compare.color")
    choice.set_value("experiment").run()
    assert address(page, "mark") == ["experiment"]
    chart = spec(page)
    color = next(layer["encoding"]["color"] for layer in chart["layer"] if "condition" in layer["encoding"].get("color", {}))
    assert len(set(color["condition"]["scale"]["range"])) == 2
    assert EVIL not in json.dumps([one for one in chart["layer"] if "transform" in one])
    page.selectbox(key="compare.color").set_value("metrics.accuracy").run()
    assert address(page, "mark") == []
    assert "tint" not in json.dumps(spec(page)["layer"])


def test_alone_an_experiment_is_offered_no_colour_by_experiment(app, fresh_store, twins):
    page = app("compare", fresh_store, experiment=[twins[0][0]], mark=["experiment"])
    assert page.selectbox(key="compare.color").options == ["Colour: accuracy"]
    assert "tint" not in json.dumps(spec(page)["layer"])


def test_equal_runs_of_two_experiments_are_no_repeats_of_each_other(app, fresh_store, twins):
    (wine, beer), _ = twins
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups")
    assert "no run is repeated" in said(page)
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups", by=["params.trees"])
    assert "no run is repeated" not in said(page)
    page = app("compare", fresh_store, experiment=[wine, beer], plot="Groups", by=["experiment"])
    assert len(set(page.dataframe[0].value["experiment"])) == 2
    assert "wine" in set(page.dataframe[0].value["experiment"])


def test_the_table_under_a_brush_and_the_chips_name_the_experiment(app, fresh_store, twins):
    (wine, beer), runs = twins
    page = app("compare", fresh_store, experiment=[wine, beer], range=["params.trees:1..1"], pick=[runs[0], runs[4]])
    assert sorted(page.dataframe[0].value["home"])[1] == "wine"
    links = [one.proto.label for one in page.main.get("page_link")]
    assert [label.split(" ")[0] for label in links] == ["forest&#45;1", "forest&#45;1"]
    assert "wine" in links[0]
    assert "wine" not in links[1]
    assert "beer" in links[1]


def test_the_one_picked_run_has_a_link_to_its_page(app, fresh_store, twins):
    (wine, _), runs = twins
    page = app("compare", fresh_store, experiment=[wine], pick=[runs[1]])
    links = [one.proto for one in page.main.get("page_link")]
    assert [one.label for one in links] == ["Open forest&#45;2"]
    assert runs[1] in links[0].query_string
    assert not app("compare", fresh_store, experiment=[wine]).main.get("page_link")
