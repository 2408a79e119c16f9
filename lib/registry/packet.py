"""Make a packet of a decision, or of an answer about the past: read the book as it stands, the registry, and what verify says.

Nothing is written. Sources of versions are left out, because an address may carry a key; the backend's address never does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from lib.backends.backend import Backend
from lib.backends.mlflow_client import quick_reading, translated
from lib.errors import NotFound
from lib.ledger.chain.hash_chain import Entry, Reading
from lib.ledger.entry.types import Closing, Decided, Imported, Registered, canonical, plain
from lib.ledger.entry.vocabulary import SLOTS, as_text, as_time
from lib.ledger.packet.document import ANSWER, DECISION, Book, Made, Packet, Picture, Sheets, Subject, volumes, written
from lib.ledger.packet.selection import around, find, proof
from lib.ledger.queries.as_of import as_json, sentence
from lib.ledger.queries.history import lines
from lib.ledger.queries.time_query import When, said
from lib.ledger.state.replay import fold
from lib.ledger.state.volumes import Sheet, follow
from lib.ledger.storage.book import Writer, sheet
from lib.ledger.storage.book_index import find_book
from lib.registry.audit_queries import Question, ask
from lib.registry.reader import life_of, look_at
from lib.registry.snapshot import Seen
from lib.registry.verify import verify


@dataclass(frozen=True)
class _Source:
    """What everything is taken from: the registry at one look, and the parameters of the book's runs with their reading."""

    seen: Seen
    sheets: Sheets
    reading: Reading
    findings: tuple[dict[str, Any], ...]


def of_decision(writer: Writer, model: str, which: str) -> Packet:
    """The packet of an entry, named by its id or place, and of what led to it and came of it. Raises NotFound for an unknown one."""
    source = _read(writer.backend, model)
    entries = source.reading.entries
    entry = find(entries, which)
    subject = Subject(kind=DECISION, model=model, entry=entry.id, place=entry.place)
    places = around(entries, entry)
    return _packet(writer, source, subject, said=_told(source.reading, entry), shown=places, kept=places)


def of_answer(writer: Writer, model: str, question: Question) -> Packet:
    """The packet of the answer who held a slot then. It carries the whole book, so that the answer can be found anew."""
    told = ask(writer.backend, model, question)
    source = _read(writer.backend, model)
    entries = (*source.reading.entries, *([told.unrecorded] if told.unrecorded else []))
    return _packet(
        writer,
        source,
        _asked(model, question),
        said=f"{model}, {_time_said(question.when)}: {sentence(told.answer)}",
        answer=as_json(told.answer),
        unrecorded=canonical(told.unrecorded.body) if told.unrecorded else None,
        shown=proof(entries, told.answer),
        kept=tuple(entry.place for entry in source.reading.entries),
    )


def _read(backend: Backend, model: str) -> _Source:
    seen = look_at(backend, model)
    book = find_book(backend, life_of(seen))
    if book is None and seen.created is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    if book is None:
        raise NotFound(f"{model} has no record yet.", means="", next="A record begins with the first look that may write.")
    found = verify(backend, model).findings
    findings = tuple({"place": one.place, "what": one.what, "means": one.means} for one in found)
    sheets, reading = _sheets(backend, book)
    return _Source(seen, sheets, reading, findings)


def _sheets(backend: Backend, book: str) -> tuple[Sheets, Reading]:
    """A book through all its volumes, fetched and understood now, with the parameters it was read from."""
    sheets = dict[str, Mapping[str, str]]()

    def fetch(run_id: str) -> Sheet | None:
        found = sheet(backend, run_id)
        if found:
            sheets[run_id] = found.params
        return found

    with translated("The book of this model"), quick_reading():
        told = follow(fetch, book)
    if told is None:
        raise NotFound(
            f"The book of this model, run {book}, is not there any more.", means="", next="Bring it back from a backup."
        )
    return sheets, told.reading


def _packet(writer: Writer, source: _Source, subject: Subject, *, kept: Sequence[int], **more: Any) -> Packet:
    reading = source.reading
    shown = [entry for entry in reading.entries if entry.place in more["shown"]]
    return Packet(
        subject=subject,
        made=Made(at=as_text(writer.clock()), by=writer.by),
        backend={"kind": writer.backend.kind, "uri": writer.backend.uri},
        book=Book(
            model=subject.model,
            volumes=volumes(source.sheets, reading),
            head=reading.head,
            chain=reading.chain,
        ),
        entries=written(source.sheets, reading, kept),
        evidence=tuple(found for entry in shown if (found := _evidence(entry))),
        registry=_registry(source.seen, as_text(writer.clock())),
        verify=source.findings,
        pictures=_pictures(reading.entries, subject, writer),
        **more,
    )


def _asked(model: str, question: Question) -> Subject:
    when = question.when
    return Subject(
        kind=ANSWER,
        model=model,
        stage=SLOTS[question.slot],
        at=as_text(when.at),
        until=as_text(when.until) if when.until else None,
        zone=when.zone,
        so_far=when.so_far,
    )


def _time_said(when: When) -> str:
    """The instant, or the day, that was asked about, in its zone."""
    local = when.at.astimezone(ZoneInfo(when.zone))
    return f"{local.day} {local:%b %Y} ({when.zone})" if when.until else said(when.at, when.zone)


def _told(reading: Reading, entry: Entry) -> str:
    """An entry in one sentence: what was decided, by whom, when, and how it ended."""
    state = fold(reading)
    line = next(one for one in lines(state) if one.place == entry.place)
    body = entry.body
    at = f" on {said(line.at, 'UTC')}" if line.at else ""
    version = f" v{line.version}" if line.version else ""
    if not isinstance(body, Decided):
        return (
            f"Entry {entry.place} of {body.model or 'this model'},{version} {body.type}{at} by {line.who}: {line.why.rstrip('.')}"
        )
    verdict = {"approve": "approved", "reject": "rejected", "changes": "sent back for changes"}[body.verdict]
    return f"{body.model}{version}: {verdict} for {body.to} by {line.who}{at}{_ended(reading, entry)}"


def _ended(reading: Reading, entry: Entry) -> str:
    """How an approving decision ended; empty for one that is still open and for the others."""
    ends = (one for one in reading.entries if isinstance(one.body, Closing) and one.body.intent == entry.id)
    end = next(ends, None)
    if end is None or not isinstance(end.body, Closing):
        return ""
    out = " and ".join(f"v{number}" for number in end.body.displaced)
    word = {"APPLIED": "carried out", "OVERTAKEN": "overtaken by a later decision", "FAILED": "not carried out"}[end.body.type]
    return f"; {word} (entry {end.place}){f', in place of {out}' if out else ''}"


def _evidence(entry: Entry) -> dict[str, Any] | None:
    """Where a version came from, as it was recorded or imported; None for an entry that does not say so."""
    body = entry.body
    came = body.lineage if isinstance(body, Registered | Imported) else None
    if came is None or (isinstance(body, Imported) and not plain(came)):
        return None
    return {"version": body.version, "place": entry.place, "lineage": plain(came)}


def _registry(seen: Seen, at: str) -> dict[str, Any]:
    """The registry at the look of the export."""
    versions = [
        {"version": one.number, "stage": one.stage, "created": one.created, "run_id": one.run_id, "head": one.head}
        for one in seen.versions.values()
    ]
    holders = {SLOTS[slot]: list(held.holders) for slot, held in seen.now.items()}
    return {"read_at": at, "created": seen.created, "aliases": dict(seen.aliases), "holders": holders, "versions": versions}


def _pictures(entries: Sequence[Entry], subject: Subject, writer: Writer) -> dict[str, Picture]:
    from lib.registry.packet_chart import strip_picture

    mark = as_time(subject.at) if subject.at else None
    drawn = strip_picture(entries, subject.model, writer.clock(), mark)
    return {"strip": drawn} if drawn else {}
