"""Correct an entry by a further entry. Nothing is edited: readers see both and which one supersedes the other."""

from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.types import Body, Corrected
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.state.corrections import corrected_body, corrected_entries, correction_problem
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.registry.reconcile import sync_model_status


def append_correction(writer: Writer, model: str, entry_id: str, correction: Correction, reason: Reason) -> str:
    """Record a correction of an entry and its reason. Returns the id of the correction.

    Raises NotFound for an unknown model or entry, BadInput for fields that cannot be corrected (above all, observations of the ledger
    itself), ActionRefused if the correction changes nothing.
    """
    status = sync_model_status(writer, model)

    def make(state: BookState) -> Body:
        _require_correctable(state, entry_id, correction)
        entry = next(entry for entry in state.book.entries if entry.id == entry_id)
        fields = {"version": entry.body.version, "caused_by": entry_id, "supersedes": (entry_id,), "reason": reason}
        return Corrected(**writer.common_fields(model), **fields, instead=correction)  # type: ignore[arg-type]

    return append(writer, status.book_id, make, status.snapshot.anchors(status.book_id)) or ""


def _require_correctable(state: BookState, entry_id: str, correction: Correction) -> None:
    """Raise the errors of `append_correction` for the present book."""
    entries = state.book.entries
    entry = next((entry for entry in entries if entry.id == entry_id), None)
    if entry is None:
        raise NotFound("The book of this model has no such entry.", next="Reload and choose another entry.")
    if problem := correction_problem(entries, entry.body, correction):
        raise BadInput(problem, next="Observations of who held what and when cannot be corrected. Make a new decision instead.")
    body = next((entry.body for entry in corrected_entries(entries) if entry.id == entry_id), None)
    if body is None:
        raise ActionRefused("This entry was already withdrawn.", next="Import the correct lines instead.")
    if corrected_body(body, correction) == body:
        raise ActionRefused("The entry already says this.", next="Change something, or cancel.")
