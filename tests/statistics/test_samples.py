"""Samples: ε² is the share of the variance between groups. The summary is tested where it is used, in tests/runs/test_grouping."""

from lib.statistics.samples import epsilon_squared


def test_epsilon_squared_is_one_for_groups_without_spread_and_zero_for_equal_groups():
    assert epsilon_squared([[1.0, 1.0], [2.0, 2.0]]) == 1.0
    assert epsilon_squared([[1.0, 2.0], [1.0, 2.0]]) == 0.0
    assert epsilon_squared([[1.0], [2.0]]) == 0.0
    assert epsilon_squared([[5.0, 5.0], [5.0, 5.0]]) == 0.0
    assert epsilon_squared([]) == 0.0
