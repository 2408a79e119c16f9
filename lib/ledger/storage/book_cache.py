"""What this process remembers of books, so that a look understands only what is new. Shared by all rooms and threads, bounded.

Three things are kept. A body, by the sha256 of its text. An open volume as it was read last: every look still fetches each of its
places, and only when all are word for word the same is the hashing saved. And a book as it was added up last, with its finished
volumes, which nobody changes through MLflow and which are therefore not fetched again. `verify` uses none of them.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from lib.backends.backend import Backend
from lib.ledger.chain.hash_chain import DecodedBook, decode_volume
from lib.ledger.entry.schema import parse_body
from lib.ledger.entry.types import Body
from lib.ledger.state.replay import BookState, replay, replay_from
from lib.ledger.state.volumes import BookVolumes

MAX_CHARACTERS = 24_000_000
"""Of texts whose bodies are remembered: about 16,000 entries."""
MAX_ENTRIES = 40_000
"""Of all books that are remembered together."""


@dataclass(frozen=True)
class _Book:
    state: BookState
    finished: DecodedBook | None


@dataclass(frozen=True)
class _Volume:
    params: Mapping[str, str]
    before: DecodedBook | None
    reading: DecodedBook


_LOCK = threading.Lock()
_BODIES: LRUCache[str, tuple[Body, int]] = LRUCache(MAX_CHARACTERS, getsizeof=lambda kept: kept[1])
_VOLUMES: LRUCache[str, _Volume] = LRUCache(MAX_CHARACTERS, getsizeof=lambda kept: sum(map(len, kept.params.values())) + 1)
_BOOKS: LRUCache[tuple[Backend, str], _Book] = LRUCache(MAX_ENTRIES, getsizeof=lambda kept: len(kept.state.book.entries) + 1)


def parse_cached(sha256: str, text: str) -> Body:
    """The body in a text with this sha256."""
    with _LOCK:
        kept = _BODIES.get(sha256)
    if kept is None:
        kept = parse_body(text), len(text)
        _keep(_BODIES, sha256, kept)
    return kept[0]


def decode_volume_cached(params: Mapping[str, str], run_id: str, book_so_far: DecodedBook | None) -> DecodedBook:
    """A volume read as `decode` does; one that is word for word what it was, after the same volumes, is not hashed again."""
    with _LOCK:
        kept = _VOLUMES.get(run_id)
    if kept is None or kept.before != book_so_far or kept.params != params:
        kept = _Volume(dict(params), book_so_far, decode_volume(params, run_id, book_so_far, parse_cached))
        _keep(_VOLUMES, run_id, kept)
    return kept.reading


def cached_finished_volumes(backend: Backend, book_id: str) -> DecodedBook | None:
    """The finished volumes of a book, as far as they were read before."""
    with _LOCK:
        kept = _BOOKS.get((backend, book_id))
    return kept.finished if kept else None


def replay_cached(backend: Backend, book_id: str, volumes: BookVolumes) -> BookState:
    """The state of a book that was just read; only entries that the last reading did not have are added."""
    with _LOCK:
        kept = _BOOKS.get((backend, book_id))
    state = replay_from(kept.state, volumes.book) if kept else replay(volumes.book)
    _keep(_BOOKS, (backend, book_id), _Book(state, volumes.finished_volumes))
    return state


def clear_cache() -> None:
    """Remember nothing any more."""
    with _LOCK:
        _BODIES.clear()
        _VOLUMES.clear()
        _BOOKS.clear()


def _keep(where: LRUCache[Any, Any], name: object, what: object) -> None:
    with _LOCK:
        try:
            where[name] = what
        except ValueError:  # larger than everything that may be remembered
            return
