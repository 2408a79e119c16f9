"""Number formats and notes of Compare's table columns."""

import math

import numpy as np

from lib.ui.pages.compare.columns import best_rows, min_and_max


def test_the_best_cell_is_marked_though_other_runs_have_no_value():
    assert best_rows(np.array([math.nan, 0.5, 0.9, 0.9]), "more") == [2, 3]
    assert best_rows(np.array([0.5, math.nan, 0.9]), "less") == [0]


def test_no_cell_is_best_where_all_are_the_same_or_neither_way_is_better():
    assert best_rows(np.array([0.5, 0.5, math.nan]), "more") == []
    assert best_rows(np.array([1.0, 2.0]), "neither") == []
    assert best_rows(np.array([math.nan]), "more") == []


def test_the_ends_of_no_number_are_zero():
    assert min_and_max(np.array([math.nan])) == (0.0, 0.0)
    assert min_and_max(np.array([2.0, math.nan, -1.0])) == (-1.0, 2.0)
