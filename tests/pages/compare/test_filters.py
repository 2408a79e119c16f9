"""Finding runs on the Compare page: several experiments, facets, dates, states, families, values, columns, and data age."""

import html
import json

import pytest
import streamlit as st
from mlflow.entities import Metric
from mlflow.utils.search_utils import SearchUtils

from lib.backends.mlflow_client import client
from lib.runs.filters.facets import AnyOfFacet, ContainsFacet, RangeFacet, format_facet
from lib.ui.pages.compare import queries
from lib.ui.pages.compare.facet_widgets import facet_keys, parse_facets
from lib.ui.queries import runs
from tests.support.compare_page import EVIL, chart_spec, open_popover, page_text, query_values, run_names
from tests.support.run_factories import NOON, log_run, make_experiment


@pytest.fixture
def nets(fresh_store):
    """Three runs with fluctuating metrics: last 0.5, best 0.9, 0.8, 0.7; a loss that was lower at an earlier step."""
    experiment = make_experiment(fresh_store, "nets")
    ids = []
    for n in range(3):
        run_id = log_run(fresh_store, experiment, f"net-{n}", params={"n": n}, metrics={"accuracy": 0.9 - n / 10}, minute=n)
        points = [
            ("accuracy", 0.1, 1),
            ("accuracy", 0.5 + n / 100, 2),
            ("log loss", 0.1 * (n + 1), 0),
            ("log loss", 2 - n / 10, 1),
        ]
        client(fresh_store).log_batch(run_id, [Metric(key, value, NOON + step, step) for key, value, step in points])
        ids.append(run_id)
    return experiment, ids


def experiments_multiselect(page):
    return open_popover(page, "more").multiselect(key="compare.together")


def facet_widget(page, kind: str, facet, part: str):
    return getattr(open_popover(page, "refine"), kind)(key=f"{facet_keys([facet])[facet]}.{part}")


def refine_label(page) -> str:
    """Return the label of the Refine popover."""
    return next(
        popover.proto.popover.label for popover in page.get("popover") if popover.proto.popover.label.startswith("Refine")
    )


def unescaped_text(page) -> str:
    return page_text(page).replace("\u00a0", " ").replace("&#46;", ".").replace("&#95;", "_")


def column_values(page, name: str) -> list:
    return page.dataframe[0].value[name].tolist()


def headings(page) -> dict[str, str]:
    return {name: column.get("label") for name, column in json.loads(page.dataframe[0].proto.columns).items()}


# Several experiments


def test_experiments_are_compared_together_named_in_the_header_and_told_apart_in_the_table(app, fresh_store, wine, search):
    page = app("compare", fresh_store, experiment=wine[0])
    experiments_multiselect(page).set_value([wine[0], search[0]]).run()
    assert query_values(page, "experiment") == [wine[0], search[0]]
    assert page.caption[0].value.replace("\u00a0", " ").startswith("wine, search · 6 runs")
    assert page.selectbox(key="compare.experiment").options[0].replace("\u00a0", " ") == "2 experiments"
    assert dict(zip(run_names(page), column_values(page, "experiment"), strict=True)) == {
        **dict.fromkeys(["forest-1", "forest-5", "forest-15"], "wine"),
        **dict.fromkeys(["grid", "trial-1", "trial-2"], "search"),
    }


def test_the_last_experiment_cannot_be_taken_away(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0])
    experiments_multiselect(page).set_value([]).run()
    assert query_values(page, "experiment") == [wine[0]]
    assert experiments_multiselect(page).value == [wine[0]]
    assert len(run_names(page)) == 3


def test_one_of_several_experiments_is_chosen_alone_again(app, fresh_store, wine, search):
    page = app("compare", fresh_store, experiment=[wine[0], search[0]])
    page.selectbox(key="compare.experiment").set_value(search[0]).run()
    assert query_values(page, "experiment") == [search[0]]
    assert experiments_multiselect(page).value == [search[0]]


# State, dates


def test_deleted_runs_are_shown_alone_or_with_the_others(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], state="deleted")
    assert "No deleted run" in page_text(page)
    client(fresh_store).delete_run(wine[1][1])
    page.button(key="compare.clear").click().run()
    assert sorted(run_names(page)) == ["forest-1", "forest-15"]
    open_popover(page, "refine").segmented_control(key="compare.state").set_value("deleted").run()
    assert run_names(page) == ["forest-5"]
    assert query_values(page, "state") == ["deleted"]
    open_popover(page, "refine").segmented_control(key="compare.state").set_value("all").run()
    assert len(run_names(page)) == 3
    open_popover(page, "refine").segmented_control(key="compare.state").set_value("active").run()
    assert sorted(run_names(page)) == ["forest-1", "forest-15"]


def test_a_view_of_deleted_runs_does_not_call_the_active_ones_new(app, fresh_store, wine):
    client(fresh_store).delete_run(wine[1][0])
    page = app("compare", fresh_store, experiment=wine[0], state="deleted")
    assert "new" not in page.button(key="compare.again").label


def test_days_narrow_the_runs_and_nonsense_in_their_place_is_no_day(app, fresh_store):
    experiment = make_experiment(fresh_store, "days")
    for day in range(3):
        log_run(fresh_store, experiment, f"day-{day}", metrics={"a": day}, minute=day * 24 * 60)
    page = app("compare", fresh_store, experiment=experiment, since="2023-11-15")
    assert sorted(run_names(page)) == ["day-1", "day-2"]
    from datetime import date

    open_popover(page, "refine").date_input(key="compare.until").set_value(date(2023, 11, 15)).run()
    assert run_names(page) == ["day-1"]
    assert query_values(page, "until") == ["2023-11-15"]
    open_popover(page, "refine").date_input(key="compare.since").set_value(None).run()
    assert sorted(run_names(page)) == ["day-0", "day-1"]
    page = app("compare", fresh_store, experiment=experiment, since="yesterday", until="2023-99-99")
    assert len(run_names(page)) == 3
    assert refine_label(page) == "Refine"


# Facets


def test_a_range_is_added_changed_and_taken_away_by_its_chip(app, fresh_store, wine):
    page = open_popover(app("compare", fresh_store, experiment=wine[0]), "refine")
    page.selectbox(key="compare.narrow").set_value("metrics.accuracy").run()
    assert query_values(page, "facet") == ["metrics.accuracy:.."]
    assert len(run_names(page)) == 3
    facet = RangeFacet("metrics.accuracy")
    facet_widget(page, "number_input", facet, "least").set_value(0.9).run()
    assert query_values(page, "facet") == ["metrics.accuracy:0.9.."]
    assert sorted(run_names(page)) == ["forest-15", "forest-5"]
    facet_widget(page, "number_input", facet, "most").set_value(0.92).run()
    assert "No run matches the conditions under Refine" in page_text(page)  # both are at 0.944
    page.button(key=f"{facet_keys([facet])[facet]}.chip").click().run()
    assert query_values(page, "facet") == []
    assert len(run_names(page)) == 3


def test_values_are_added_changed_and_removed(app, fresh_store, wine):
    page = open_popover(app("compare", fresh_store, experiment=wine[0]), "refine")
    page.selectbox(key="compare.narrow").set_value("params.trees").run()
    facet = AnyOfFacet("params.trees", ())
    assert sorted(facet_widget(page, "multiselect", facet, "values").value) == ["1", "15", "5"]
    facet_widget(page, "multiselect", facet, "values").set_value(["5"]).run()
    assert query_values(page, "facet") == ["params.trees=5"]
    assert run_names(page) == ["forest-5"]
    assert page.button(key=f"{facet_keys([facet])[facet]}.chip").label == "trees is 5"
    facet_widget(page, "button", facet, "gone").click().run()
    assert len(run_names(page)) == 3


def test_a_part_of_a_name_narrows_the_runs(app, fresh_store, wine):
    page = open_popover(app("compare", fresh_store, experiment=wine[0]), "refine")
    page.selectbox(key="compare.narrow").set_value("name").run()
    facet_widget(page, "text_input", ContainsFacet("name", ""), "part").set_value("FOREST-1").run()
    assert sorted(run_names(page)) == ["forest-1", "forest-15"]
    assert query_values(page, "facet") == ["name~FOREST-1"]


def test_a_link_carries_all_kinds_and_they_count_together(app, fresh_store, wine):
    facets = ["metrics.accuracy:0.9..", "params.trees=5|15|~", "name~5"]
    page = app("compare", fresh_store, experiment=wine[0], facet=facets)
    assert sorted(run_names(page)) == ["forest-15", "forest-5"]
    assert query_values(page, "facet") == facets
    assert refine_label(page) == "Refine: 3"


@pytest.mark.parametrize(
    "texts", [["params.trees=5", "params.trees=10"], ["params.trees:5..", "params.trees:5.0.."], ["name~f", "name~o"]]
)
def test_a_link_with_several_conditions_on_one_column_shows_each_once(app, fresh_store, wine, texts):
    page = app("compare", fresh_store, experiment=wine[0], facet=texts)
    facets = parse_facets(texts)
    chips = [page.button(key=f"{key}.chip") for key in facet_keys(facets).values()]
    assert len(chips) == len(facets)
    chips[0].click().run()
    assert not page.exception
    assert query_values(page, "facet") == [format_facet(facet) for facet in facets[1:]]


def test_a_column_with_a_hostile_name_is_a_facet_like_any_other(app, fresh_store):
    experiment, odd = make_experiment(fresh_store, "odd"), "a:b=c~d|e%3A `x` [y]($z$)"
    hostile_name = EVIL[:60]
    for n, value in enumerate((hostile_name, "x|y", "~")):
        log_run(fresh_store, experiment, f"r{n}", metrics={"m": n}, minute=n, tags={odd: value, hostile_name: str(n)})
    page = open_popover(app("compare", fresh_store, experiment=experiment), "refine")
    for name in (f"tags.{odd}", f"tags.{hostile_name}"):
        open_popover(page, "refine").selectbox(key="compare.narrow").set_value(name).run()
    facet_widget(page, "multiselect", AnyOfFacet(f"tags.{odd}", ()), "values").set_value([hostile_name, "~"]).run()
    assert sorted(run_names(page)) == ["r0", "r2"]
    assert "![x]" not in page_text(page)
    assert not any("![x]" in button.label or "<img" in button.label for button in page.button)
    facets = query_values(page, "facet")
    page = app("compare", fresh_store, experiment=experiment, facet=facets)
    assert sorted(run_names(page)) == ["r0", "r2"]


def test_a_facet_on_a_column_that_is_not_there_is_named_and_can_be_taken_away(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], facet=["metrics.gone:0..1", "params.seed=42"])
    assert "A condition uses metric gone, which no run here logged" in page_text(page)
    assert "No run matches the conditions under Refine." in page_text(page)
    page.button(key="compare.clear").click().run()
    assert len(run_names(page)) == 3
    page = app("compare", fresh_store, experiment=wine[0], facet="params.gone=~")
    assert "A condition uses parameter gone, which no run here logged" in page_text(page)
    assert len(run_names(page)) == 3


def test_a_filter_and_conditions_that_leave_nothing_are_both_named_and_cleared(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0.9", facet="params.trees=1")
    assert "and the conditions under Refine." in page_text(page)
    page.button(key="compare.clear").click().run()
    assert len(run_names(page)) == 3
    assert not {"filter", "facet"} & set(page.query_params)


# Families


def test_only_the_children_of_a_parent_are_chosen_and_let_go(app, fresh_store, search):
    page = open_popover(app("compare", fresh_store, experiment=search[0]), "refine")
    page.selectbox(key="compare.parent").set_value(search[1]).run()
    assert sorted(run_names(page)) == ["trial-1", "trial-2"]
    assert query_values(page, "parent") == [search[1]]
    open_popover(page, "refine").selectbox(key="compare.parent").set_value("").run()
    assert len(run_names(page)) == 3


def test_a_parent_that_has_no_children_leaves_nothing_and_says_so(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], parent=wine[1][0])
    assert "No run matches the conditions under Refine" in page_text(page)
    assert open_popover(page, "refine").selectbox(key="compare.parent").value == wine[1][0]
    page.button(key="compare.clear").click().run()
    assert len(run_names(page)) == 3


def test_the_best_child_stands_for_its_parent(app, fresh_store, search):
    for color in ("metrics.cv accuracy", "", "nonsense"):
        page = app("compare", fresh_store, experiment=search[0], children="best", color=color)
        assert run_names(page) == (["trial-2"] if color == "metrics.cv accuracy" else run_names(page))
        assert "grid" not in run_names(page)
        assert len(run_names(page)) == 1


# Values of a metric


@pytest.mark.parametrize(("stat", "wanted"), [("best", [0.9, 0.8, 0.7]), ("min", [0.1] * 3), ("max", [0.9, 0.8, 0.7])])
def test_the_value_of_a_metric_is_chosen_for_table_chart_and_action(app, fresh_store, nets, stat, wanted):
    page = app("compare", fresh_store, experiment=nets[0])
    assert column_values(page, "metrics.accuracy") == [0.52, 0.51, 0.5]
    page.selectbox(key="compare.stat").set_value(stat).run()
    assert query_values(page, "stat") == [stat]
    assert column_values(page, "metrics.accuracy") == wanted
    losses = {"best": [0.1, 0.2, 0.3], "min": [0.1, 0.2, 0.3], "max": [2.0, 1.9, 1.8]}[stat]
    assert sorted(column_values(page, "metrics.log loss")) == pytest.approx(sorted(losses))
    page.segmented_control(key="compare.plot").set_value("Scatter").run()
    assert ('"domain": [0.7, 0.9]' in json.dumps(chart_spec(page))) == (stat != "min")
    page = app("compare", fresh_store, experiment=nets[0], stat=stat)
    best = (
        "net-2: accuracy ↑ 0.1000. 2 other runs reached the same value; this is the newest."
        if stat == "min"
        else "net-0: accuracy ↑ 0.9000."
    )
    assert html.unescape(page.button(key="compare.register").help).replace("\u00a0", " ") == best


# The filter


def test_a_filter_is_parsed_once_each_time_the_page_is_drawn(app, fresh_store, wine, monkeypatch):
    texts, parse_search_filter = [], SearchUtils.parse_search_filter
    monkeypatch.setattr(SearchUtils, "parse_search_filter", lambda text: texts.append(text) or parse_search_filter(text))
    page = app("compare", fresh_store, experiment=wine[0], filter=" metrics.accuracy > 0.9 ")
    assert list(filter(None, texts)) == ["metrics.accuracy > 0.9"]  # MLflow itself parses the missing filter of other reads
    page.segmented_control(key="compare.plot").set_value("Scatter").run()
    assert list(filter(None, texts)) == ["metrics.accuracy > 0.9"] * 2


# If not all runs were read


@pytest.fixture
def small_run_limit(monkeypatch):
    """Limit the first read to the two newest runs."""
    monkeypatch.setattr(queries, "DEFAULT_RUN_LIMITS", {"sqlite": 2, "server": 2})


def make_runs(store, number: int = 12) -> tuple[str, list[str]]:
    experiment = make_experiment(store, "many")
    return experiment, [
        log_run(
            store,
            experiment,
            f"run-{n}",
            params={"n": n, **({"old": "x"} if not n else {})},
            metrics={"accuracy": n / 20},
            minute=n,
        )
        for n in range(number)
    ]


def test_the_newest_runs_are_read_and_the_page_says_of_how_many(app, fresh_store, small_run_limit):
    experiment, _ = make_runs(fresh_store)
    page = app("compare", fresh_store, experiment=experiment)
    assert run_names(page) == ["run-11", "run-10"]
    assert "2 of 12 runs" in unescaped_text(page)
    assert "Showing the newest 2 of 12 runs." in unescaped_text(page)
    page.button(key="compare.more").click().run()
    assert query_values(page, "limit") == ["10"]
    assert "Showing the newest 10 of 12 runs." in unescaped_text(page)
    assert page.button(key="compare.more").label == "Read all 12"
    page.button(key="compare.more").click().run()
    assert len(run_names(page)) == 12
    assert "Showing the newest" not in unescaped_text(page)


@pytest.mark.parametrize("plot", ["Parallel", "Scatter", "Curves", "Differences"])
def test_a_filter_then_searches_in_the_backend_and_what_it_finds_is_whole(app, fresh_store, small_run_limit, plot):
    experiment, ids = make_runs(fresh_store)
    page = app(
        "compare", fresh_store, experiment=experiment, filter="metrics.accuracy < 0.09", plot=plot, pick=ids[:2], limit="3"
    )
    assert page.dataframe[len(page.dataframe) - 1].value["name"].tolist() == ["run-1", "run-0"]
    assert "The filter searched all 12 runs, not only the newest 3." in unescaped_text(page)
    assert query_values(page, "pick") == ids[:2]
    assert "not in this experiment" not in page_text(page)
    page = app("compare", fresh_store, experiment=experiment, filter="metrics.accuracy < 0.2")
    assert "Showing the newest 2 matching runs; there are more." in unescaped_text(page)
    assert "2 of 12 runs" in unescaped_text(page)


def test_a_picked_run_that_is_older_than_what_was_read_is_shown_all_the_same(app, fresh_store, small_run_limit):
    experiment, ids = make_runs(fresh_store)
    page = app("compare", fresh_store, experiment=experiment, pick=[ids[0], ids[11], "0" * 32])
    assert run_names(page) == ["run-11", "run-10"]
    assert "0" * 12 in page_text(page)
    assert ids[0][:12] not in page_text(page)
    assert any("run-0" in link.proto.label.replace("&#45;", "-") for link in page.get("page_link"))
    assert "Not in the table: A" in unescaped_text(page)


def test_no_more_runs_are_asked_for_than_mlflow_gives(app, fresh_store, small_run_limit):
    experiment, _ = make_runs(fresh_store, 3)
    for limit in ("9" * 40, "-1", "x", "0"):
        page = app("compare", fresh_store, experiment=experiment, limit=limit)
        assert len(run_names(page)) == (3 if limit.startswith("9") else 2)


# Columns


def test_columns_are_chosen_put_in_order_kept_at_the_left_and_unknown_ones_dropped(app, fresh_store, wine):
    column_names = ["status", "metrics.nope", "params.trees", "metrics.accuracy", "odd"]
    page = app("compare", fresh_store, experiment=wine[0], columns=column_names, pin=["params.trees", "odd"])
    visible = ["name", "status", "params.trees", "metrics.accuracy"]
    assert [name for name in page.dataframe[0].value if name not in ("open", "curve")] == visible
    pinned = {name for name, column in json.loads(page.dataframe[0].proto.columns).items() if column.get("pinned")}
    assert pinned >= {"name", "params.trees"}
    assert "status" not in pinned
    assert open_popover(page, "columns").multiselect(key="compare.columns").value == visible[1:]
    page.multiselect(key="compare.columns").set_value(["metrics.log loss", "params.trees"]).run()
    assert query_values(page, "columns") == ["metrics.log loss", "params.trees"]
    open_popover(page, "columns").multiselect(key="compare.pin").set_value(["metrics.log loss"]).run()
    assert query_values(page, "pin") == ["metrics.log loss"]
    open_popover(page, "columns").button(key="compare.usual").click().run()
    assert not {"columns", "pin"} & set(page.query_params)


def test_the_best_cell_of_each_metric_is_marked_by_its_own_direction(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], sort="name", order="rising")
    css = page.dataframe[0].proto.arrow_data.styler.styles
    order = run_names(page)
    best_cells = {(row, order[row]) for row in range(3) if f"row{row}_" in css}
    assert {name for _, name in best_cells} == {"forest-5", "forest-15"}
    assert "font-weight: 700" in css


def test_each_run_has_a_link_to_its_page(app, fresh_store, wine):
    page = app("compare", fresh_store, experiment=wine[0], sort="name", order="rising")
    links = dict(zip(run_names(page), column_values(page, "open"), strict=True))
    assert links == {f"forest-{n}": f"run?run={run_id}" for n, run_id in zip((1, 5, 15), wine[1], strict=True)}
    page = app("run", fresh_store, run=wine[1][1])
    assert page.title[0].value == "forest&#45;5"


# Data age


def test_a_reading_is_fresh_at_once_after_somebody_wrote_and_not_repeated_when_nobody_did(app, fresh_store, wine, monkeypatch):
    reads, read_runs = [], runs.read_runs
    monkeypatch.setattr(runs, "read_runs", lambda *args, **options: reads.append(1) or read_runs(*args, **options))
    page = app("compare", fresh_store, experiment=wine[0])
    page.segmented_control(key="compare.plot").set_value("Scatter").run()
    app("compare", fresh_store, experiment=wine[0], filter="metrics.accuracy > 0.9")
    assert len(reads) == 1
    log_run(fresh_store, wine[0], "forest-40", params={"trees": 40}, metrics={"accuracy": 1.0}, minute=9)
    page.run()
    assert "forest-40" in run_names(page)
    assert len(reads) == 2


def test_a_server_reading_lasts_and_the_button_says_how_many_came_since(app, fresh_store, wine, monkeypatch):
    monkeypatch.setattr(runs, "read_change_marker", lambda backend: None)
    monkeypatch.setattr(runs, "CACHE_SECONDS", 60)
    page = app("compare", fresh_store, experiment=wine[0])
    assert "new" not in page.button(key="compare.again").label
    for n in range(2):
        log_run(fresh_store, wine[0], f"late-{n}", metrics={"accuracy": 1.0}, minute=20 + n)
    page.run()
    assert len(run_names(page)) == 3
    assert page.button(key="compare.again").label.endswith("**2 new**")
    page.button(key="compare.again").click().run()
    assert len(run_names(page)) == 5
    assert "new" not in page.button(key="compare.again").label


def test_the_first_run_of_an_empty_experiment_is_new(app, fresh_store, monkeypatch):
    monkeypatch.setattr(runs, "read_change_marker", lambda backend: None)
    monkeypatch.setattr(runs, "CACHE_SECONDS", 60)
    experiment = make_experiment(fresh_store, "empty")
    page = app("compare", fresh_store, experiment=experiment)
    log_run(fresh_store, experiment, "first")
    page.run()
    assert page.button(key="compare.again").label.endswith("**1 new**")


# Long names


def test_two_labels_with_one_beginning_stay_two_everywhere(app, fresh_store):
    experiment, stem = (
        make_experiment(fresh_store, "twins"),
        "a very long name that says the same for a long while and then ends in ",
    )
    twins = [stem + "one", stem + "two"]
    ids = [
        log_run(
            fresh_store,
            experiment,
            stem + f"run {n}",
            params={twins[0]: n, twins[1]: -n, "kind": twins[n % 2]},
            metrics={twins[0]: n / 10, twins[1]: (9 - n) / 10},
            minute=n,
        )
        for n in range(6)
    ]
    page = app("compare", fresh_store, experiment=experiment)
    labels = [label for name, label in headings(page).items() if name.startswith(("params.a", "metrics."))]
    assert len(set(labels)) == len(labels) == 4
    assert len(set(run_names(page))) == 6
    spec = chart_spec(page)
    axis = next(layer["encoding"]["x"]["axis"]["labelExpr"] for layer in spec["layer"] if layer["encoding"]["x"].get("axis"))
    axis_labels = list(json.JSONDecoder().raw_decode(axis)[0].values())
    assert len(set(axis_labels)) == len(axis_labels) == 5
    page = app("compare", fresh_store, experiment=experiment, plot="Box", by="params.kind", y=f"metrics.{twins[0]}")
    boxes = chart_spec(page)["layer"][0]["encoding"]["x"]["axis"]["labelExpr"]
    labels = [label for label, _ in json.JSONDecoder().raw_decode(boxes)[0]]
    assert len(set(labels)) == len(labels) == 2
    page = app("compare", fresh_store, experiment=experiment, plot="Differences", pick=ids[:2])
    rows = [str(row) for table in page.table for row in table.value.iloc[:, 0].tolist()]
    assert len([row for row in rows if "one" in row[-9:]]) >= 1
    assert len([row for row in rows if "two" in row[-9:]]) >= 1


def test_a_metric_a_parameter_and_a_tag_of_one_name_stay_three_in_every_list(app, fresh_store):
    experiment = make_experiment(fresh_store, "names")
    for n in range(4):
        log_run(
            fresh_store,
            experiment,
            "same",
            params={"x": n, "status": -n},
            metrics={"x": n * n},
            tags={"x": f"t{n % 2}"},
            minute=n,
        )
    page = app("compare", fresh_store, experiment=experiment)
    for name in ("params.x", "params.status", "status", "metrics.x"):
        page.selectbox(key="compare.sort").set_value(name).run()
        assert query_values(page, "sort") == [name]
    for name in ("params.x", "tags.x", "metrics.x"):
        open_popover(page, "refine").selectbox(key="compare.narrow").set_value(name).run()
        assert query_values(page, "facet")[-1].startswith(name)
    page = app("compare", fresh_store, experiment=experiment, plot="Scatter")
    for name in ("params.x", "metrics.x"):
        page.selectbox(key="compare.x").set_value(name).run()
        assert query_values(page, "x") == [name]


def test_two_parents_of_one_name_stay_two(app, fresh_store):
    experiment = make_experiment(fresh_store, "searches")
    parents = [log_run(fresh_store, experiment, "grid", minute=n) for n in range(2)]
    for n in range(4):
        log_run(fresh_store, experiment, f"trial-{n}", parent=parents[n % 2], params={"n": n}, minute=n + 5)
    page = app("compare", fresh_store, experiment=experiment)
    for number, parent in enumerate(parents):
        open_popover(page, "refine").selectbox(key="compare.parent").set_value(parent).run()
        assert query_values(page, "parent") == [parent]
        assert sorted(run_names(page)) == [f"trial-{number}", f"trial-{number + 2}"]


# On a server


@pytest.mark.slow
def test_on_a_server_compare_gives_the_same_answers(app, fresh_store, mlflow_server, small_run_limit):
    answers = []
    for store in (fresh_store, mlflow_server):
        st.cache_resource.clear()  # the backend of a process
        st.cache_data.clear()
        experiment, ids = make_runs(store)
        client(store).log_batch(ids[11], [Metric("accuracy", 0.99, NOON, 1), Metric("accuracy", 0.2, NOON, 2)])
        client(store).log_dict(ids[0], {"a": 1}, "a.json")
        page = app("compare", store, experiment=experiment, stat="best", limit="12")
        answer = [dict(zip(run_names(page), column_values(page, "metrics.accuracy"), strict=True))]
        page = app("compare", store, experiment=experiment, filter="params.old = 'x'")
        answer += [run_names(page), "The filter searched all" in unescaped_text(page)]
        page = app("compare", store, experiment=experiment, filter="metrics.accuracy < 0.09", pick=ids[:2], limit="5")
        answer += [run_names(page), "not in this experiment" in page_text(page)]
        page = app("compare", store, experiment=experiment, plot="Curves", limit="12")
        answer += [page.get("vega_lite_chart")[0].proto.alt]
        page = app("compare", store, experiment=experiment, plot="Artifacts", pick=ids[:2], limit="12")
        answer += ["a.json" in unescaped_text(page)]
        page = app("run", store, run=ids[0])
        answer += [page.title[0].value]
        answers.append(answer)
    assert answers[0] == answers[1]
