"""The memory of book heads this Podium has read, in its own file PODIUM_HOME/known-heads.json, for each backend by address and workspace.

    {"format": 1, "backends": {"‹uri›": {
        "index": "‹run id›",
        "heads": {"‹run id of the book›": {"model": "wine", "place": 17, "chain": "5d9e…", "at": "…", "settlements": ["‹entry id›"]}},
        "replaced": [{"book": "‹run id›", "model": "wine", "place": 19, …, "by": ["‹entry id›"]}],
        "earlier": [{"index": "‹run id›", "heads": {…}, "until": "…", "by": "ana", "reason": "…"}]}}}

The memory only grows. It is changed under a lock, merged with concurrent changes of other processes, and only if there is something new.
If its folder cannot be written, nothing is remembered. An unreadable file is never overwritten: it raises RecordInDoubt, because then it is
unknown whether a record is the one seen before. The comparison itself is in `state.known_heads`.
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
"""The file as last read by this process; parsed again only if it was replaced."""


@dataclass(frozen=True)
class HeadMemory:
    """The memory of the Podium with this folder. `read_keys` returns the keys whose settlements it trusts.

    `workspace` is the one MLflow asks a server for; each workspace of a server has a record of its own. Empty for the server's default.
    """

    home: Path
    read_keys: Callable[[], TrustedKeys] = field(compare=False, repr=False)
    workspace: str = ""

    @property
    def file(self) -> Path:
        return self.home / MEMORY_FILE

    def read(self, backend: Backend) -> KnownStore:
        """The memory of a store; empty if there is none yet. Raises RecordInDoubt if the file cannot be read."""
        store = self._read_document().backends.get(self._store_key(backend), _Store())
        return KnownStore(store.index, {book_id: _known_head(book_id, head) for book_id, head in store.heads.items()})

    def remember(
        self, backend: Backend, index_id: str, heads: Iterable[tuple[KnownHead, DecodedBook]], replacements: Replacements
    ) -> bool:
        """Remember these heads, each read with its book, if they continue from the present memory.

        An empty `index_id` keeps the remembered one. Returns False if the memory cannot be written. Raises RecordInDoubt like `read`.
        """
        read_heads = tuple(heads)
        store = self._read_document().backends.get(self._store_key(backend), _Store())
        if _merge(store, index_id, read_heads, replacements) == store:
            return True
        return self._change(backend, lambda present: _merge(present, index_id, read_heads, replacements))

    def remember_book(self, backend: Backend, head: KnownHead, state: BookState, index_id: str = "") -> bool:
        """The same for one book, including the heads it replaces itself. A book without entries is not remembered."""
        if not state.book.head:
            return True
        return self.remember(backend, index_id, [(head, state.book)], read_replacements([state], self.read_keys))

    def accept_store(self, backend: Backend, index_id: str, at: datetime, actor_name: str, reason: str) -> bool:
        """Start over for a completely different store: its index is `index_id`, and the previous memory is archived as an earlier store.

        Returns False if the memory cannot be written. Raises RecordInDoubt like `read`.
        """

        def start_over(store: _Store) -> _Store:
            earlier = _EarlierStore(
                index=store.index, heads=store.heads, until=format_timestamp(at), by=actor_name, reason=reason
            )
            return store.model_copy(update={"index": index_id, "heads": {}, "earlier": (*store.earlier, earlier)})

        return self._change(backend, start_over)

    def _store_key(self, backend: Backend) -> str:
        return f"{backend.uri} workspace {self.workspace}" if self.workspace and backend.kind == "server" else backend.uri

    def _change(self, backend: Backend, change: Callable[[_Store], _Store]) -> bool:
        try:
            with lock_file(self.file):
                document = self._read_document()
                key = self._store_key(backend)
                new_store = change(document.backends.get(key, _Store()))
                new_document = document.model_copy(update={"backends": {**document.backends, key: new_store}})
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
                f"The memory of known records cannot be read: {self.file} ({type(error).__name__}).",
                means="Podium cannot tell whether a record is the one seen before, so no decision is accepted. The file was not changed.",
                next="Restore it from a backup, or fix it. If it is lost, move it away; then every record counts as new.",
            ) from error
        _LAST_READ[self.file] = (signature, document)
        return document


def create_head_memory(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> HeadMemory:
    """The memory for a process with this environment. Reads nothing yet."""
    read_keys = partial(read_trusted_keys_or_none, environment, project)
    return HeadMemory(podium_home(environment, project), read_keys, environment.get("MLFLOW_WORKSPACE", "").strip())


def _merge(store: _Store, index_id: str, heads: Iterable[tuple[KnownHead, DecodedBook]], replacements: Replacements) -> _Store:
    """The memory of a store after reading these heads."""
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
