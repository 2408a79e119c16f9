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
_Judge = Callable[Concatenate[RunTable, Params], Result]


def memoize_by_table(function: "_Judge[Params, Result]") -> "_Judge[Params, Result]":
    """Ask `judge` once for each table and each further argument, which must be hashable.

    For answers that nobody can change and that do not hold the table itself, or it would never go away.
    """
    known: WeakKeyDictionary[RunTable, dict[Hashable, Result]] = WeakKeyDictionary()

    @wraps(function)
    def once(table: RunTable, *asked: Params.args, **named: Params.kwargs) -> Result:
        answers = known.setdefault(table, {})
        key = (asked, tuple(sorted(named.items())))
        if key not in answers:
            answers[key] = function(table, *asked, **named)
        return answers[key]

    return cast("_Judge[Params, Result]", once)
