"""Correcting what an entry says, by a further entry. Nothing is edited: whoever reads sees both, and which supersedes which."""

from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.types import Body, Corrected
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.state.corrections import corrected_body, corrected_entries, correction_problem
from lib.ledger.state.replay import BookState
from lib.ledger.storage.book import Writer, append
from lib.registry.reconcile import sync_model_status


def append_correction(writer: Writer, model: str, entry_id: str, correction: Correction, reason: Reason) -> str:
    """Record what is to be read in place of an entry, and why; gives the id of the correction.

    Raises NotFound for an unknown model or entry, BadInput for what cannot be corrected (what the ledger itself saw, above all),
    Refused when the entry reads so already.
    """
    found = sync_model_status(writer, model)

    def make(state: BookState) -> Body:
        require_correctable(state, entry_id, correction)
        entry = next(one for one in state.book.entries if one.id == entry_id)
        said = {"version": entry.body.version, "caused_by": entry_id, "supersedes": (entry_id,), "reason": reason}
        return Corrected(**writer.common_fields(model), **said, instead=correction)  # type: ignore[arg-type]

    return append(writer.backend, found.book_id, make, found.snapshot.anchors(found.book_id)) or ""


def require_correctable(state: BookState, entry_id: str, correction: Correction) -> None:
    """Raise what `correct` raises, on the book as it is."""
    entries = state.book.entries
    entry = next((one for one in entries if one.id == entry_id), None)
    if entry is None:
        raise NotFound("There is no such entry in the book of this model.", next="Look again, then choose one.")
    if wrong := correction_problem(entries, entry.body, correction):
        raise BadInput(wrong, next="Who held what and when, as the ledger saw it, stands; a new decision changes it.")
    now = next((one.body for one in corrected_entries(entries) if one.id == entry_id), None)
    if now is None:
        raise ActionRefused("This entry was taken back already.", next="Import the right lines instead.")
    if corrected_body(now, correction) == now:
        raise ActionRefused("The entry reads so already.", next="Change something, or leave it.")
