"""What this Podium remembers of the books it read, in a file of its own: PODIUM_HOME/known-heads.json, for each backend by its address.

    {"format": 1, "backends": {"‹uri›": {
        "index": "‹run id›",
        "heads": {"‹run id of the book›": {"model": "wine", "place": 17, "chain": "5d9e…", "at": "…", "settlements": ["‹entry id›"]}},
        "replaced": [{"book": "‹run id›", "model": "wine", "place": 19, …, "by": ["‹entry id›"]}],
        "earlier": [{"index": "‹run id›", "heads": {…}, "until": "…", "by": "ana", "reason": "…"}]}}}

The memory only grows. It is changed under a lock, together with what other processes wrote meanwhile, and only when there is something
new. Where its folder cannot be written nothing is remembered. A file that cannot be read is never overwritten: it is RecordInDoubt, for
nobody can say then whether a record is the one seen before. What is compared with it is left to `state.known_heads`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lib.backends.app_files import PROJECT_FOLDER, lock_file, podium_home, write_private_file
from lib.backends.backend import Backend
from lib.errors import Busy, NotWritable, RecordInDoubt
from lib.ledger.chain.hash_chain import DecodedBook
from lib.ledger.chain.signatures import TrustedKeys
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.state.known_heads import KnownHead, KnownStore, Replacements, merge_known_store, read_replacements
from lib.ledger.state.replay import BookState
from lib.ledger.storage.key_trust import read_trusted_keys_or_none

MEMORY_FILE = "known-heads.json"
_Signature = tuple[int, int, int]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Head(_Record):
    model: str
    place: Annotated[int, Field(ge=1)]
    chain: str
    at: str
    settlements: tuple[str, ...] = ()


class _Replaced(_Head):
    book: str
    by: tuple[str, ...]


class _EarlierStore(_Record):
    index: str
    heads: dict[str, _Head]
    until: str
    by: str
    reason: str


class _Store(_Record):
    index: str = ""
    heads: dict[str, _Head] = {}
    replaced: tuple[_Replaced, ...] = ()
    earlier: tuple[_EarlierStore, ...] = ()


class _Document(_Record):
    format: Literal[1] = 1
    backends: dict[str, _Store] = {}


_LAST_READ: dict[Path, tuple[_Signature, _Document]] = {}
"""The file as this process read it last: it is parsed again only when it was replaced."""


@dataclass(frozen=True)
class HeadMemory:
    """The memory of the Podium with this folder. `read_keys` gives the keys whose settlements it believes."""

    home: Path
    read_keys: Callable[[], TrustedKeys] = field(compare=False, repr=False)

    @property
    def file(self) -> Path:
        return self.home / MEMORY_FILE

    def read(self, backend: Backend) -> KnownStore:
        """What is remembered of a store; nothing where there is no memory yet. Raises RecordInDoubt for a file that cannot be read."""
        store = self._read_document().backends.get(backend.uri, _Store())
        return KnownStore(store.index, {book_id: _known_head(book_id, head) for book_id, head in store.heads.items()})

    def remember(
        self, backend: Backend, index_id: str, heads: Iterable[tuple[KnownHead, DecodedBook]], replacements: Replacements
    ) -> bool:
        """Remember these heads, each read with its book, as far as they go on from what is remembered by now.

        An empty `index_id` leaves the remembered one. False where the memory cannot be written. Raises RecordInDoubt as `read` does.
        """
        read_heads = tuple(heads)
        store = self._read_document().backends.get(backend.uri, _Store())
        if _merge(store, index_id, read_heads, replacements) == store:
            return True
        return self._change(backend, lambda present: _merge(present, index_id, read_heads, replacements))

    def remember_book(self, backend: Backend, head: KnownHead, state: BookState, index_id: str = "") -> bool:
        """The same for one book, with what it says itself about heads that no longer count. A book without entries is not remembered."""
        if not state.book.head:
            return True
        return self.remember(backend, index_id, [(head, state.book)], read_replacements([state], self.read_keys))

    def accept_store(self, backend: Backend, index_id: str, at: datetime, actor_name: str, reason: str) -> bool:
        """Start over for a store that is another one as a whole: its index is `index_id`, and what was known counts as an earlier store.

        False where the memory cannot be written. Raises RecordInDoubt as `read` does.
        """

        def start_over(store: _Store) -> _Store:
            earlier = _EarlierStore(
                index=store.index, heads=store.heads, until=format_timestamp(at), by=actor_name, reason=reason
            )
            return store.model_copy(update={"index": index_id, "heads": {}, "earlier": (*store.earlier, earlier)})

        return self._change(backend, start_over)

    def _change(self, backend: Backend, change: Callable[[_Store], _Store]) -> bool:
        try:
            with lock_file(self.file):
                document = self._read_document()
                store = document.backends.get(backend.uri, _Store())
                new_document = document.model_copy(update={"backends": {**document.backends, backend.uri: change(store)}})
                write_private_file(self.file, new_document.model_dump_json(indent=1).encode(), is_durable=False)
        except (Busy, NotWritable, OSError):
            return False
        return True

    def _read_document(self) -> _Document:
        try:
            status = self.file.stat()
            signature = (status.st_mtime_ns, status.st_size, status.st_ino)
            last_read = _LAST_READ.get(self.file)
            if last_read and last_read[0] == signature:
                return last_read[1]
            document = _Document.model_validate_json(self.file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return _Document()
        except (OSError, ValidationError) as error:
            raise RecordInDoubt(
                f"What this Podium remembers of records cannot be read: {self.file} ({type(error).__name__}).",
                means="So nobody can say whether a record is the one seen before, and no decision is made. The file was left as it is.",
                next="Put it back from a backup, or correct it. If it is lost, move it away: then every record is seen for the first time.",
            ) from error
        _LAST_READ[self.file] = (signature, document)
        return document


def create_head_memory(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> HeadMemory:
    """The memory of a process with this environment. Reads nothing yet."""
    return HeadMemory(podium_home(environment, project), partial(read_trusted_keys_or_none, environment, project))


def _merge(store: _Store, index_id: str, heads: Iterable[tuple[KnownHead, DecodedBook]], replacements: Replacements) -> _Store:
    """What is remembered of a store after these heads were read."""
    known = KnownStore(store.index, {book_id: _known_head(book_id, head) for book_id, head in store.heads.items()})
    merged, replaced_heads = merge_known_store(known, heads, replacements)
    replaced = tuple(
        _Replaced(book=head.known.book_id, by=tuple(sorted(head.settlement_ids)), **_head(head.known).model_dump())
        for head in replaced_heads
    )
    return store.model_copy(
        update={
            "index": index_id or store.index,
            "heads": {book_id: _head(head) for book_id, head in merged.heads.items()},
            "replaced": (*store.replaced, *replaced),
        }
    )


def _known_head(book_id: str, head: _Head) -> KnownHead:
    return KnownHead(head.model, book_id, head.place, head.chain, head.at, frozenset(head.settlements))


def _head(known: KnownHead) -> _Head:
    return _Head(
        model=known.model,
        place=known.position,
        chain=known.chain,
        at=known.at,
        settlements=tuple(sorted(known.settlement_ids)),
    )
