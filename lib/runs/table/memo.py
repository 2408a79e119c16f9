"""Memoize results computed from a table for the table's lifetime. Tables are immutable, so results never become stale. Pure.

Compare needs the same few results for the same runs at every click: which columns differ, which metrics exist, where columns are.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from lib.runs.table.types import RunTable

Params = ParamSpec("Params")
Result = TypeVar("Result")
_TableFunction = Callable[Concatenate[RunTable, Params], Result]


def memoize_by_table(function: "_TableFunction[Params, Result]") -> "_TableFunction[Params, Result]":
    """Call `function` once per table and further arguments, which must be hashable.

    Results must be immutable and must not reference the table, or it would never be freed.
    """
    cache: WeakKeyDictionary[RunTable, dict[Hashable, Result]] = WeakKeyDictionary()

    @wraps(function)
    def wrapper(table: RunTable, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        results = cache.setdefault(table, {})
        key = (args, tuple(sorted(kwargs.items())))
        if key not in results:
            results[key] = function(table, *args, **kwargs)
        return results[key]

    return cast("_TableFunction[Params, Result]", wrapper)
