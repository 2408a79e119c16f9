"""Unsettled findings about a model: they block decisions or stay in its record until a person settles them. Read-only."""

from dataclasses import dataclass

from lib.backends.backend import Backend
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import LedgerFinding
from lib.ledger.state.inventory_findings import judge_inventory
from lib.ledger.state.known_heads import HeadAlarm
from lib.ledger.storage.book_index import find_book_id
from lib.ledger.storage.inventory_reader import read_inventory
from lib.registry.head_watch import HeadWatch, find_head_alarms
from lib.registry.ledger_search import ledger_tags, read_indexed_books
from lib.registry.reader import incarnation_of, read_all_snapshots
from lib.registry.snapshot import RegistrySnapshot
from lib.registry.verify import describe_missing_book, find_stray_names, list_book_findings, mark_settled_in_books


@dataclass(frozen=True)
class Unsettled:
    """Unsettled items: findings of the book, its tags and the ledger, uncondensed, and remembered heads missing in the store."""

    findings: tuple[LedgerFinding, ...] = ()
    alarms: tuple[HeadAlarm, ...] = ()

    @property
    def all_findings(self) -> tuple[LedgerFinding, ...]:
        """Everything as findings."""
        alarms = (LedgerFinding(alarm.known.position, alarm.what, alarm.means, blocks_writing=True) for alarm in self.alarms)
        return (*self.findings, *alarms)


def list_unsettled(backend: Backend, model: str, watch: HeadWatch | None = None) -> Unsettled:
    """The unsettled findings in the record of a model, compared with the memory of `watch`.

    Raises NotFound for a missing model without a record, LedgerBroken if the index or the memory cannot be trusted.
    """
    alarms = tuple(alarm for alarm in find_head_alarms(backend, watch) if alarm.known.model == model) if watch else ()
    snapshots = read_all_snapshots(backend)
    inventory = read_inventory(backend, ledger_tags(snapshots))
    books = read_indexed_books(backend, inventory)
    elsewhere: list[LedgerFinding] = [finding for finding in judge_inventory(inventory) if finding.model in ("", model)]
    if not inventory.index_problem:
        elsewhere += find_stray_names(inventory.index_params, books.books, snapshots)
    elsewhere += [finding for book_id in books.missing_ids for finding in describe_missing_book(model, book_id, books).findings]
    snapshot = next((snapshot for snapshot in snapshots if snapshot.model == model), RegistrySnapshot(model))
    book_id = find_book_id(backend, incarnation_of(snapshot)) or ""
    if not book_id and snapshot.created_at is None and not alarms:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the model name.")
    own_findings = list_book_findings((book_id, books.books[book_id]), snapshot) if book_id in books.books else []
    findings = (*own_findings, *mark_settled_in_books(elsewhere, books))
    return Unsettled(tuple(finding for finding in findings if not finding.settled_by), alarms)
