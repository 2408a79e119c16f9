"""Children are below their parents, the best child represents its family, and no run is ever lost."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from lib.runs.analysis.run_tree import best_children, build_run_tree, children_of, family_sizes
from tests.support.run_factories import make_run, make_run_table

ACC = "metrics.accuracy"
PARENT_IDS = st.lists(st.sampled_from([*map(str, range(8)), "", "gone"]), min_size=8, max_size=8)


def run_with_accuracy(name, value=None, **fields):
    return make_run(name, metrics={} if value is None else {"accuracy": value}, **fields)


def family(*parent_ids):
    return make_run_table(*(run_with_accuracy(str(n), n % 3, parent=parent) for n, parent in enumerate(parent_ids)))


def test_children_stand_below_their_parent_and_a_family_where_its_first_member_would():
    runs = make_run_table(
        make_run("other"),
        make_run("kid1", parent="mum"),
        make_run("kid2", parent="mum"),
        make_run("mum"),
        make_run("orphan", parent="gone"),
    )
    rows = build_run_tree(runs, ["kid2", "other", "kid1", "mum", "orphan"])
    assert [(row.run_id, row.depth) for row in rows] == [("mum", 0), ("kid2", 1), ("kid1", 1), ("other", 0), ("orphan", 0)]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(PARENT_IDS)
def test_every_run_is_shown_exactly_once_and_a_child_below_its_parent_whatever_the_parents_say(parent_ids):
    runs = family(*parent_ids)
    rows = build_run_tree(runs, runs.ids)
    assert sorted(row.run_id for row in rows) == sorted(runs.ids)
    path: list[str] = []
    for row in rows:
        path = [*path[: row.depth], row.run_id]
        assert len(path) == row.depth + 1
        assert row.depth == 0 or runs.identity.parent[row.run_id] == path[-2]


def test_a_chain_of_thousands_of_runs_is_shown():
    runs = make_run_table(*(make_run(str(n), parent=str(n + 1)) for n in range(3000)))
    assert [row.depth for row in build_run_tree(runs, runs.ids)] == list(range(3000))


def test_the_children_of_one_parent_come_in_the_order_of_the_table():
    runs = make_run_table(
        make_run("b", parent="mum"),
        make_run("mum", parent="mum"),
        make_run("a", parent="mum"),
        make_run("grandchild", parent="a"),
    )
    assert children_of(runs, "mum") == ["b", "a"]
    assert children_of(runs, "") == children_of(runs, "nobody") == []
    assert family_sizes(runs) == {"mum": 2, "a": 1}


def test_a_parent_that_a_filter_took_away_still_has_its_children():
    runs = make_run_table(run_with_accuracy("b", 0.2, parent="gone"), run_with_accuracy("a", 0.1, parent="gone"))
    assert (children_of(runs, "gone"), family_sizes(runs), best_children(runs, ACC)) == (["b", "a"], {"gone": 2}, ["b"])


def test_the_best_child_speaks_for_its_family_and_a_run_alone_stays():
    runs = make_run_table(
        run_with_accuracy("alone", 0.1),
        run_with_accuracy("kid1", 0.5, parent="mum"),
        run_with_accuracy("kid2", 0.9, parent="mum"),
        run_with_accuracy("mum", 1.0),
        make_run("late"),
    )
    assert best_children(runs, ACC) == ["alone", "kid2", "late"]


def test_of_a_loss_the_smallest_is_best_and_the_newest_among_equals():
    values = {"new": 0.5, "small": 0.2, "equal": 0.2}
    runs = make_run_table(*(make_run(name, metrics={"loss": value}, parent="mum") for name, value in values.items()))
    assert best_children(runs, "metrics.loss") == ["small"]


def test_a_value_that_is_no_number_is_never_best_but_a_family_without_values_keeps_its_newest():
    runs = make_run_table(
        run_with_accuracy("nan", math.nan, parent="a"),
        run_with_accuracy("inf", math.inf, parent="a"),
        run_with_accuracy("real", 0.1, parent="a"),
        make_run("new", parent="b"),
        make_run("old", parent="b"),
    )
    assert best_children(runs, ACC) == ["real", "new"]


def test_in_a_family_of_three_floors_every_floor_has_its_best():
    runs = make_run_table(
        make_run("top"), make_run("mid", parent="top"), run_with_accuracy("low1", 1, parent="mid"), run_with_accuracy("low2", 2, parent="mid"),
        run_with_accuracy("leaf", 0, parent="top"),
    )  # fmt: skip
    assert best_children(runs, ACC) == ["low2", "leaf"]


def test_all_runs_stay_without_a_metric_direction():
    runs = make_run_table(
        make_run("a", metrics={"epoch": 1}, parent="mum"), make_run("b", metrics={"epoch": 2}, parent="mum"), make_run("mum")
    )
    for metric in ("metrics.epoch", "metrics.none", "params.accuracy", ""):
        assert best_children(runs, metric) == ["a", "b", "mum"]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(PARENT_IDS)
def test_every_run_stays_or_has_a_sibling_or_a_descendant_that_does(parent_ids):
    runs = family(*parent_ids)
    kept_ids = best_children(runs, ACC)
    assert kept_ids == [run_id for run_id in runs.ids if run_id in kept_ids]
    covered_ids = set(kept_ids)
    for run_id in kept_ids:
        siblings = children_of(runs, runs.identity.parent[run_id]) if run_id not in family_sizes(runs) else []
        assert all(
            sibling in family_sizes(runs) or runs.metrics.accuracy[sibling] <= runs.metrics.accuracy[run_id]
            for sibling in siblings
        )
        covered_ids |= set(siblings)
    for _ in runs.ids:
        covered_ids |= {runs.identity.parent[run_id] for run_id in covered_ids if run_id in runs.ids}
    assert covered_ids >= set(runs.ids)
