"""Results for a table are computed once and freed with the table."""

import gc
import weakref

import pandas as pd
import pytest

from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.memo import memoize_by_table
from lib.runs.table.run_table import subset, subset_for_search
from lib.runs.table.types import Run, Search
from tests.support.run_factories import table_from_runs


@pytest.fixture
def runs():
    return table_from_runs(
        Search(("1",)), [Run(f"r{n}", f"run {n}", "1", "FINISHED", "active", metrics={"loss": n}) for n in range(4)], None
    )


def test_a_result_is_computed_once_per_table_and_arguments(runs):
    calls = []

    @memoize_by_table
    def rows(table, minimum=0):
        calls.append(minimum)
        return sum(table.metrics.loss >= minimum)

    assert [rows(runs), rows(runs), rows(runs, 2), rows(runs, 2)] == [4, 4, 2, 2]
    assert rows(subset(runs, ["r0"])) == 1
    assert calls == [0, 2, 0]


def test_a_table_and_its_cached_results_are_freed_when_unreferenced():
    table = table_from_runs(Search(("1",)), [Run("a", "a", "1", "FINISHED", "active")], None)
    assert memoize_by_table(len)(table) == 1
    assert len(subset(table, [])) == 0
    reference = weakref.ref(table)
    del table
    gc.collect()
    assert reference() is None


def test_the_same_part_of_a_table_is_the_same_table_and_all_of_it_the_table_itself(runs):
    assert subset(runs, runs.ids) is runs
    assert subset(runs, ["r2", "r0"]) is subset(runs, ["r2", "r0"])
    assert subset(runs, ["r2", "r0"]).ids == ("r2", "r0")
    assert subset(runs, ["r0", "r2"]).ids == ("r0", "r2")


def test_a_part_under_another_search_says_so(runs):
    search = Search(("1",), parse_filter("metrics.loss > 1"))
    part = subset_for_search(runs, ["r2", "r3"], search, 2)
    assert (part.search, part.total, part.ids) == (search, 2, ("r2", "r3"))
    assert subset(runs, ["r2", "r3"]).search == runs.search
    assert subset_for_search(runs, runs.ids, runs.search, runs.total) is runs


def test_only_the_last_parts_of_a_table_are_kept(runs):
    first = weakref.ref(subset(runs, ["r0", "r1", "r2"]))
    for last in ("r0", "r1", "r2"):
        subset(runs, ["r3", last, "r1" if last != "r1" else "r2"])
    gc.collect()
    assert first() is None


def test_a_table_equals_only_itself(runs):
    assert runs != subset(runs, ["r0"])
    assert isinstance(runs.metrics, pd.DataFrame)
