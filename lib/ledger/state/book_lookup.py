"""Finds the book of a model, even if models are renamed, re-created, or take over an old name. Pure.

A book covers the life of one registered model at a time, identified by the model's creation time. The index names a book under the name
of a model and, if that is not enough, under name and creation time together. Anyone with write access to the ledger can add names to the
index, and entries to any book. So later additions never take a book away from its model: the tag on the model comes first, which requires
permission to change the model, then the earliest name in the index.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from lib.ledger.chain.hash_chain import hash_text
from lib.ledger.entry.types import Opened
from lib.ledger.state.replay import BookState

BOOK_PARAM_PREFIX = "book."
RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
"""The format of run ids; stores refuse to look up anything else."""
_MAX_INCARNATION_KEYS = 9
"""The number of index names under which a life can have its book, since the first ones may be taken."""


@dataclass(frozen=True)
class ModelIncarnation:
    """A registered model in the store: name, creation time (None: does not exist), and the book named by its tag.

    `head_book_ids` are the books named by the heads on its versions.
    """

    model: str
    created_at: str | None
    tagged_book_id: str = ""
    head_book_ids: tuple[str, ...] = ()

    @property
    def incarnation_key(self) -> str:
        """The index parameter for exactly this life."""
        return incarnation_keys(self.model, str(self.created_at))[0]

    @property
    def name_key(self) -> str:
        """The index parameter for any model with this name."""
        return name_key(self.model)

    @property
    def index_keys(self) -> tuple[str, ...]:
        """All index parameters that can name the book of this life, in order of precedence."""
        return (self.name_key, *incarnation_keys(self.model, str(self.created_at)))


@dataclass(frozen=True)
class BookLives:
    """The lives covered by a book: the model of its first entry (empty: no entries), and the creation times of its lives, in order."""

    first_model: str = ""
    created_times: tuple[str, ...] = ()


LivesReader = Callable[[str], BookLives | None]
"""From the run id of a book to its lives; None if it cannot be read."""
TagReader = Callable[[], Mapping[str, tuple[str, ...]]]
"""Returns the books named by the tags of all existing models, by the creation time of the model."""


def name_key(model: str) -> str:
    """The index parameter for a name."""
    return _index_param(model)


def incarnation_keys(model: str, created_at: str) -> tuple[str, ...]:
    """The index parameters for one life under a name."""
    life = f"{model}\n{created_at}"
    return (_index_param(life), *(_index_param(f"{life}\n{n}") for n in range(2, _MAX_INCARNATION_KEYS + 1)))


def book_lives(state: BookState) -> BookLives:
    """The lives covered by a book, by its entries."""
    entries = state.book.entries
    created_times = [entry.body.created for entry in entries if isinstance(entry.body, Opened) and entry.body.created]
    return BookLives(next((entry.body.model for entry in entries if entry.body.model), ""), tuple(dict.fromkeys(created_times)))


def resolve_book_id(
    index_params: Mapping[str, str], incarnation: ModelIncarnation, read_lives: LivesReader, read_tagged_books: TagReader
) -> str | None:
    """The run id of the book of a model; None if it has none yet.

    A renamed model keeps its book by its tag. The book of another existing model is never shared; the book of a deleted one continues
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
            return book_id  # the reader of the book reports what is wrong
        began_as_this = not lives.first_model or created_at in lives.created_times[:1]
        has_name = lives.first_model == incarnation.model and (key == incarnation.name_key or created_at in lives.created_times)
        if (began_as_this or has_name) and not _belongs_to_another(book_id, lives, created_at, read_tagged_books, indexed_ids):
            return book_id
    return None


def group_tagged_books(living_models: Iterable[ModelIncarnation]) -> dict[str, tuple[str, ...]]:
    """Creation time → the books named by the tags of the models created at that time."""
    tagged_books = dict[str, tuple[str, ...]]()
    for model in living_models:
        created_at = model.created_at or ""
        tagged_books[created_at] = (*tagged_books.get(created_at, ()), model.tagged_book_id)
    return tagged_books


def free_index_key(index_params: Mapping[str, str], incarnation: ModelIncarnation) -> str | None:
    """A free index parameter under which a book of this life can be elected; None if all are taken."""
    return next((key for key in incarnation.index_keys if key not in index_params), None)


def book_ids(index_params: Mapping[str, str]) -> frozenset[str]:
    """The run ids of all indexed books."""
    return frozenset(
        value for name, value in index_params.items() if name.startswith(BOOK_PARAM_PREFIX) and RUN_ID.fullmatch(value)
    )


def _belongs_to_another(
    book_id: str, lives: BookLives, created_at: str, read_tagged_books: TagReader, indexed_ids: Collection[str]
) -> bool:
    """Does the tag of another existing model name this book? For the model it was created for, a tag without a valid book also counts."""
    other_times = [time for time in lives.created_times if time != created_at]
    tagged_books = read_tagged_books() if other_times else {}
    if any(book_id in tagged_books.get(time, ()) for time in other_times):
        return True
    first_time = next(iter(lives.created_times), created_at)
    return first_time != created_at and any(tag not in indexed_ids for tag in tagged_books.get(first_time, ()))


def _index_param(text: str) -> str:
    return BOOK_PARAM_PREFIX + hash_text(text)[:32]
