"""Correcting what an entry says, by a further entry. Nothing is edited: whoever reads sees both, and which supersedes which."""

from lib.errors import BadInput, NotFound, Refused
from lib.ledger.entry.fields import Correction
from lib.ledger.entry.types import Body, Corrected
from lib.ledger.entry.vocabulary import Reason
from lib.ledger.state.corrections import amended, corrected, fault
from lib.ledger.state.replay import State
from lib.ledger.storage.book import Writer, append
from lib.registry.reconcile import look


def correct(writer: Writer, model: str, entry_id: str, instead: Correction, reason: Reason) -> str:
    """Record what is to be read in place of an entry, and why; gives the id of the correction.

    Raises NotFound for an unknown model or entry, BadInput for what cannot be corrected (what the ledger itself saw, above all),
    Refused when the entry reads so already.
    """
    found = look(writer, model)

    def make(state: State) -> Body:
        must_be_possible(state, entry_id, instead)
        entry = next(one for one in state.reading.entries if one.id == entry_id)
        said = {"version": entry.body.version, "caused_by": entry_id, "supersedes": (entry_id,), "reason": reason}
        return Corrected(**writer.stamp(model), **said, instead=instead)  # type: ignore[arg-type]

    return append(writer.backend, found.book, make, found.seen.anchors(found.book)) or ""


def must_be_possible(state: State, entry_id: str, instead: Correction) -> None:
    """Raise what `correct` raises, on the book as it is."""
    entries = state.reading.entries
    entry = next((one for one in entries if one.id == entry_id), None)
    if entry is None:
        raise NotFound("There is no such entry in the book of this model.", next="Look again, then choose one.")
    if wrong := fault(entries, entry.body, instead):
        raise BadInput(wrong, next="Who held what and when, as the ledger saw it, stands; a new decision changes it.")
    now = next((one.body for one in amended(entries) if one.id == entry_id), None)
    if now is None:
        raise Refused("This entry was taken back already.", next="Import the right lines instead.")
    if corrected(now, instead) == now:
        raise Refused("The entry reads so already.", next="Change something, or leave it.")
