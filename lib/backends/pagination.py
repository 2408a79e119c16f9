"""All results of MLflow's paginated searches, page by page or as one list."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.store.entities import PagedList

PageSearch = Callable[[str | None], "PagedList[Any]"]
"""Runs a search for one page token; None asks for the first page."""


def iterate_pages(search: PageSearch) -> Iterator["PagedList[Any]"]:
    """Yield the pages of an MLflow search, each requested when it is needed."""
    token: str | None = None
    while True:
        page = search(token)
        yield page
        if not (token := page.token):
            return


def read_pages(search: PageSearch) -> list[Any]:
    """Return the items of all pages of an MLflow search."""
    return list(chain.from_iterable(iterate_pages(search)))
