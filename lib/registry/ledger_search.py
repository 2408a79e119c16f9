"""Results of the search for the complete ledger: indexed books, unexplained records, and what this account cannot see.

`verify`, the Doctor, and all pages and commands that report "no record yet" use the same search (`ledger.storage.inventory_reader`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, translate_errors
from lib.backends.pagination import read_pages
from lib.backends.permissions import describe_unreadable_experiments
from lib.backends.reserved_names import BOOK_TAG, HEAD_TAG
from lib.ledger.state.ledger_inventory import LedgerInventory, LedgerTag
from lib.ledger.state.replay import replay
from lib.ledger.state.volumes import VolumeParams, read_volumes
from lib.ledger.storage.book import read_volume_params
from lib.ledger.storage.inventory_reader import read_inventory, read_ledger_tags
from lib.registry.reader import LoadedBook
from lib.registry.snapshot import RegistrySnapshot

NO_RECORD_TEXT = "No record yet."
"""Used only if nothing of Podium was found and nothing is known to be hidden."""
_MAX_SINGLE_READS = 100
"""Limit for books that the search did not find. They are empty, gone or unreadable, and anyone with write access can add more names."""


@dataclass(frozen=True)
class IndexedBooks:
    """The indexed books by run id. `missing_ids` are named but missing; `refused_ids` are missing or not readable with this account."""

    books: Mapping[str, LoadedBook]
    missing_ids: tuple[str, ...] = ()
    refused_ids: tuple[str, ...] = ()


def ledger_tags(snapshots: Iterable[RegistrySnapshot]) -> tuple[LedgerTag, ...]:
    """The tags of these models and their versions that lead to a book."""
    return tuple(
        tag
        for snapshot in snapshots
        for tag in (
            LedgerTag(snapshot.model, BOOK_TAG, snapshot.tagged_book_id),
            *(LedgerTag(snapshot.model, HEAD_TAG, version.head, version.number) for version in snapshot.versions.values()),
        )
        if tag.value
    )


def read_indexed_books(backend: Backend, inventory: LedgerInventory, book_ids: Collection[str] | None = None) -> IndexedBooks:
    """All indexed books, or the given ones, hashed and parsed again, including deleted ones. Fetches those missing in the inventory."""
    ids = sorted(inventory.book_ids if book_ids is None else book_ids)
    missing_ids = [book_id for book_id in ids if book_id not in inventory.runs][_MAX_SINGLE_READS:]
    books, refused_ids = dict[str, LoadedBook](), list[str]()
    with translate_errors("The ledger"), relaxed_gc():
        for book_id in sorted(set(ids) - set(missing_ids)):
            try:
                volumes = read_volumes(partial(_volume_params, backend, inventory), book_id)
            except MlflowException as error:
                if error.error_code not in PERMISSION_ERROR_CODES:
                    raise
                refused_ids.append(book_id)
                continue
            model = inventory.runs[book_id].model if book_id in inventory.runs else ""
            books |= {book_id: LoadedBook(replay(volumes.book), volumes.deleted_run_ids, model)} if volumes else {}
            missing_ids += [] if volumes else [book_id]
    return IndexedBooks(books, tuple(missing_ids), tuple(refused_ids))


def describe_absence(backend: Backend) -> str:
    """The message if no book was found. Claims that there is no record only if there is nothing of Podium at all."""
    if not read_inventory(backend, read_ledger_tags(backend)).is_empty:
        return "A ledger exists here, but has no books yet."
    unreadable_text = describe_unreadable(backend)
    return f"No record was found in what this account can read. {unreadable_text}" if unreadable_text else NO_RECORD_TEXT


def describe_unreadable(backend: Backend) -> str:
    """What a search with this account cannot see, as a sentence; empty if nothing is known to be hidden."""
    with translate_errors("The experiments"):
        experiments = read_pages(lambda token: client(backend).search_experiments(ViewType.ALL, page_token=token))
    return describe_unreadable_experiments(backend, {experiment.experiment_id for experiment in experiments})


def _volume_params(backend: Backend, inventory: LedgerInventory, run_id: str) -> VolumeParams | None:
    run = inventory.runs.get(run_id)
    return VolumeParams(run.params, run.is_active) if run else read_volume_params(backend, run_id)
