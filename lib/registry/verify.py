"""Verify the books: recompute everything from the store, and compare with anchors stored elsewhere and with remembered heads.

The complete store is searched. Records that no index explains are findings, too; those without a model are listed under the name of the
index's experiment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import NotFound
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor
from lib.ledger.chain.book_findings import check_clock_skew, condense_findings, list_findings
from lib.ledger.chain.entry_signatures import signature_findings
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, LedgerFinding
from lib.ledger.state.index_findings import find_index_strays, named_lives
from lib.ledger.state.inventory_findings import InventoryFinding, judge_inventory
from lib.ledger.state.known_heads import HeadAlarm
from lib.ledger.state.ledger_inventory import LedgerInventory
from lib.ledger.state.settlements import FindingType, mark_settled, mark_settled_elsewhere, read_settlements
from lib.ledger.state.volumes import carry_findings
from lib.ledger.storage.book_index import find_book_id, read_index_params
from lib.ledger.storage.index_run import find_index_id
from lib.ledger.storage.inventory_reader import read_inventory, read_ledger_tags, require_explained_inventory
from lib.ledger.storage.key_trust import read_process_keys
from lib.registry.head_watch import HeadCheck, HeadWatch, ModelReading, StoreReading, check_reading, find_model_alarms
from lib.registry.ledger_search import IndexedBooks, ledger_tags, read_indexed_books
from lib.registry.reader import LoadedBook, incarnation_of, match_books, read_all_snapshots, read_snapshot
from lib.registry.snapshot import RegistrySnapshot
from lib.text import clean_text

_EMPTY_BOOK = DecodedBook((), ("",), ())
_UNNAMED_BOOK = "a book without a name"
_MAX_MISSING_BOOKS = 20
"""Up to this many are listed one by one; the others are counted."""


@dataclass(frozen=True)
class BookVerification:
    """The findings in one book; empty if all is well. `known_names` are all names its model ever had.

    `is_first_seen`: this Podium had no memory of it. `is_remembered` is False if the present head cannot be remembered.
    """

    model: str
    book: DecodedBook
    findings: tuple[LedgerFinding, ...]
    known_names: frozenset[str] = frozenset()
    book_id: str = ""
    is_first_seen: bool = False
    is_remembered: bool = True

    @property
    def unsettled_findings(self) -> tuple[LedgerFinding, ...]:
        """The findings not yet settled."""
        return tuple(finding for finding in self.findings if not finding.settled_by)

    @property
    def anchor_line(self) -> str:
        """The head as a line to store elsewhere; empty for a book without entries."""
        return format_anchor(self.model, self.book) if self.book.head else ""


def verify(backend: Backend, model: str, anchors: Sequence[Anchor] = (), watch: HeadWatch | None = None) -> BookVerification:
    """Check that the book of a model is consistent with itself, the heads tagged on its versions, `anchors`, and the memory of `watch`.

    Writes nothing to the store. Raises NotFound if the model has no book, LedgerBroken if the index was tampered with, or if a record is
    not explained by any index.
    """
    known = watch.memory.read(backend) if watch else None
    snapshot = read_snapshot(
        backend, model
    )  # before the book, like the memory: a head tagged in between would seem to be ahead of it
    book_id = find_book_id(backend, incarnation_of(snapshot))
    if book_id is None:
        require_explained_inventory(backend)
    if book_id is None and snapshot.created_at is None:
        raise _unknown_model(model)
    if book_id is None:
        raise NotFound(
            f"{model} has no record yet.", next="A record begins when someone with write access first opens the model."
        )
    index_id, index_params = find_index_id(backend) or "", read_index_params(backend)
    inventory = LedgerInventory(tags=ledger_tags([snapshot]), index_id=index_id, index_params=index_params)
    books = read_indexed_books(backend, inventory, [book_id])
    if book_id not in books.books:
        return describe_missing_book(model, book_id, books)
    tag_findings = mark_settled_in_books(judge_inventory(inventory), books)
    verification = _verify_book(model, (book_id, books.books[book_id]), snapshot, tag_findings, anchors)
    if watch is None or known is None:
        return verification
    alarms = find_model_alarms(backend, watch, known, ModelReading(model, book_id, books.books[book_id].state, index_id))
    return replace(
        verification,
        findings=(*verification.findings, *map(_alarm_finding, alarms)),
        is_first_seen=book_id not in known.heads,
        is_remembered=bool(alarms) or book_id in watch.memory.read(backend).heads,
    )


def verify_index(backend: Backend) -> tuple[BookVerification, ...]:
    """Unexplained records that belong to no model; empty if all is well. Writes nothing."""
    inventory = read_inventory(backend, read_ledger_tags(backend))
    if findings := judge_inventory(inventory):
        findings = mark_settled_in_books(findings, read_indexed_books(backend, inventory))
    return _index_verifications(findings)


def verify_all(
    backend: Backend, model_anchors: Sequence[ModelAnchor] = (), watch: HeadWatch | None = None
) -> tuple[BookVerification, ...]:
    """Check every indexed book by name, including deleted ones and those of deleted models, against `model_anchors` and the memory of
    `watch`.

    An anchor or a remembered head of a model without a book is a finding of its own, and so is every unexplained record. If the index was
    tampered with, the books are found by the seals of the index runs.
    """
    known = watch.memory.read(backend) if watch else None
    snapshots = read_all_snapshots(backend)
    inventory = read_inventory(backend, ledger_tags(snapshots))
    books = read_indexed_books(backend, inventory)
    findings = mark_settled_in_books(judge_inventory(inventory), books)
    owners = _book_owners(inventory, snapshots, books)
    snapshot_by_model, tag_findings = {snapshot.model: snapshot for snapshot in snapshots}, _group_by_model(findings)
    strays = () if inventory.index_problem else find_stray_names(inventory.index_params, books.books, snapshots)
    strays = mark_settled_in_books(strays, books)
    missing_books = [(_tagged_owner(snapshots, book_id), book_id) for book_id in (*books.missing_ids, *books.refused_ids)]
    missing_books.sort(key=lambda owner_and_id: owner_and_id[0] == _UNNAMED_BOOK)
    if more_count := len(missing_books[_MAX_MISSING_BOOKS:]):
        means = (
            f"The index names {more_count:,} more runs as books that are not in the store: permanently deleted, or never existed."
        )
        strays = (*strays, LedgerFinding(0, "book missing", means))
    verifications = list(_index_verifications(findings, strays))
    for model, book_id in sorted((owners.get(book_id) or book.model, book_id) for book_id, book in books.books.items()):
        snapshot = snapshot_by_model[model] if book_id in owners else RegistrySnapshot(model)
        model_findings = tag_findings.pop(model, []) if book_id in owners else ()
        verifications.append(_verify_book(model, (book_id, books.books[book_id]), snapshot, model_findings))
    for model, book_id in missing_books[:_MAX_MISSING_BOOKS]:
        missing_book = describe_missing_book(model, book_id, books)
        verifications.append(replace(missing_book, findings=mark_settled_in_books(missing_book.findings, books)))
    verifications += [
        BookVerification(model, _EMPTY_BOOK, tuple(model_findings), frozenset({model}))
        for model, model_findings in sorted(tag_findings.items())
    ]
    if watch and known is not None:
        reading = StoreReading(
            inventory.index_id, inventory.index_params, snapshots, books.books, owners, frozenset(inventory.book_ids)
        )
        verifications = _compare_memory(verifications, check_reading(backend, watch, known, reading))
    return _compare_anchors(verifications, model_anchors)


def _book_owners(inventory: LedgerInventory, snapshots: tuple[RegistrySnapshot, ...], books: IndexedBooks) -> dict[str, str]:
    """Run id of a book → its registered model. If the index cannot be trusted, only the tags of the models count."""
    if inventory.index_problem or not inventory.index_id:
        tagged_models = {snapshot.tagged_book_id: snapshot.model for snapshot in snapshots}
        return {book_id: model for book_id, model in tagged_models.items() if book_id in books.books}
    return {book_id: model for model, book_id in match_books(inventory.index_params, snapshots, books.books).items()}


def _group_by_model(findings: Iterable[InventoryFinding]) -> dict[str, list[InventoryFinding]]:
    """The findings about the tags of registered models, by model."""
    findings_by_model = dict[str, list[InventoryFinding]]()
    for finding in findings:
        if finding.model:
            findings_by_model.setdefault(finding.model, []).append(finding)
    return findings_by_model


def _index_verifications(
    findings: Iterable[InventoryFinding], strays: Iterable[LedgerFinding] = ()
) -> tuple[BookVerification, ...]:
    index_findings = (*(finding for finding in findings if not finding.model), *strays)
    return (BookVerification(INDEX_EXPERIMENT, _EMPTY_BOOK, condense_findings(index_findings)),) if index_findings else ()


def _verify_book(
    model: str,
    located_book: tuple[str, LoadedBook],
    snapshot: RegistrySnapshot,
    tag_findings: Iterable[InventoryFinding],
    anchors: Sequence[Anchor] = (),
) -> BookVerification:
    """Verify one book. `tag_findings` concern tags of this model that lead to a book unknown to this index."""
    book_id, book = located_book[0], located_book[1].state.book
    findings = list_book_findings(located_book, snapshot)
    findings += [replace(finding, what="replaced book") for finding in tag_findings]
    findings += list_findings(replace(book, findings=()), anchors)  # a user's own anchors cannot be settled
    names = frozenset({model, *(entry.body.model for entry in book.entries if entry.body.model)})
    return BookVerification(model, book, condense_findings(findings), names, book_id)


def list_book_findings(located_book: tuple[str, LoadedBook], snapshot: RegistrySnapshot) -> list[LedgerFinding]:
    """The findings in a book, including those against heads tagged on the versions, each with the entry that settles it."""
    book_id, loaded_book = located_book
    book = loaded_book.state.book
    findings = [
        *list_findings(book, snapshot.anchors(book_id)),
        *carry_findings(book),
        *signature_findings(book),
        *check_clock_skew(book.entries),
    ]
    for run_id in loaded_book.deleted_run_ids:
        means = f"A run of this book was deleted. Restore run {run_id} before MLflow's gc removes it."
        findings.append(LedgerFinding(0, "book deleted", means, subject=run_id))
    return [*mark_settled(findings, read_settlements(book, read_process_keys()))]


def mark_settled_in_books(findings: Iterable[FindingType], books: IndexedBooks) -> tuple[FindingType, ...]:
    """Findings that belong to no book, each with the entry that settles it."""
    return mark_settled_elsewhere(findings, (book.state.book for book in books.books.values()), read_process_keys())


def find_stray_names(
    index_params: Mapping[str, str], books: Mapping[str, LoadedBook], snapshots: Sequence[RegistrySnapshot]
) -> tuple[LedgerFinding, ...]:
    """Names in the index that no record explains, uncondensed."""
    lives_by_book = {book_id: named_lives(book.state, book.model) for book_id, book in books.items()}
    return find_index_strays(index_params, lives_by_book, map(incarnation_of, snapshots))


def _unknown_model(model: str) -> NotFound:
    return NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the model name.")


def describe_missing_book(model: str, book_id: str, books: IndexedBooks) -> BookVerification:
    """The verification of an indexed book that cannot be read: it is gone, or this account may not read it."""
    if book_id in books.refused_ids:
        what = "book not readable"
        means = f"The index names run {book_id} as this book. It is missing, or this account may not read it, so it cannot be checked."
    else:
        what = "book missing"
        means = f"The index names run {book_id} as this book, but the store no longer has it. Restore it from a backup."
    return BookVerification(model, _EMPTY_BOOK, (LedgerFinding(0, what, means, subject=book_id),), frozenset({model}), book_id)


def _tagged_owner(snapshots: Sequence[RegistrySnapshot], book_id: str) -> str:
    """The model tagged with the run id of a missing book."""
    return next((snapshot.model for snapshot in snapshots if snapshot.tagged_book_id == book_id), _UNNAMED_BOOK)


def _compare_memory(verifications: Sequence[BookVerification], check: HeadCheck) -> list[BookVerification]:
    """Assign each alarm to its book, else to the book of its model; the others are listed separately."""
    results = [
        replace(verification, is_first_seen=verification.book_id in check.new_book_ids, is_remembered=check.is_remembered)
        for verification in verifications
    ]
    for alarm in check.alarms:
        name = alarm.known.model or INDEX_EXPERIMENT
        matches = [n for n, v in enumerate(results) if alarm.known.book_id == v.book_id or name == v.model]
        if not matches:
            names = frozenset({name}) - {INDEX_EXPERIMENT}
            results.append(BookVerification(name, _EMPTY_BOOK, (_alarm_finding(alarm),), names))
            continue
        number = min(matches, key=lambda n: results[n].book_id != alarm.known.book_id)
        results[number] = replace(results[number], findings=(*results[number].findings, _alarm_finding(alarm)))
    return results


def _alarm_finding(alarm: HeadAlarm) -> LedgerFinding:
    means = f"{alarm.means} No decision is accepted until a person has reviewed this."
    return LedgerFinding(alarm.known.position, alarm.what, means, blocks_writing=True, subject=alarm.known.book_id)


def _compare_anchors(
    verifications: Sequence[BookVerification], model_anchors: Sequence[ModelAnchor]
) -> tuple[BookVerification, ...]:
    """Compare each anchor with the books whose models have or had its name. The book with the current name gets the finding."""
    results = list(verifications)
    for model_anchor in model_anchors:
        model, anchor = model_anchor.model, model_anchor.anchor
        matches = [n for n, v in enumerate(results) if model in {clean_text(v.model), *map(clean_text, v.known_names)}]
        if not matches:
            means = f"A head at place {anchor.position} was stored elsewhere for {model}, but the model has no book here."
            results.append(BookVerification(model, _EMPTY_BOOK, (LedgerFinding(anchor.position, "book missing", means),)))
            continue
        matches.sort(key=lambda n: clean_text(results[n].model) != model)
        findings = [list_findings(replace(results[n].book, findings=()), [anchor]) for n in matches]
        if all(findings):
            results[matches[0]] = replace(results[matches[0]], findings=(*results[matches[0]].findings, *findings[0]))
    return tuple(results)
