"""Settlement: an authorized person has reviewed the findings that block decisions about a model, and continues with a reason.

It neither removes nor fixes anything. Findings stay listed with the entry that settles them, here and wherever the signing key is
trusted. If the book no longer exists, a new one begins with that entry.
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
    """The settled findings, with id and position of the settling entry (the last one if there are several)."""

    model: str
    findings: tuple[LedgerFinding, ...]
    entry_id: str
    position: int


def settle(writer: Writer, model: str, unsettled: Unsettled, reason: Reason) -> SettledFindings:
    """Record that a person reviewed the unsettled findings about a model and continues.

    Raises ActionRefused if there is nothing to settle, if it was already settled, or without a signing key; MissingPermission if this
    user may not settle.
    """
    _require_settleable(writer, model, unsettled)
    location, entry_ids = _ensure_book(writer, model, unsettled), list[str]()
    for number, alarm in enumerate(unsettled.alarms or (None,)):
        findings = unsettled.findings if number == 0 else ()  # an entry refers to one remembered head
        entry_id = _append_settlement(writer, (model, location.book_id), findings, alarm, reason)
        entry_ids += [entry_id] if entry_id else []
    if not entry_ids:
        raise ActionRefused("This was already settled by another user.", next="Reload the model.")
    book = read_book(writer.backend, location.book_id).book
    if read_snapshot(writer.backend, model).created_at:
        sync_book(writer, model, location)
    position = next(entry.position for entry in book.entries if entry.id == entry_ids[-1])
    return SettledFindings(model, unsettled.all_findings, entry_ids[-1], position)


def describe_findings(findings: Collection[LedgerFinding]) -> str:
    """The findings in a few lines, as stored in the entry."""
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
        raise ActionRefused(f"Nothing blocks decisions about {model}.", means="", next="Run verify to list all findings.")
    require_settle_permission(writer.backend, model)
    if writer.signer is None or writer.signer.load_key() is None:
        raise ActionRefused(
            "Settling requires a signing key, which proves who settled the findings.",
            next="Set PODIUM_SIGNING_KEY_FILE for this Podium, or settle from a workstation.",
        )


def _append_settlement(
    writer: Writer, model_and_book: tuple[str, str], findings: Sequence[LedgerFinding], alarm: HeadAlarm | None, reason: Reason
) -> str | None:
    """Append one entry. Returns None if everything is already settled."""
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
    """The book for the settlement: that of the model, or a new one if it no longer has one."""
    snapshot = read_snapshot(writer.backend, model)
    if snapshot.created_at is not None:
        missing_ids = {finding.subject for finding in unsettled.findings if finding.what == "book missing"}
        return ensure_book(writer.backend, incarnation_of(snapshot), set_aside=missing_ids)
    book_id = find_book_id(writer.backend, incarnation_of(snapshot))
    if book_id is None:
        raise NotFound(
            f"There is no registered model {model}, and no book to record the settlement in.", next="Check the model name."
        )
    return BookLocation(book_id, frozenset({book_id}))
