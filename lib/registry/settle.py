"""Settling: a person with the right looked at what stops the decisions about a model, and goes on, with a reason.

Nothing is taken away or mended by it. What was found stays listed with the entry that settles it, here and for everybody who trusts the
key it is signed with; where there is no book any more, a new one begins with that entry.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lib.errors import ActionRefused, NotFound
from lib.ledger.chain.hash_chain import LedgerFinding
from lib.ledger.entry.schema_2_types import Settlement
from lib.ledger.entry.types import Body
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.state.replay import BookState
from lib.ledger.state.settlements import read_settlements
from lib.ledger.storage.book import Writer, append, read_book
from lib.ledger.storage.book_index import BookLocation, ensure_book, find_book_id
from lib.ledger.storage.key_trust import read_process_keys
from lib.registry.permission_check import require_settle_permission
from lib.registry.reader import incarnation_of, read_snapshot
from lib.registry.reconcile import sync_book
from lib.text import format_count

_MAX_WHY_LENGTH = 2_000


@dataclass(frozen=True)
class SettledFindings:
    """What was settled, with the id and the position of the entry that says so."""

    model: str
    findings: tuple[LedgerFinding, ...]
    entry_id: str
    position: int


def settle(writer: Writer, model: str, findings: Sequence[LedgerFinding], reason: Reason) -> SettledFindings:
    """Record that a person looked at these findings about a model and goes on.

    Raises ActionRefused when there is nothing to settle, when somebody else settled it first, or without a signing key;
    MissingPermission when this person may not settle.
    """
    if not findings:
        raise ActionRefused(f"Nothing stops the decisions about {model}.", means="", next="verify lists what does not fit.")
    require_settle_permission(writer.backend, model)
    if writer.signer is None or writer.signer.load_key() is None:
        raise ActionRefused(
            "Without a signing key nothing can be settled: nobody could tell who settled it.",
            next="Give this Podium a key by PODIUM_SIGNING_KEY_FILE, or settle it from a workstation.",
        )
    location = _ensure_book(writer, model, findings)

    def make(state: BookState) -> Body | None:
        settled = read_settlements(state.book, read_process_keys())
        places = tuple(sorted({f.position for f in findings if not f.subject} - set(settled.positions)))
        subjects = tuple(sorted({f.subject for f in findings if f.subject} - set(settled.subjects)))
        if not places and not subjects:
            return None
        common_fields = writer.common_fields(model)
        return Settlement(**common_fields, places=places, subjects=subjects, why=describe_findings(findings), reason=reason)

    entry_id = append(writer, location.book_id, make, settles=True)
    if entry_id is None:
        raise ActionRefused("Somebody else settled this first.", next="Look at the model again.")
    book = read_book(writer.backend, location.book_id).book
    if read_snapshot(writer.backend, model).created_at:
        sync_book(writer, model, location)
    return SettledFindings(model, tuple(findings), entry_id, next(e.position for e in book.entries if e.id == entry_id))


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


def _ensure_book(writer: Writer, model: str, findings: Sequence[LedgerFinding]) -> BookLocation:
    """The book that the settlement belongs into: that of the model, a new one where it has none any more."""
    snapshot = read_snapshot(writer.backend, model)
    if snapshot.created_at is not None:
        missing_ids = {finding.subject for finding in findings if finding.what == "book missing"}
        return ensure_book(writer.backend, incarnation_of(snapshot), missing_ids)
    book_id = find_book_id(writer.backend, incarnation_of(snapshot))
    if book_id is None:
        raise NotFound(f"There is no registered model {model}, and no record of one.", means="", next="Check the name.")
    return BookLocation(book_id, frozenset({book_id}))
