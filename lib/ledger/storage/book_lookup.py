"""Whose book is whose, when models are renamed, made anew, or take over an old name. Pure.

A book tells the life of one registered model at a time, named by the model's creation time. The index names a book under the
name of a model and, where that is not enough, under name and creation time together.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BOOK = "book."


@dataclass(frozen=True)
class Life:
    """A registered model as the store shows it: name, creation time (ledger text; None: not there), and the book its tag names."""

    model: str
    created: str | None
    hint: str = ""

    @property
    def slot(self) -> str:
        """The parameter of the index for this very life."""
        return _slot(f"{self.model}\n{self.created}")

    @property
    def name_slot(self) -> str:
        """The parameter of the index for whoever has this name."""
        return _slot(self.model)


def book_of(index: Mapping[str, str], life: Life, told: Callable[[str], str | None], lives: Callable[[str], bool]) -> str | None:
    """The run id of the book of a model, or None when it has none yet.

    `told(run id)` is the creation time of the model whose life that book tells (None: no life), `lives(creation time)` whether a model
    with that creation time exists. A renamed model keeps its book by its tag; a book that tells the life of another living model is
    never shared, only that of a dead one goes on under its name.
    """
    if life.created is None:
        return index.get(life.name_slot)
    if life.hint and life.hint in books(index) and told(life.hint) == life.created:
        return life.hint
    if (own := index.get(life.slot)) is not None:
        return own
    if (named := index.get(life.name_slot)) is None:
        return None
    other = told(named)
    return None if other not in (None, life.created) and lives(str(other)) else named


def books(index: Mapping[str, str]) -> frozenset[str]:
    """The run ids of all books the index names."""
    return frozenset(run_id for name, run_id in index.items() if name.startswith(BOOK))


def _slot(text: str) -> str:
    return BOOK + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
