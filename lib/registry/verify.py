"""Verify the books: recompute everything from what the store holds now, and compare with anchors noted elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor
from lib.ledger.chain.book_findings import check_clock_skew, collect_findings
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, LedgerFinding
from lib.ledger.state.book_lookup import book_ids
from lib.ledger.state.index_findings import find_index_strays, named_lives
from lib.ledger.state.volumes import carry_findings
from lib.ledger.storage.book_index import find_book_id, read_index_params
from lib.registry.reader import (
    LoadedBook,
    find_book_ids,
    incarnation_of,
    read_all_books_uncached,
    read_all_snapshots,
    read_sealed_books,
    read_snapshot,
)
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

    Raises NotFound when the model has no book, LedgerBroken when the index that should name it was tampered with.
    """
    snapshot = read_snapshot(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    book_id = find_book_id(backend, incarnation_of(snapshot))
    if book_id is None and snapshot.created_at is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book_id is None:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    books = read_all_books_uncached(backend)
    return _verify_book(model, book_id, books, snapshot, anchors) if book_id in books else _missing_book(model, book_id)


def verify_all(backend: Backend, model_anchors: Sequence[ModelAnchor] = ()) -> tuple[BookVerification, ...]:
    """Check every book the index names, deleted ones and those of deleted models too, by name, and compare with `model_anchors`.

    An anchor of a model that has no book here is a finding of its own, and so is an index that was tampered with: then the books are
    found by the seals of the index runs.
    """
    snapshots, verifications = read_all_snapshots(backend), list[BookVerification]()
    try:
        index_params, books = read_index_params(backend), read_all_books_uncached(backend)
        indexed_ids, index_findings = book_ids(index_params), _find_index_strays(index_params, books, snapshots)
        owners = {book_id: model for model, book_id in find_book_ids(backend, snapshots, books).items()}
    except LedgerBroken as error:
        books, owners = read_sealed_books(backend), {snapshot.tagged_book_id: snapshot.model for snapshot in snapshots}
        indexed_ids, index_findings = frozenset(books), (LedgerFinding(0, "index changed", str(error)),)
    snapshot_by_model = {snapshot.model: snapshot for snapshot in snapshots}
    told_books = {book_id: book for book_id, book in books.items() if book.state.book.head or book_id in owners}
    pairs = sorted((owners.get(book_id) or book.model, book_id) for book_id, book in told_books.items())
    for model, book_id in pairs:
        snapshot = snapshot_by_model[model] if book_id in owners else RegistrySnapshot(model)
        verifications.append(_verify_book(model, book_id, books, snapshot))
    missing_books = [(_tagged_owner(snapshots, book_id), book_id) for book_id in sorted(indexed_ids - set(books))]
    missing_books.sort(key=lambda owner_and_id: owner_and_id[0] == _UNNAMED_BOOK)
    verifications += [_missing_book(model, book_id) for model, book_id in missing_books[:_MAX_MISSING_BOOKS]]
    if more_count := len(missing_books[_MAX_MISSING_BOOKS:]):
        means = f"The index names {more_count:,} more runs as books, and the store has none of them: removed for good, or never there."
        index_findings = (*index_findings, LedgerFinding(0, "book missing", means))
    if index_findings:
        verifications.insert(0, BookVerification(INDEX_EXPERIMENT, _EMPTY_BOOK, index_findings))
    return _compare_anchors(verifications, model_anchors)


def _verify_book(
    model: str, book_id: str, books: Mapping[str, LoadedBook], snapshot: RegistrySnapshot, anchors: Sequence[Anchor] = ()
) -> BookVerification:
    book = books[book_id].state.book
    findings = [
        *collect_findings(book, (*snapshot.anchors(book_id), *anchors)),
        *carry_findings(book),
        *check_clock_skew(book.entries),
    ]
    for run_id in books[book_id].deleted_run_ids:
        means = f"A run of this book was deleted. Restore run {run_id}, before MLflow's gc removes it."
        findings.append(LedgerFinding(0, "book deleted", means))
    foreign_tags = set(snapshot.versions_of_other_books({*books, book_id}))
    if snapshot.tagged_book_id and snapshot.tagged_book_id not in books:
        foreign_tags.add(f"the model ({snapshot.tagged_book_id[:8]}…)")
    if foreign_tags:
        means = f"A book that this index does not name is noted on {', '.join(sorted(foreign_tags))}: copied from elsewhere, or replaced here."
        findings.append(LedgerFinding(0, "replaced book", means))
    names = frozenset({model, *(entry.body.model for entry in book.entries if entry.body.model)})
    return BookVerification(model, book, tuple(findings), names)


def _find_index_strays(
    index_params: Mapping[str, str], books: Mapping[str, LoadedBook], snapshots: Sequence[RegistrySnapshot]
) -> tuple[LedgerFinding, ...]:
    lives_by_book = {book_id: named_lives(book.state, book.model) for book_id, book in books.items()}
    return find_index_strays(index_params, lives_by_book, map(incarnation_of, snapshots))


def _missing_book(model: str, book_id: str) -> BookVerification:
    means = f"The index names run {book_id} as this book, and the store has it no more. Bring it back from a backup."
    return BookVerification(model, _EMPTY_BOOK, (LedgerFinding(0, "book missing", means),), frozenset({model}))


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
