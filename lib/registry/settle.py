"""Settling: a person with the right looked at what stops the decisions about a model, and goes on, with a reason.

Nothing is taken away or mended by it. What was found stays listed with the entry that settles it, here and for everybody who trusts the
key it is signed with; where there is no book any more, a new one begins with that entry.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lib.errors import ActionRefused, NotFound
from lib.ledger.chain.hash_chain import LedgerFinding
from lib.ledger.entry.schema_2_types import HeadRef, Settlement
from lib.ledger.entry.types import Body
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.state.known_heads import HeadAlarm, head_ref
from lib.ledger.state.replay import BookState
from lib.ledger.state.settlements import read_settlements
from lib.ledger.storage.book import Writer, append, read_book
from lib.ledger.storage.book_index import BookLocation, ensure_book, find_book_id
from lib.ledger.storage.key_trust import read_process_keys
from lib.registry.permission_check import require_settle_permission
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.reconcile import sync_book
from lib.registry.unsettled import Unsettled
from lib.text import format_count

_MAX_WHY_LENGTH = 2_000


@dataclass(frozen=True)
class SettledFindings:
    """What was settled, with the id and the position of the entry that says so, the last where there are several."""

    model: str
    findings: tuple[LedgerFinding, ...]
    entry_id: str
    position: int


def settle(writer: Writer, model: str, unsettled: Unsettled, reason: Reason) -> SettledFindings:
    """Record that a person looked at what is unsettled about a model and goes on.

    Raises ActionRefused when there is nothing to settle, when somebody else settled it first, or without a signing key;
    MissingPermission when this person may not settle.
    """
    _require_settleable(writer, model, unsettled)
    location, entry_ids = _ensure_book(writer, model, unsettled), list[str]()
    for number, alarm in enumerate(unsettled.alarms or (None,)):
        findings = unsettled.findings if number == 0 else ()  # an entry names one remembered head
        entry_id = _append_settlement(writer, (model, location.book_id), findings, alarm, reason)
        entry_ids += [entry_id] if entry_id else []
    if not entry_ids:
        raise ActionRefused("Somebody else settled this first.", next="Look at the model again.")
    book = read_book(writer.backend, location.book_id).book
    if read_snapshot(writer.backend, model).created_at:
        sync_book(writer, model, location)
    position = next(entry.position for entry in book.entries if entry.id == entry_ids[-1])
    return SettledFindings(model, unsettled.all_findings, entry_ids[-1], position)


def describe_findings(findings: Collection[LedgerFinding]) -> str:
    """The findings in a few lines, as the entry keeps them."""
    lines = [f"{f'place {f.position}: ' if f.position else ''}{f.what}. {f.means}" for f in findings]
    text, count = "", 0
    for line in lines:
        if text and len(text) + len(line) > _MAX_WHY_LENGTH:
            break
        text, count = f"{text}{line}\n", count + 1
    more_text = f"and {format_count(len(lines) - count, 'more finding')}" if count < len(lines) else ""
    return f"{text}{more_text}".strip()


def _require_settleable(writer: Writer, model: str, unsettled: Unsettled) -> None:
    if not unsettled.all_findings:
        raise ActionRefused(f"Nothing stops the decisions about {model}.", means="", next="verify lists what does not fit.")
    require_settle_permission(writer.backend, model)
    if writer.signer is None or writer.signer.load_key() is None:
        raise ActionRefused(
            "Without a signing key nothing can be settled: nobody could tell who settled it.",
            next="Give this Podium a key by PODIUM_SIGNING_KEY_FILE, or settle it from a workstation.",
        )


def _append_settlement(
    writer: Writer, model_and_book: tuple[str, str], findings: Sequence[LedgerFinding], alarm: HeadAlarm | None, reason: Reason
) -> str | None:
    """Append one entry; None when all of it is settled already."""
    model, book_id = model_and_book

    def make(state: BookState) -> Body | None:
        settled = read_settlements(state.book, read_process_keys())
        places = sorted({finding.position for finding in findings if not finding.subject} - set(settled.positions))
        subjects = sorted({finding.subject for finding in findings if finding.subject} - set(settled.subjects))
        new_ids = settled.replacements.get(alarm.known.book_id, frozenset()) - alarm.known.settlement_ids if alarm else set()
        if not places and not subjects and (alarm is None or new_ids):
            return None
        was = HeadRef(book=alarm.known.book_id, place=alarm.known.position, chain=alarm.known.chain) if alarm else None
        return Settlement(
            **writer.common_fields(model),
            places=tuple(places),
            subjects=tuple(subjects),
            was=was,
            now=head_ref(book_id, state.book) if was else None,
            why=describe_findings(Unsettled(tuple(findings), (alarm,) if alarm else ()).all_findings),
            reason=reason,
        )

    return append(writer, book_id, make, settles=True)


def _ensure_book(writer: Writer, model: str, unsettled: Unsettled) -> BookLocation:
    """The book that the settlement belongs into: that of the model, a new one where it has none any more."""
    snapshot = read_snapshot(writer.backend, model)
    if snapshot.created_at is not None:
        missing_ids = {finding.subject for finding in unsettled.findings if finding.what == "book missing"}
        return ensure_book(writer.backend, incarnation_of(snapshot), set_aside=missing_ids)
    book_id = find_book_id(writer.backend, incarnation_of(snapshot))
    if book_id is None:
        raise NotFound(f"There is no registered model {model}, and no book that could say so.", next="Check the name.")
    return BookLocation(book_id, frozenset({book_id}))
