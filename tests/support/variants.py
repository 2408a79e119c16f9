"""Variants of a test: some in every run, all of them in the slow one."""

from collections.abc import Iterable
from typing import Any

import pytest


def thin(values: Iterable[Any], every: int) -> list[Any]:
    """Return the values for `parametrize`, of which only every nth and the last are tested by `make test`, the others by `make test-slow`."""
    items = list(values)
    return [
        item if index % every == 0 or index == len(items) - 1 else pytest.param(item, marks=pytest.mark.slow)
        for index, item in enumerate(items)
    ]
