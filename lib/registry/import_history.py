"""Importing a file of earlier decisions into the record of a model.

The whole file is judged before anything is written. What the record has already is left out, so the same file can be imported again,
also after a crash in the middle.
"""

from dataclasses import dataclass

from lib.errors import PodiumError
from lib.ledger.entry.types import Body, Imported
from lib.ledger.imports.file_parser import Earlier, Frame, read_earlier, same
from lib.ledger.state.holdings import begins
from lib.ledger.state.replay import State
from lib.ledger.storage.book import Writer, append
from lib.registry.ledger_writer import Look
from lib.registry.reader import recorded
from lib.registry.reconcile import look


@dataclass(frozen=True)
class File:
    """A file as it was given: its name and its bytes. Times without a zone are of `zone`."""

    name: str
    data: bytes
    zone: str = "UTC"


@dataclass(frozen=True)
class Result:
    """What an import added, by id. `there` lines were in the record already, `others` speak of other models."""

    model: str
    sha256: str
    added: tuple[str, ...]
    there: int
    others: int


def import_earlier(writer: Writer, model: str, file: File) -> Result:
    """Add what a file tells of the time before the record of a model.

    Raises NotFound for a model that never was, BadInput with every bad line; then nothing was written.
    """
    known, now = recorded(writer.backend, model), writer.clock()
    first = begins(known.reading.entries) if known else None
    told = read_earlier(file.name, file.data, Frame(model, file.zone, now, first or now))
    found = look(writer, model)
    added = list[str]()
    for matter in told.told:
        try:
            entry = _add(writer, found, matter)
        except PodiumError as error:
            raise _cut_short(error, len(added)) from error
        added += [entry] if entry else []
    return _result(model, told, added)


def _add(writer: Writer, found: Look, matter: dict[str, object]) -> str | None:
    body = Imported(**writer.stamp(found.seen.model), **matter)  # type: ignore[arg-type]

    def make(state: State) -> Body | None:
        there = {same(entry.body) for entry in state.reading.entries if isinstance(entry.body, Imported)}
        return None if same(body) in there else body

    return append(writer.backend, found.book, make, found.seen.anchors(found.book))


def _result(model: str, told: Earlier, added: list[str]) -> Result:
    return Result(model, told.sha256, tuple(added), len(told.told) - len(added), told.others)


def _cut_short(error: PodiumError, done: int) -> PodiumError:
    """An import that was begun says how far it came."""
    return type(error)(
        error.what, means=f"{done} entries were added before.", next=f"{error.next} Then import the same file again.".strip()
    )
