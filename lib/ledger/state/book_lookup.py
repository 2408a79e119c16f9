"""Whose book is whose, when models are renamed, made anew, or take over an old name. Pure.

A book tells the life of one registered model at a time, named by the model's creation time. The index names a book under the
name of a model and, where that is not enough, under name and creation time together. Everybody who may write to the ledger can add
names to the index, and entries to any book. So nothing added later takes a model's book away: the tag on the model comes first,
which takes the right to change the model, then what the index named earlier.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from lib.ledger.chain.hash_chain import hash_text
from lib.ledger.entry.types import Opened
from lib.ledger.state.replay import BookState

BOOK_PARAM_PREFIX = "book."
RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
"""What the id of a run can be; a store refuses to look for anything else."""
_MAX_INCARNATION_KEYS = 9
"""Under so many names of the index a life can have its book: somebody may have taken the first ones."""


@dataclass(frozen=True)
class ModelIncarnation:
    """A registered model as the store shows it: name, creation time (None: not there), and the book its tag names.

    `head_book_ids` are the books that the heads on its versions name.
    """

    model: str
    created_at: str | None
    tagged_book_id: str = ""
    head_book_ids: tuple[str, ...] = ()

    @property
    def incarnation_key(self) -> str:
        """The parameter of the index for this very life."""
        return incarnation_keys(self.model, str(self.created_at))[0]

    @property
    def name_key(self) -> str:
        """The parameter of the index for whoever has this name."""
        return name_key(self.model)

    @property
    def index_keys(self) -> tuple[str, ...]:
        """Every parameter of the index that can name the book of this life, the one that counts most first."""
        return (self.name_key, *incarnation_keys(self.model, str(self.created_at)))


@dataclass(frozen=True)
class BookLives:
    """The lives a book tells: the model of its first entry (empty: no entry yet), and the creation times it was opened for, in order."""

    first_model: str = ""
    created_times: tuple[str, ...] = ()


LivesReader = Callable[[str], BookLives | None]
"""From the run id of a book to its lives; None when it cannot be read."""
TagReader = Callable[[], Mapping[str, tuple[str, ...]]]
"""Gives the books that the tags of all living models name, by the creation time of the model."""


def name_key(model: str) -> str:
    """The parameter of the index for a name."""
    return _index_param(model)


def incarnation_keys(model: str, created_at: str) -> tuple[str, ...]:
    """The parameters of the index for one life under a name."""
    life = f"{model}\n{created_at}"
    return (_index_param(life), *(_index_param(f"{life}\n{n}") for n in range(2, _MAX_INCARNATION_KEYS + 1)))


def book_lives(state: BookState) -> BookLives:
    """The lives that a book tells, by its entries."""
    entries = state.book.entries
    created_times = [entry.body.created for entry in entries if isinstance(entry.body, Opened) and entry.body.created]
    return BookLives(next((entry.body.model for entry in entries if entry.body.model), ""), tuple(dict.fromkeys(created_times)))


def resolve_book_id(
    index_params: Mapping[str, str], incarnation: ModelIncarnation, read_lives: LivesReader, read_tagged_books: TagReader
) -> str | None:
    """The run id of the book of a model, or None when it has none yet.

    A renamed model keeps its book by its tag. The book of another living model is never shared, only that of a dead one goes on
    under its name.
    """
    indexed_ids, created_at = book_ids(index_params), incarnation.created_at
    if created_at is None:
        return next((book_id for book_id in [index_params.get(incarnation.name_key, "")] if book_id in indexed_ids), None)
    for book_id in dict.fromkeys((incarnation.tagged_book_id, *incarnation.head_book_ids)):
        lives = read_lives(book_id) if book_id in indexed_ids else None
        if lives and created_at in lives.created_times:
            return book_id
    for key in incarnation.index_keys:
        if (book_id := index_params.get(key, "")) not in indexed_ids:
            continue
        lives = read_lives(book_id)
        if lives is None:
            return book_id  # whoever reads it says what is wrong
        began_as_this = not lives.first_model or created_at in lives.created_times[:1]
        has_name = lives.first_model == incarnation.model and (key == incarnation.name_key or created_at in lives.created_times)
        if (began_as_this or has_name) and not _belongs_to_another(book_id, lives, created_at, read_tagged_books, indexed_ids):
            return book_id
    return None


def group_tagged_books(living_models: Iterable[ModelIncarnation]) -> dict[str, tuple[str, ...]]:
    """Creation time → the books that the tags of the models created then name."""
    tagged_books = dict[str, tuple[str, ...]]()
    for model in living_models:
        created_at = model.created_at or ""
        tagged_books[created_at] = (*tagged_books.get(created_at, ()), model.tagged_book_id)
    return tagged_books


def free_index_key(index_params: Mapping[str, str], incarnation: ModelIncarnation) -> str | None:
    """The parameter of the index under which a book of this life can be elected; None when somebody took all of them."""
    return next((key for key in incarnation.index_keys if key not in index_params), None)


def book_ids(index_params: Mapping[str, str]) -> frozenset[str]:
    """The run ids of all books the index names."""
    return frozenset(
        value for name, value in index_params.items() if name.startswith(BOOK_PARAM_PREFIX) and RUN_ID.fullmatch(value)
    )


def _belongs_to_another(
    book_id: str, lives: BookLives, created_at: str, read_tagged_books: TagReader, indexed_ids: Collection[str]
) -> bool:
    """Does the tag of another living model name this book? Of the model it was begun for it is enough that the tag names none."""
    other_times = [time for time in lives.created_times if time != created_at]
    tagged_books = read_tagged_books() if other_times else {}
    if any(book_id in tagged_books.get(time, ()) for time in other_times):
        return True
    first_time = next(iter(lives.created_times), created_at)
    return first_time != created_at and any(tag not in indexed_ids for tag in tagged_books.get(first_time, ()))


def _index_param(text: str) -> str:
    return BOOK_PARAM_PREFIX + hash_text(text)[:32]
