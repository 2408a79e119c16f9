"""In-process cache of parsed books, so that only new entries are parsed. Shared by all threads, bounded.

Three things are cached: bodies, by the sha256 of their text; open volumes as last read, whose values are fetched each time but hashed again
only if one differs; and the last state of a book with its finished volumes, which cannot change through MLflow and are therefore not
fetched again. `verify` does not use the cache.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from lib.backends.backend import Backend
from lib.ledger.chain.book_decoder import decode_volume
from lib.ledger.chain.hash_chain import DecodedBook
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import Body
from lib.ledger.state.replay import BookState, replay, replay_from
from lib.ledger.state.volumes import BookVolumes

MAX_CHARACTERS = 24_000_000
"""Total text length of the cached bodies: about 16,000 entries."""
MAX_ENTRIES = 40_000
"""Total entries of all cached books."""


@dataclass(frozen=True)
class _CachedBook:
    state: BookState
    finished_volumes: DecodedBook | None


@dataclass(frozen=True)
class _CachedVolume:
    params: Mapping[str, str]
    book_so_far: DecodedBook | None
    missing_run_ids: frozenset[str]
    book: DecodedBook


_LOCK = threading.Lock()
_BODIES: LRUCache[str, tuple[Body, int]] = LRUCache(MAX_CHARACTERS, getsizeof=lambda item: item[1])
_VOLUMES: LRUCache[str, _CachedVolume] = LRUCache(MAX_CHARACTERS, getsizeof=lambda item: sum(map(len, item.params.values())) + 1)
_BOOKS: LRUCache[tuple[Backend, str], _CachedBook] = LRUCache(
    MAX_ENTRIES, getsizeof=lambda item: len(item.state.book.entries) + 1
)


def parse_cached(sha256: str, text: str) -> Body:
    """Parse the body in a text with this sha256, cached."""
    with _LOCK:
        body_and_size = _BODIES.get(sha256)
    if body_and_size is None:
        body_and_size = parse_body(text), len(text)
        _store(_BODIES, sha256, body_and_size)
    return body_and_size[0]


def decode_volume_cached(
    params: Mapping[str, str], run_id: str, book_so_far: DecodedBook | None, missing_run_ids: frozenset[str]
) -> DecodedBook:
    """Cached `decode_volume`: a volume with unchanged values after the same volumes is not hashed again."""
    with _LOCK:
        volume = _VOLUMES.get(run_id)
    if (
        volume is None
        or (volume.book_so_far, volume.missing_run_ids) != (book_so_far, missing_run_ids)
        or volume.params != params
    ):
        book = decode_volume(params, run_id, book_so_far, missing_run_ids, parse_cached)
        volume = _CachedVolume(dict(params), book_so_far, missing_run_ids, book)
        _store(_VOLUMES, run_id, volume)
    return volume.book


def cached_finished_volumes(backend: Backend, book_id: str) -> DecodedBook | None:
    """The finished volumes of a book that were read before; None if there are none."""
    with _LOCK:
        book = _BOOKS.get((backend, book_id))
    return book.finished_volumes if book else None


def replay_cached(backend: Backend, book_id: str, volumes: BookVolumes) -> BookState:
    """The state of a book just read; only entries added since the last reading are processed."""
    with _LOCK:
        book = _BOOKS.get((backend, book_id))
    state = replay_from(book.state, volumes.book) if book else replay(volumes.book)
    _store(_BOOKS, (backend, book_id), _CachedBook(state, volumes.finished_volumes))
    return state


def _store(cache: LRUCache[Any, Any], key: object, value: object) -> None:
    with _LOCK:
        try:
            cache[key] = value
        except ValueError:  # larger than the complete cache
            return
