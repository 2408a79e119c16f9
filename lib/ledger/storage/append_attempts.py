"""The attempts to append one entry, where an answer may be lost: what was sent, what got no answer, and what is certain then.

How an attempt is made, and when another one follows, is left to `book`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lib.errors import NoAnswer
from lib.ledger.state.replay import BookState

_MAX_UNANSWERED = 2
"""Attempts without an answer: if the second entry takes the position, the first can never come."""


@dataclass
class AppendAttempts:
    """The attempts to append one entry.

    `chains` are those of the entries that were sent, by their ids: whoever sees the parts of a body may use its id. `is_accepted`
    says whether the server accepted the last one.
    """

    entry: str = "The entry"
    chains: dict[str, str] = field(default_factory=dict)
    unanswered: list[NoAnswer] = field(default_factory=list)
    is_accepted: bool = False

    def find_written_id(self, state: BookState) -> str | None:
        """The id of the attempt that stands in the book; None while none does."""
        return next((entry.id for entry in state.book.entries if self.chains.get(entry.id) == entry.chain), None)

    def add_unanswered(self, error: NoAnswer) -> None:
        """Note that the last attempt got no answer."""
        self.unanswered.append(error)
        self.is_accepted = False

    def require_answers(self) -> None:
        """Raise the first NoAnswer once as many attempts got none as are made."""
        if len(self.unanswered) >= _MAX_UNANSWERED:
            raise self.unanswered[0]

    @contextmanager
    def explain_doubt(self) -> Iterator[None]:
        """Let a NoAnswer say whether the entry is in the book: that is in doubt once it was sent."""
        try:
            yield
        except NoAnswer as error:
            what, advice = (self.unanswered or [error])[0].what, "Look at the history of this model before you do it again."
            if self.is_accepted:
                raise NoAnswer(what, means=f"{self.entry} was recorded, and could not be read again.", next=advice) from error
            if self.chains:
                raise NoAnswer(what, means=f"{self.entry} may or may not be recorded.", next=advice) from error
            if self.unanswered:
                raise NoAnswer(what, means=f"{self.entry} was not recorded.", next=error.next) from error
            raise
