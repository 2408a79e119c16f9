"""Verify the books: recompute everything from what the store holds now, and compare with the heads noted elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.backends.uri import Backend
from lib.errors import NotFound
from lib.ledger.chain import Anchor, Finding, Reading, judge
from lib.ledger.index import find_book
from lib.ledger.volumes import misfits
from lib.registry.reading import Told, every_book_anew, every_model, life_of, look_at, whose
from lib.registry.seen import Seen


@dataclass(frozen=True)
class Verdict:
    """What was found in one book; `findings` is empty when all is well."""

    model: str
    reading: Reading
    findings: tuple[Finding, ...]


def verify(backend: Backend, model: str, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Judge the book of a model against itself, the heads noted on its versions, and `anchors`. Writes nothing.

    Raises NotFound when the model has no book.
    """
    seen = look_at(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    book = find_book(backend, life_of(seen))
    told = every_book_anew(backend)
    if book is None or book not in told:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    return _judged(model, book, told, seen, anchors)


def verify_all(backend: Backend) -> tuple[Verdict, ...]:
    """Judge every book the index names, deleted ones and those of deleted models too, by name."""
    models = every_model(backend)
    told = every_book_anew(backend)
    owners = {book: model for model, book in whose(backend, models, told).items()}
    seen = {one.model: one for one in models}
    named = sorted((owners.get(book) or one.name, book) for book, one in told.items())
    return tuple(_judged(name, book, told, seen[name] if book in owners else Seen(name)) for name, book in named)


def _judged(model: str, book: str, told: Mapping[str, Told], seen: Seen, anchors: Sequence[Anchor] = ()) -> Verdict:
    reading = told[book].state.reading
    findings = [*judge(reading, (*seen.anchors(book), *anchors)), *misfits(reading)]
    if not told[book].active:
        findings.append(
            Finding(0, "book deleted", "The run of this book was deleted. It can be restored until MLflow's gc removes it.")
        )
    strangers = set(seen.strangers({*told, book}))
    if seen.book and seen.book not in told:
        strangers.add(f"the model ({seen.book[:8]}…)")
    if strangers:
        means = f"A book that this index does not name is noted on {', '.join(sorted(strangers))}: copied from elsewhere, or replaced here."
        findings.append(Finding(0, "replaced book", means))
    return Verdict(model, reading, tuple(findings))
