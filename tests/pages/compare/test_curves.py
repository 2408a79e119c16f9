"""Compare's Curves plot: options come from the URL, and every empty state names what is missing."""

import math

import pytest
import streamlit as st

from lib.backends.mlflow_client import client
from lib.runs.reading import sqlite_reader
from tests.support.compare_page import EVIL, chart_alt, chart_spec, page_text, query_values
from tests.support.run_factories import log_points, make_experiment


@pytest.fixture
def nets(fresh_store):
    """Three runs with a loss per step and a single accuracy: (experiment id, run ids)."""
    experiment = make_experiment(fresh_store, "nets")
    ids = []
    for run in range(3):
        losses = [("loss", (run + 1) / (step + 1), step, step * 1000) for step in range(6)]
        ids.append(log_points(fresh_store, [*losses, ("accuracy", 0.9, 0, 0)], experiment))
    return experiment, ids


def open_curves(app, store, experiment, **query):
    return app("compare", store, experiment=experiment, plot="Curves", **query)


def test_without_a_wish_the_metric_with_a_history_is_drawn(app, fresh_store, nets):
    page = open_curves(app, fresh_store, nets[0])
    assert page.selectbox(key="compare.y").value == "metrics.loss"
    assert chart_spec(page)["title"]["text"] == "loss ↓"
    assert chart_alt(page).startswith("loss ↓ of 3 runs over step; ")
    assert "y" not in page.query_params


def test_each_option_goes_into_the_address_and_comes_back(app, fresh_store, nets):
    page = open_curves(app, fresh_store, nets[0])
    page.segmented_control(key="compare.along").set_value("relative").run()
    page.slider(key="compare.smooth").set_value(0.6).run()
    page.toggle(key="compare.curve_log").set_value(True).run()
    page.toggle(key="compare.curve_band").set_value(True).run()
    assert [query_values(page, name) for name in ("along", "smooth", "log", "mark")] == [
        ["relative"],
        ["0.60"],
        ["metrics.loss"],
        ["band"],
    ]
    assert "Faint lines: values as logged." in page_text(page)
    second_page = open_curves(app, fresh_store, nets[0], along="relative", smooth="0.60", log="metrics.loss", mark="band")
    assert second_page.slider(key="compare.smooth").value == 0.6
    kinds = [layer["mark"]["type"] for layer in chart_spec(second_page)["layer"]]
    assert kinds == ["area", "line", "line", "line", "point"]
    second_page.toggle(key="compare.curve_log").set_value(False).run()
    assert "log" not in second_page.query_params


@pytest.mark.parametrize(
    "odd",
    [{"smooth": "much"}, {"smooth": "nan"}, {"smooth": "7"}, {"along": "?"}, {"y": "params.n"}, {"mark": "x"}, {"log": "y"}],
)
def test_an_odd_address_falls_back_quietly(app, fresh_store, nets, odd):
    page = open_curves(app, fresh_store, nets[0], **odd)
    assert chart_alt(page).startswith("loss ↓ of 3 runs")


def test_a_metric_logged_once_says_so_and_leads_to_one_with_a_history(app, fresh_store, nets):
    page = open_curves(app, fresh_store, nets[0], y="metrics.accuracy")
    assert "No curve: each run logged this metric only once" in page_text(page)
    assert "Metrics with a history: loss." in page_text(page)
    page.button(key="compare.curve_other").click().run()
    assert query_values(page, "y") == ["metrics.loss"]
    assert len(page.get("vega_lite_chart")) == 1


def test_no_metric_with_a_history_says_what_is_needed(app, fresh_store):
    experiment, bare = (make_experiment(fresh_store, name) for name in ("once", "bare"))
    log_points(fresh_store, [("accuracy", 0.5, 0, 0)], experiment)
    log_points(fresh_store, [], bare)
    assert "Log it once per step" in page_text(open_curves(app, fresh_store, experiment))
    assert "No metric to plot" in page_text(open_curves(app, fresh_store, bare))


def test_one_run_alone_has_a_curve(app, fresh_store):
    experiment = make_experiment(fresh_store, "one")
    log_points(fresh_store, [("loss", 1.0, 0, 0), ("loss", math.nan, 1, 1), ("loss", 0.5, 2, 2)], experiment)
    page = open_curves(app, fresh_store, experiment)
    assert chart_alt(page) == "loss ↓ of 1 run over step"
    assert "1\u00a0value is NaN or infinite and shown as a gap." in page_text(page)


def test_values_that_have_no_place_are_told(app, fresh_store):
    experiment, negative = (make_experiment(fresh_store, name) for name in ("lost", "zero"))
    log_points(fresh_store, [("loss", math.nan, step, 0) for step in range(3)], experiment)
    log_points(fresh_store, [("gain", -1.0, step, 0) for step in range(3)], negative)
    assert "All values are NaN or infinite." in page_text(open_curves(app, fresh_store, experiment))
    page = open_curves(app, fresh_store, negative, log="metrics.gain")
    assert "A log axis needs values above zero." in page_text(page)
    page.toggle(key="compare.curve_log").set_value(False).run()
    assert len(page.get("vega_lite_chart")) == 1


def test_runs_without_the_metric_are_left_out_and_it_says_how_many(app, fresh_store, nets):
    log_points(fresh_store, [("accuracy", 0.8, 0, 0)], nets[0])
    assert "Showing 3 of 4\u00a0runs: the others did not log this metric." in page_text(open_curves(app, fresh_store, nets[0]))


def test_a_run_that_ended_as_nan_is_drawn_as_far_as_it_came(app, fresh_store, nets):
    log_points(fresh_store, [("loss", 1.0, 0, 0), ("loss", 2.0, 1, 1), ("loss", math.nan, 2, 2)], nets[0])
    assert chart_alt(open_curves(app, fresh_store, nets[0])).startswith("loss ↓ of 4 runs")


def test_only_the_picked_runs_are_drawn_when_asked(app, fresh_store, nets):
    page = open_curves(app, fresh_store, nets[0], pick=nets[1][:2], only="picked")
    assert chart_alt(page).startswith("loss ↓ of 2 runs")


def test_more_than_fifty_runs_are_capped_and_the_picked_stay(app, fresh_store):
    experiment = make_experiment(fresh_store, "many")
    ids = [log_points(fresh_store, [("loss", 1.0, 0, 0), ("loss", 0.5, 1, 1)], experiment) for _ in range(53)]
    page = open_curves(app, fresh_store, experiment, pick=[ids[0], ids[1]])
    assert "Showing 50 of 53\u00a0runs: picked runs, then the first in the table with this metric." in page_text(page)
    assert any(layer["mark"]["type"] == "text" for layer in chart_spec(page)["layer"])


def test_new_points_of_a_running_run_are_seen_with_the_next_reading(app, fresh_store, nets):
    page = open_curves(app, fresh_store, nets[0], pick=nets[1][:1], only="picked")
    client(fresh_store).log_metric(nets[1][0], "loss", math.nan, step=7)
    page.button(key="compare.again").click().run()
    assert "1\u00a0value is NaN" in page_text(page)


def test_the_page_is_the_same_through_the_client(app, fresh_store, nets, monkeypatch):
    direct_page = open_curves(app, fresh_store, nets[0])
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())
    st.cache_data.clear()
    page = open_curves(app, fresh_store, nets[0], smooth="0.5")
    assert chart_alt(page) == chart_alt(direct_page)


def test_hostile_names_stay_text(app, fresh_store):
    experiment = make_experiment(fresh_store, EVIL)
    for _ in range(2):
        run_id = log_points(fresh_store, [("loss", 1.0, 0, 0), ("loss", 0.5, 1, 1), ("a:b", 1.0, 0, 0)], experiment)
        client(fresh_store).update_run(run_id, name=EVIL)
    page = open_curves(app, fresh_store, experiment, y="metrics.a:b")
    assert "![x]" not in page_text(page)
    assert "<img" not in page_text(open_curves(app, fresh_store, experiment))
