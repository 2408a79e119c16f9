"""Tracks the attempts to append one entry when answers may be lost: what was sent, what was not answered, and what is certain.

Making the attempts and retrying is left to `book`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lib.errors import NoAnswer
from lib.ledger.state.replay import BookState

_MAX_UNANSWERED = 2
"""Maximum attempts without an answer: if the second entry takes the position, the first one can no longer be written."""


@dataclass
class AppendAttempts:
    """The attempts to append one entry.

    `chains` holds the chain of each sent entry by id, because anyone who sees the parts of a body could reuse its id. `is_accepted`:
    the server accepted the last one.
    """

    entry: str = "The entry"
    chains: dict[str, str] = field(default_factory=dict)
    unanswered: list[NoAnswer] = field(default_factory=list)
    is_accepted: bool = False

    def find_written_id(self, state: BookState) -> str | None:
        """The id of the attempt that is in the book; None if there is none."""
        return next((entry.id for entry in state.book.entries if self.chains.get(entry.id) == entry.chain), None)

    def add_unanswered(self, error: NoAnswer) -> None:
        """Record that the last attempt was not answered."""
        self.unanswered.append(error)
        self.is_accepted = False

    def require_answers(self) -> None:
        """Raise the first NoAnswer once the maximum of unanswered attempts is reached."""
        if len(self.unanswered) >= _MAX_UNANSWERED:
            raise self.unanswered[0]

    @contextmanager
    def explain_doubt(self) -> Iterator[None]:
        """Make a NoAnswer say whether the entry is in the book, which is uncertain once it was sent."""
        try:
            yield
        except NoAnswer as error:
            what, advice = (self.unanswered or [error])[0].what, "Check the history of this model before you try again."
            if self.is_accepted:
                raise NoAnswer(what, means=f"{self.entry} was recorded, but could not be read back.", next=advice) from error
            if self.chains:
                raise NoAnswer(what, means=f"{self.entry} may or may not be recorded.", next=advice) from error
            if self.unanswered:
                raise NoAnswer(what, means=f"{self.entry} was not recorded.", next=error.next) from error
            raise
