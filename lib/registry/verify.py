"""Verify the books: recompute everything from what the store holds now, and compare with the heads noted elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backends.backend import Backend
from lib.backends.reserved_names import INDEX
from lib.errors import LedgerBroken, NotFound
from lib.ledger.chain.anchor_text import Noted, line
from lib.ledger.chain.clock_check import backwards
from lib.ledger.chain.hash_chain import Anchor, Finding, Reading, judge
from lib.ledger.entry.vocabulary import typed
from lib.ledger.state.volumes import misfits
from lib.ledger.storage.book_index import find_book, index_params
from lib.ledger.storage.book_lookup import books
from lib.registry.reader import Told, every_book_anew, every_model, life_of, look_at, sealed_books, whose
from lib.registry.snapshot import Seen

NOTHING = Reading((), ("",), ())
LOST = "a book without a name"


@dataclass(frozen=True)
class Verdict:
    """What was found in one book; `findings` is empty when all is well. `names` are all names its model ever had."""

    model: str
    reading: Reading
    findings: tuple[Finding, ...]
    names: frozenset[str] = frozenset()

    @property
    def head(self) -> str:
        """The head as a line to be noted elsewhere; empty where there is nothing to note."""
        return line(self.model, self.reading) if self.reading.head else ""


def verify(backend: Backend, model: str, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Judge the book of a model against itself, the heads noted on its versions, and `anchors`. Writes nothing.

    Raises NotFound when the model has no book, LedgerBroken when the index that should name it was tampered with.
    """
    seen = look_at(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    book = find_book(backend, life_of(seen))
    if book is None and seen.created is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book is None:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    told = every_book_anew(backend)
    return _judged(model, book, told, seen, anchors) if book in told else _missing(model, book)


def verify_all(backend: Backend, noted: Sequence[Noted] = ()) -> tuple[Verdict, ...]:
    """Judge every book the index names, deleted ones and those of deleted models too, by name, and compare with noted heads.

    A head of a model that has no book here is a finding of its own, and so is an index that was tampered with: then the books are
    found by the seals of the index runs.
    """
    models, index = every_model(backend), list[Verdict]()
    try:
        named, told = books(index_params(backend)), every_book_anew(backend)
        owners = {book: model for model, book in whose(backend, models, told).items()}
    except LedgerBroken as error:
        told, owners = sealed_books(backend), {one.book: one.model for one in models}
        named = frozenset(told)
        index.append(Verdict(INDEX, NOTHING, (Finding(0, "index changed", str(error)),)))
    seen = {one.model: one for one in models}
    pairs = sorted((owners.get(book) or one.name, book) for book, one in told.items())
    found = [_judged(name, book, told, seen[name] if book in owners else Seen(name)) for name, book in pairs]
    found += [_missing(_noted_owner(models, book), book) for book in sorted(named - set(told))]
    return _against([*index, *found], noted)


def _judged(model: str, book: str, told: Mapping[str, Told], seen: Seen, anchors: Sequence[Anchor] = ()) -> Verdict:
    reading = told[book].state.reading
    findings = [*judge(reading, (*seen.anchors(book), *anchors)), *misfits(reading), *backwards(reading.entries)]
    for run_id in told[book].deleted:
        means = f"A run of this book was deleted. Restore run {run_id}, before MLflow's gc removes it."
        findings.append(Finding(0, "book deleted", means))
    strangers = set(seen.strangers({*told, book}))
    if seen.book and seen.book not in told:
        strangers.add(f"the model ({seen.book[:8]}…)")
    if strangers:
        means = f"A book that this index does not name is noted on {', '.join(sorted(strangers))}: copied from elsewhere, or replaced here."
        findings.append(Finding(0, "replaced book", means))
    names = frozenset({model, *(entry.body.model for entry in reading.entries if entry.body.model)})
    return Verdict(model, reading, tuple(findings), names)


def _missing(model: str, book: str) -> Verdict:
    means = f"The index names run {book} as this book, and the store has it no more. Bring it back from a backup."
    return Verdict(model, NOTHING, (Finding(0, "book missing", means),), frozenset({model}))


def _noted_owner(models: Sequence[Seen], book: str) -> str:
    """The model that carries the run id of a book which is gone."""
    return next((one.model for one in models if one.book == book), LOST)


def _against(found: Sequence[Verdict], noted: Sequence[Noted]) -> tuple[Verdict, ...]:
    """Hold each noted head against the books whose models have or had its name; that of the name of today answers for it."""
    judged = list(found)
    for one in noted:
        named = [n for n, v in enumerate(judged) if one.model in {typed(v.model), *map(typed, v.names)}]
        if not named:
            means = f"A head at place {one.anchor.place} was noted for {one.model}, and there is no book of it here."
            judged.append(Verdict(one.model, NOTHING, (Finding(one.anchor.place, "book missing", means),)))
            continue
        named.sort(key=lambda n: typed(judged[n].model) != one.model)
        told = [judge(replace(judged[n].reading, findings=()), [one.anchor]) for n in named]
        if all(told):
            judged[named[0]] = replace(judged[named[0]], findings=(*judged[named[0]].findings, *told[0]))
    return tuple(judged)
