"""Whose book is whose, when models are renamed, made anew, or take over an old name. Pure.

A book tells the life of one registered model at a time, named by the model's creation time. The index names a book under the
name of a model and, where that is not enough, under name and creation time together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lib.ledger.chain.hash_chain import hash_text

BOOK_PARAM_PREFIX = "book."


@dataclass(frozen=True)
class ModelIncarnation:
    """A registered model as the store shows it: name, creation time (None: not there), and the book its tag names."""

    model: str
    created_at: str | None
    tagged_book_id: str = ""

    @property
    def incarnation_key(self) -> str:
        """The parameter of the index for this very life."""
        return _index_param(f"{self.model}\n{self.created_at}")

    @property
    def name_key(self) -> str:
        """The parameter of the index for whoever has this name."""
        return _index_param(self.model)


def resolve_book_id(
    index_params: Mapping[str, str],
    incarnation: ModelIncarnation,
    created_at_of_book: Callable[[str], str | None],
    model_exists: Callable[[str], bool],
) -> str | None:
    """The run id of the book of a model, or None when it has none yet.

    `created_at_of_book(run id)` is the creation time of the model whose life that book tells (None: no life),
    `model_exists(creation time)` whether a model with that creation time exists. A renamed model keeps its book by its tag; a book
    that tells the life of another living model is never shared, only that of a dead one goes on under its name.
    """
    if incarnation.created_at is None:
        return index_params.get(incarnation.name_key)
    if (
        incarnation.tagged_book_id
        and incarnation.tagged_book_id in book_ids(index_params)
        and created_at_of_book(incarnation.tagged_book_id) == incarnation.created_at
    ):
        return incarnation.tagged_book_id
    if (own_book_id := index_params.get(incarnation.incarnation_key)) is not None:
        return own_book_id
    if (named_book_id := index_params.get(incarnation.name_key)) is None:
        return None
    created_at = created_at_of_book(named_book_id)
    return None if created_at not in (None, incarnation.created_at) and model_exists(str(created_at)) else named_book_id


def book_ids(index_params: Mapping[str, str]) -> frozenset[str]:
    """The run ids of all books the index names."""
    return frozenset(run_id for name, run_id in index_params.items() if name.startswith(BOOK_PARAM_PREFIX))


def _index_param(text: str) -> str:
    return BOOK_PARAM_PREFIX + hash_text(text)[:32]
