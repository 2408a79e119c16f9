"""Verify the books: recompute everything from what the store holds now, and compare with anchors noted elsewhere.

All of the store is searched: what of Podium no index explains is a finding, too, under the name of the index's experiment where it
belongs to no model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import NotFound
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor
from lib.ledger.chain.book_findings import check_clock_skew, collect_findings, condense_findings
from lib.ledger.chain.entry_signatures import signature_findings
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, LedgerFinding
from lib.ledger.state.index_findings import find_index_strays, named_lives
from lib.ledger.state.inventory_findings import InventoryFinding, judge_inventory
from lib.ledger.state.ledger_inventory import LedgerInventory
from lib.ledger.state.volumes import carry_findings
from lib.ledger.storage.book_index import find_book_id, read_index_params
from lib.ledger.storage.index_run import find_index_id
from lib.ledger.storage.inventory_reader import read_inventory, read_ledger_tags, require_explained_inventory
from lib.registry.ledger_search import IndexedBooks, ledger_tags, read_indexed_books
from lib.registry.reader import LoadedBook, incarnation_of, match_books, read_all_snapshots, read_snapshot
from lib.registry.snapshot import RegistrySnapshot
from lib.text import clean_text

_EMPTY_BOOK = DecodedBook((), ("",), ())
_UNNAMED_BOOK = "a book without a name"
_MAX_MISSING_BOOKS = 20
"""So many are named one by one; the others are counted."""


@dataclass(frozen=True)
class BookVerification:
    """What was found in one book; `findings` is empty when all is well. `known_names` are all names its model ever had."""

    model: str
    book: DecodedBook
    findings: tuple[LedgerFinding, ...]
    known_names: frozenset[str] = frozenset()

    @property
    def anchor_line(self) -> str:
        """The head as a line to note elsewhere; empty for a book without entries."""
        return format_anchor(self.model, self.book) if self.book.head else ""


def verify(backend: Backend, model: str, anchors: Sequence[Anchor] = ()) -> BookVerification:
    """Check the book of a model against itself, the heads tagged on its versions, and `anchors`. Writes nothing.

    Raises NotFound when the model has no book, LedgerBroken when the index that should name it was tampered with, or when there is a
    record that no index explains.
    """
    snapshot = read_snapshot(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    book_id = find_book_id(backend, incarnation_of(snapshot))
    if book_id is None:
        require_explained_inventory(backend)
    if book_id is None and snapshot.created_at is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book_id is None:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    index_id, index_params = find_index_id(backend) or "", read_index_params(backend)
    inventory = LedgerInventory(tags=ledger_tags([snapshot]), index_id=index_id, index_params=index_params)
    books = read_indexed_books(backend, inventory, [book_id])
    if book_id not in books.books:
        return _missing_book(model, book_id, books)
    return _verify_book(model, (book_id, books.books[book_id]), snapshot, judge_inventory(inventory), anchors)


def verify_index(backend: Backend) -> tuple[BookVerification, ...]:
    """What of Podium no index explains and belongs to no model; nothing when all is well. Writes nothing."""
    return _index_verifications(judge_inventory(read_inventory(backend, read_ledger_tags(backend))))


def verify_all(backend: Backend, model_anchors: Sequence[ModelAnchor] = ()) -> tuple[BookVerification, ...]:
    """Check every book the index names, deleted ones and those of deleted models too, by name, and compare with `model_anchors`.

    An anchor of a model that has no book here is a finding of its own, and so is whatever no index explains. Where the index was tampered
    with, the books are found by the seals of the index runs.
    """
    snapshots = read_all_snapshots(backend)
    inventory = read_inventory(backend, ledger_tags(snapshots))
    findings, books = judge_inventory(inventory), read_indexed_books(backend, inventory)
    owners = _book_owners(inventory, snapshots, books)
    snapshot_by_model, tag_findings = {snapshot.model: snapshot for snapshot in snapshots}, _group_by_model(findings)
    strays = () if inventory.index_problem else _find_index_strays(inventory.index_params, books.books, snapshots)
    missing_books = [(_tagged_owner(snapshots, book_id), book_id) for book_id in (*books.missing_ids, *books.refused_ids)]
    missing_books.sort(key=lambda owner_and_id: owner_and_id[0] == _UNNAMED_BOOK)
    if more_count := len(missing_books[_MAX_MISSING_BOOKS:]):
        means = f"The index names {more_count:,} more runs as books, and the store has none of them: removed for good, or never there."
        strays = (*strays, LedgerFinding(0, "book missing", means))
    verifications = list(_index_verifications(findings, strays))
    for model, book_id in sorted((owners.get(book_id) or book.model, book_id) for book_id, book in books.books.items()):
        snapshot = snapshot_by_model[model] if book_id in owners else RegistrySnapshot(model)
        model_findings = tag_findings.pop(model, []) if book_id in owners else ()
        verifications.append(_verify_book(model, (book_id, books.books[book_id]), snapshot, model_findings))
    verifications += [_missing_book(model, book_id, books) for model, book_id in missing_books[:_MAX_MISSING_BOOKS]]
    verifications += [
        BookVerification(model, _EMPTY_BOOK, tuple(model_findings), frozenset({model}))
        for model, model_findings in sorted(tag_findings.items())
    ]
    return _compare_anchors(verifications, model_anchors)


def _book_owners(inventory: LedgerInventory, snapshots: tuple[RegistrySnapshot, ...], books: IndexedBooks) -> dict[str, str]:
    """Run id of a book → the registered model it belongs to; where the index cannot be trusted, by the tags of the models alone."""
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
    return (BookVerification(INDEX_EXPERIMENT, _EMPTY_BOOK, index_findings),) if index_findings else ()


def _verify_book(
    model: str,
    located_book: tuple[str, LoadedBook],
    snapshot: RegistrySnapshot,
    tag_findings: Iterable[InventoryFinding],
    anchors: Sequence[Anchor] = (),
) -> BookVerification:
    """`tag_findings` are about the tags of this model that lead to another book than this index knows."""
    book_id, loaded_book = located_book
    book = loaded_book.state.book
    findings = [
        *collect_findings(book, (*snapshot.anchors(book_id), *anchors)),
        *carry_findings(book),
        *condense_findings(tuple(signature_findings(book))),
        *check_clock_skew(book.entries),
    ]
    for run_id in loaded_book.deleted_run_ids:
        means = f"A run of this book was deleted. Restore run {run_id}, before MLflow's gc removes it."
        findings.append(LedgerFinding(0, "book deleted", means, subject=run_id))
    findings += [replace(finding, what="replaced book") for finding in tag_findings]
    names = frozenset({model, *(entry.body.model for entry in book.entries if entry.body.model)})
    return BookVerification(model, book, tuple(findings), names)


def _find_index_strays(
    index_params: Mapping[str, str], books: Mapping[str, LoadedBook], snapshots: Sequence[RegistrySnapshot]
) -> tuple[LedgerFinding, ...]:
    lives_by_book = {book_id: named_lives(book.state, book.model) for book_id, book in books.items()}
    return find_index_strays(index_params, lives_by_book, map(incarnation_of, snapshots))


def _missing_book(model: str, book_id: str, books: IndexedBooks) -> BookVerification:
    if book_id in books.refused_ids:
        what = "book not readable"
        means = f"The index names run {book_id} as this book. It is not there, or this account may not read it: nobody can judge it so."
    else:
        what = "book missing"
        means = f"The index names run {book_id} as this book, and the store has it no more. Bring it back from a backup."
    return BookVerification(model, _EMPTY_BOOK, (LedgerFinding(0, what, means, subject=book_id),), frozenset({model}))


def _tagged_owner(snapshots: Sequence[RegistrySnapshot], book_id: str) -> str:
    """The model that carries the run id of a book which is gone."""
    return next((snapshot.model for snapshot in snapshots if snapshot.tagged_book_id == book_id), _UNNAMED_BOOK)


def _compare_anchors(
    verifications: Sequence[BookVerification], model_anchors: Sequence[ModelAnchor]
) -> tuple[BookVerification, ...]:
    """Compare each anchor with the books whose models have or had its name; the book of the current name gets the finding."""
    results = list(verifications)
    for model_anchor in model_anchors:
        model, anchor = model_anchor.model, model_anchor.anchor
        matches = [n for n, v in enumerate(results) if model in {clean_text(v.model), *map(clean_text, v.known_names)}]
        if not matches:
            means = f"A head at place {anchor.position} was noted for {model}, and there is no book of it here."
            results.append(BookVerification(model, _EMPTY_BOOK, (LedgerFinding(anchor.position, "book missing", means),)))
            continue
        matches.sort(key=lambda n: clean_text(results[n].model) != model)
        findings = [collect_findings(replace(results[n].book, findings=()), [anchor]) for n in matches]
        if all(findings):
            results[matches[0]] = replace(results[matches[0]], findings=(*results[matches[0]].findings, *findings[0]))
    return tuple(results)
