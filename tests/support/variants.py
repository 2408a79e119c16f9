"""Variants of a test: some in every run, all of them in the slow one."""

from collections.abc import Iterable
from typing import Any

import pytest


def thin(values: Iterable[Any], every: int) -> list[Any]:
    """Return the values for `parametrize`, of which only every nth and the last are tested by `make test`, the others by `make test-slow`."""
    return thin_rows([(value,) for value in values], every)


def thin_rows(rows: Iterable[tuple[Any, ...]], every: int) -> list[Any]:
    """The same for several arguments: each row has a value for each of them."""
    all_rows = list(rows)
    return [
        pytest.param(*row, marks=() if index % every == 0 or index == len(all_rows) - 1 else pytest.mark.slow)
        for index, row in enumerate(all_rows)
    ]
