"""Verify the books: recompute everything from what the store holds now, and compare with the heads noted elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from lib.backends.connect import client, quick_reading, translated
from lib.backends.uri import Backend
from lib.errors import NotFound
from lib.ledger.chain import Anchor, Finding, Reading, decode, judge
from lib.ledger.index import books, find_book, ledger_experiment
from lib.registry.reading import look_at


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
    book = find_book(backend, model)
    if book is None:
        raise NotFound(f"{model} has no record yet.", next="A record begins with the first look that may write.")
    return _judged(backend, model, book, anchors)


def verify_all(backend: Backend) -> tuple[Verdict, ...]:
    """Judge every book the index names, those of deleted models too, by name."""
    home = ledger_experiment(backend)
    if home is None:
        return ()
    with translated("The ledger"), quick_reading():
        runs = client(backend).search_runs([home], "tags.`podium.kind` = 'book'", max_results=50_000)
    named = books(backend)
    found = {run.info.run_id: run.data.tags.get("podium.model", "") for run in runs if run.info.run_id in named}
    return tuple(_judged(backend, model, book, ()) for book, model in sorted(found.items(), key=lambda pair: pair[1]))


def _judged(backend: Backend, model: str, book: str, anchors: Sequence[Anchor]) -> Verdict:
    seen = look_at(backend, model)  # before the book: a head noted in between would seem to be ahead of it
    with translated(f"The book of {model}"), quick_reading():
        run = client(backend).get_run(book)
    reading = decode(run.data.params, book)
    findings = list(judge(reading, (*seen.anchors, *anchors)))
    if run.info.lifecycle_stage != "active":
        findings.append(
            Finding(0, "book deleted", "The run of this book was deleted. It can be restored until MLflow's gc removes it.")
        )
    if seen.book and seen.book != book:
        findings.append(Finding(0, "replaced book", f"The model belongs to book {seen.book}, the index names {book}."))
    return Verdict(model, reading, tuple(findings))
