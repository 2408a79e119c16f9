"""Finds the book of a model: reads the books named by the index, the tag and the heads; `book_lookup` selects one of them."""

from collections.abc import Collection, Mapping

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import BOOK_TAG
from lib.errors import LedgerBroken, NotFound, NotWritable
from lib.ledger.entry.timestamps import timestamp_from_millis
from lib.ledger.state.book_lookup import BookLives, ModelIncarnation, book_lives, group_tagged_books, resolve_book_id
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import read_book, read_deleted_book


class BookFinder:
    """Looks up the book of a model, reading each candidate once; `states` holds the readable ones.

    `set_aside` are the ids of books to ignore.
    """

    def __init__(self, backend: Backend, set_aside: Collection[str] = ()) -> None:
        self._backend, self._set_aside = backend, set_aside
        self.states = dict[str, BookState]()

    def find(self, index_params: Mapping[str, str], incarnation: ModelIncarnation) -> str | None:
        """The run id of the book of a model; None if it has none yet."""
        counting_params = {name: value for name, value in index_params.items() if value not in self._set_aside}
        return resolve_book_id(counting_params, incarnation, self._read_lives, self._read_tagged_books)

    def _read_lives(self, book_id: str) -> BookLives | None:
        try:
            state = self.states.get(book_id) or read_book(self._backend, book_id)
        except LedgerBroken:
            deleted_state = read_deleted_book(self._backend, book_id)
            return book_lives(deleted_state) if deleted_state else None
        except (NotFound, NotWritable):  # gone, or not readable for this user
            return None
        self.states[book_id] = state
        return book_lives(state)

    def _read_tagged_books(self) -> dict[str, tuple[str, ...]]:
        search = client(self._backend).search_registered_models
        with translate_errors("The registered models"):
            models = read_pages(lambda token: search(max_results=1000, page_token=token))
        return group_tagged_books(
            ModelIncarnation(m.name, timestamp_from_millis(m.creation_timestamp), (m.tags or {}).get(BOOK_TAG, ""))
            for m in models
        )
