"""Verify the books: recompute everything from what the store holds now, and compare with the heads noted elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.anchor_text import ModelAnchor, format_anchor
from lib.ledger.chain.hash_chain import Anchor, DecodedBook, LedgerFinding, check_clock_skew, collect_findings
from lib.ledger.entry.vocabulary import clean_text
from lib.ledger.state.volumes import carry_findings
from lib.ledger.storage.book_index import find_book_id, read_index_params
from lib.ledger.storage.book_lookup import book_ids
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

EMPTY_BOOK = DecodedBook((), ("",), ())
UNNAMED_BOOK = "a book without a name"


@dataclass(frozen=True)
class BookVerification:
    """What was found in one book; `findings` is empty when all is well. `names` are all names its model ever had."""

    model: str
    book: DecodedBook
    findings: tuple[LedgerFinding, ...]
    known_names: frozenset[str] = frozenset()

    @property
    def anchor_line(self) -> str:
        """The head as a line to be noted elsewhere; empty where there is nothing to note."""
        return format_anchor(self.model, self.book) if self.book.head else ""


def verify(backend: Backend, model: str, anchors: Sequence[Anchor] = ()) -> BookVerification:
    """Judge the book of a model against itself, the heads noted on its versions, and `anchors`. Writes nothing.

    Raises NotFound when the model has no book, LedgerBroken when the index that should name it was tampered with.
    """
    seen = read_snapshot(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    book = find_book_id(backend, incarnation_of(seen))
    if book is None and seen.created_at is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book is None:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    told = read_all_books_uncached(backend)
    return _judged(model, book, told, seen, anchors) if book in told else _missing(model, book)


def verify_all(backend: Backend, model_anchors: Sequence[ModelAnchor] = ()) -> tuple[BookVerification, ...]:
    """Judge every book the index names, deleted ones and those of deleted models too, by name, and compare with noted heads.

    A head of a model that has no book here is a finding of its own, and so is an index that was tampered with: then the books are
    found by the seals of the index runs.
    """
    models, index = read_all_snapshots(backend), list[BookVerification]()
    try:
        named, told = book_ids(read_index_params(backend)), read_all_books_uncached(backend)
        owners = {book: model for model, book in find_book_ids(backend, models, told).items()}
    except LedgerBroken as error:
        told, owners = read_sealed_books(backend), {one.tagged_book_id: one.model for one in models}
        named = frozenset(told)
        index.append(BookVerification(INDEX_EXPERIMENT, EMPTY_BOOK, (LedgerFinding(0, "index changed", str(error)),)))
    seen = {one.model: one for one in models}
    pairs = sorted((owners.get(book) or one.model, book) for book, one in told.items())
    found = [_judged(name, book, told, seen[name] if book in owners else RegistrySnapshot(name)) for name, book in pairs]
    found += [_missing(_noted_owner(models, book), book) for book in sorted(named - set(told))]
    return _against([*index, *found], model_anchors)


def _judged(
    model: str, book: str, told: Mapping[str, LoadedBook], seen: RegistrySnapshot, anchors: Sequence[Anchor] = ()
) -> BookVerification:
    reading = told[book].state.book
    findings = [
        *collect_findings(reading, (*seen.anchors(book), *anchors)),
        *carry_findings(reading),
        *check_clock_skew(reading.entries),
    ]
    for run_id in told[book].deleted_run_ids:
        means = f"A run of this book was deleted. Restore run {run_id}, before MLflow's gc removes it."
        findings.append(LedgerFinding(0, "book deleted", means))
    strangers = set(seen.versions_of_other_books({*told, book}))
    if seen.tagged_book_id and seen.tagged_book_id not in told:
        strangers.add(f"the model ({seen.tagged_book_id[:8]}…)")
    if strangers:
        means = f"A book that this index does not name is noted on {', '.join(sorted(strangers))}: copied from elsewhere, or replaced here."
        findings.append(LedgerFinding(0, "replaced book", means))
    names = frozenset({model, *(entry.body.model for entry in reading.entries if entry.body.model)})
    return BookVerification(model, reading, tuple(findings), names)


def _missing(model: str, book: str) -> BookVerification:
    means = f"The index names run {book} as this book, and the store has it no more. Bring it back from a backup."
    return BookVerification(model, EMPTY_BOOK, (LedgerFinding(0, "book missing", means),), frozenset({model}))


def _noted_owner(models: Sequence[RegistrySnapshot], book: str) -> str:
    """The model that carries the run id of a book which is gone."""
    return next((one.model for one in models if one.tagged_book_id == book), UNNAMED_BOOK)


def _against(found: Sequence[BookVerification], noted: Sequence[ModelAnchor]) -> tuple[BookVerification, ...]:
    """Hold each noted head against the books whose models have or had its name; that of the name of today answers for it."""
    judged = list(found)
    for one in noted:
        named = [n for n, v in enumerate(judged) if one.model in {clean_text(v.model), *map(clean_text, v.known_names)}]
        if not named:
            means = f"A head at place {one.anchor.position} was noted for {one.model}, and there is no book of it here."
            judged.append(BookVerification(one.model, EMPTY_BOOK, (LedgerFinding(one.anchor.position, "book missing", means),)))
            continue
        named.sort(key=lambda n: clean_text(judged[n].model) != one.model)
        told = [collect_findings(replace(judged[n].book, findings=()), [one.anchor]) for n in named]
        if all(told):
            judged[named[0]] = replace(judged[named[0]], findings=(*judged[named[0]].findings, *told[0]))
    return tuple(judged)
