"""Remembers what was judged of a table for as long as the table lives. A table never changes, so no answer grows old. Pure.

Compare asks the same few questions of the same runs at every click: which columns differ, which metrics there are, what stands where.
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
    """Call `function` once for each table and each further argument, which must be hashable.

    For answers that nobody can change and that do not hold the table itself, or it would never go away.
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
