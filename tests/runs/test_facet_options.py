"""The offered facets make sense for the given runs: each would keep some and drop others."""

import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lib.runs.filters.facet_options import build_facet_options
from lib.runs.filters.facets import AnyOfFacet, RangeFacet, run_ids_by_facets
from lib.runs.table.number_format import natural_sort_key
from lib.runs.table.types import PARENT_TAG, DataInput
from tests.support.run_factories import make_run, make_run_table


def find_option(runs, column):
    return next(option for option in build_facet_options(runs) if option.column == column)


def test_what_differs_comes_first_then_what_some_runs_lack_and_constants_not_at_all():
    runs = make_run_table(
        make_run(
            "a", params={"n": 5, "same": 1, "rare": "x"}, metrics={"m": 1, "flat": 2}, tags={"team": "red", "mlflow.x": "1"}
        ),
        make_run(
            "b", params={"n": 7, "same": 1}, metrics={"m": 2, "flat": 2}, tags={"team": "blue", "mlflow.x": "2"}, status="FAILED"
        ),
    )
    assert [option.column for option in build_facet_options(runs)] == [
        *("name", "metrics.m", "params.n", "status", "tags.team", "tags.mlflow.x", "params.rare"),
    ]


def test_a_number_has_its_real_range():
    runs = make_run_table(
        *(make_run(str(n), metrics={"m": value}) for n, value in enumerate((0.5, math.nan, 0.1, math.inf))), make_run("none")
    )
    option = find_option(runs, "metrics.m")
    assert (option.least, option.most, option.distinct_count, option.missing_count, option.values) == (
        0.1,
        0.5,
        2,
        3,
        (),
    )


def test_values_come_with_their_numbers_of_runs_the_most_frequent_first_and_as_people_count():
    runs = make_run_table(
        *(make_run(str(n), params={"n": value}) for n, value in enumerate((10, 9, 100, 9, 10, 0.5))), make_run("none")
    )
    option = find_option(runs, "params.n")
    assert option.values == (("9", 2), ("10", 2), ("0.5", 1), ("100", 1))
    assert (option.least, option.most, option.distinct_count, option.missing_count) == (0.5, 100, 4, 1)


def test_a_parameter_with_many_numbers_is_chosen_by_range_and_one_with_a_word_never():
    runs = make_run_table(*(make_run(str(n), params={"n": n, "mix": n or "auto"}) for n in range(30)))
    assert (find_option(runs, "params.n").least, find_option(runs, "params.n").most) == (0, 29)
    assert find_option(runs, "params.mix").least is None


def test_of_very_many_values_two_hundred_are_given_and_all_are_counted():
    runs = make_run_table(
        *(make_run(str(n), tags={"note": f"note {n}"}) for n in range(300)), make_run("again", tags={"note": "note 299"})
    )
    option = find_option(runs, "tags.note")
    assert (len(option.values), option.distinct_count, option.values[0]) == (200, 300, ("note 299", 2))
    assert [value for value, _ in option.values[1:]] == [f"note {n}" for n in range(199)]


def test_datasets_versions_and_people_are_offered_where_they_differ():
    runs = make_run_table(
        make_run("a", inputs=(DataInput("wine", "d1"), DataInput("wine", "d2")), user="ana"),
        make_run("b", inputs=(DataInput("wine", "d1"),), tags={PARENT_TAG: "a", "mlflow.runName": "b"}),
    )
    assert [option.column for option in build_facet_options(runs)] == ["name", "dataset", "user"]
    assert find_option(runs, "dataset").values == (("wine (d1)", 2), ("wine (d2)", 1))


def test_one_run_and_none_have_nothing_to_choose():
    assert (
        build_facet_options(make_run_table())
        == build_facet_options(make_run_table(make_run("a", params={"n": 5}, metrics={"m": 1})))
        == ()
    )


def test_numbers_sort_by_size_and_words_with_numbers_as_people_count():
    texts = ["layer10", "layer2", "Layer1", "10", "9", "0.1", "0.05", "-1", "1e-3", "nan", "", "9" * 5000, "x" + "9" * 5000]
    assert sorted(texts[:-2], key=natural_sort_key) == [
        "-1",
        "1e-3",
        "0.05",
        "0.1",
        "9",
        "10",
        "",
        "Layer1",
        "layer2",
        "layer10",
        "nan",
    ]
    assert sorted(texts, key=natural_sort_key)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "02", "x", "", "2.5"])), max_size=6))
def test_every_offered_value_leaves_as_many_runs_as_it_says(params):
    runs = make_run_table(
        *(
            make_run(str(n), params=run_params, metrics={f"m{key}": len(value) for key, value in run_params.items()})
            for n, run_params in enumerate(params)
        )
    )
    options = build_facet_options(runs)
    assume(options)
    for option in options:
        for value, number in option.values:
            assert len(run_ids_by_facets(runs, [AnyOfFacet(option.column, (value,))])) == number
        if option.least is not None:
            assert (
                len(run_ids_by_facets(runs, [RangeFacet(option.column, option.least, option.most)]))
                == len(runs) - option.missing_count
            )
