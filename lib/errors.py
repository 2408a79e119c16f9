"""All errors that Podium shows to people: what happened, what it means, what to do next.

    PodiumError
    ├── BadInput                   what was typed is not possible
    ├── NotFound                   an experiment, run, model, version or file does not exist
    ├── ActionRefused              a guard refused the action; nothing was written
    ├── LedgerBroken               the ledger cannot be trusted or written
    │   └── RecordInDoubt          a record may not be the one that this Podium saw before
    └── BackendError               the store of runs and models has a problem
        ├── Unreachable            no answer, not MLflow, or no sign-in that the server accepts
        │   ├── SignInRequired     it asks for a sign-in, and there is none
        │   └── NoAnswer           a call was sent and not answered: whether it was carried out may be unknown
        ├── SignInRejected         DagsHub does not accept the token
        ├── DamagedEntry           a file of the store cannot be read; the rest can
        ├── Busy                   the database is locked
        ├── NotWritable            a file, a folder or a database cannot be written
        │   └── MissingPermission  the server grants this user too little
        ├── NeedsMigration         opening the database would change its schema
        └── UpgradeInterrupted     an upgrade of the database broke off, and its complete copy is there

A foreign exception is translated once, where it enters (MLflow's in `backends.mlflow_errors`). Pages and the command line show
`PodiumError` and let everything else crash, because everything else is a bug.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PodiumError(Exception):
    """Something a person can understand and act on.

    `what` happened, what it `means` for their work, and what to do `next`. All three are plain sentences, never Markdown.
    """

    title = "That did not work"

    def __init__(self, what: str, *, means: str = "Nothing was changed.", next: str = "") -> None:  # noqa: A002 - the word people read
        super().__init__(what)
        self.what, self.means, self.next = what, means, next

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.means, self.next) if part)


class BadInput(PodiumError):
    """The input is not possible as it was typed: an unknown name, a wrong word, a reason that is too short."""

    title = "Please check what was typed"


class NotFound(PodiumError):
    """An experiment, run, model, version or file does not exist."""

    title = "Not found"


class ActionRefused(PodiumError):
    """A guard refused the action: the state changed since the person looked at it, or a rule forbids it. Nothing was written."""

    title = "Refused, and nothing was changed"


class LedgerBroken(PodiumError):
    """The ledger cannot be trusted or written: a broken chain, a replaced book, a head behind its anchor."""

    title = "The ledger needs attention"


class RecordInDoubt(LedgerBroken):
    """A record is not the one that this Podium saw before, or nobody can say whether it is. It can be read, and nothing is decided."""


class BackendError(PodiumError):
    """The backend, where runs and models live, does not do what it should."""

    title = "The backend has a problem"


class Unreachable(BackendError):
    """Nothing answers, what answers is not MLflow, or it wants another sign-in."""

    title = "The backend does not answer"


class SignInRequired(Unreachable):
    """The backend answers and asks for a sign-in; this person has not given one."""


class NoAnswer(Unreachable):
    """A call was sent, and no answer came before its deadline or before the connection broke.

    What only asked changed nothing; of what was to write, nobody knows whether it was carried out: `means` says so.
    """


@contextmanager
def explain_no_answer(consequence: str, next: str = "") -> Iterator[None]:  # noqa: A002 - as in PodiumError
    """Let a NoAnswer say, too, what it means for the whole action, which knows more than the call that failed."""
    try:
        yield
    except NoAnswer as error:
        raise NoAnswer(error.what, means=f"{error.means} {consequence}", next=next or error.next) from error


class SignInRejected(BackendError):
    """DagsHub answers and does not accept this person's token."""

    title = "The sign-in was not accepted"


class DamagedEntry(BackendError):
    """A file of an old file store is damaged. It is left out of every list, and named."""

    title = "A file of the store is damaged"


class Busy(BackendError):
    """Another program has locked the database for longer than we wait."""

    title = "The database is busy"


class NotWritable(BackendError):
    """A folder or database cannot be written, or this person may not write."""

    title = "Not writable"


class MissingPermission(NotWritable):
    """A server with users lets this one read, not write. `grant_code` is the Python that grants it, for an administrator."""

    title = "A right is missing"

    def __init__(self, what: str, *, means: str = "Nothing was changed.", next: str = "", grant_code: str = "") -> None:  # noqa: A002 - as above
        super().__init__(what, means=means, next=next)
        self.grant_code = grant_code


class NeedsMigration(BackendError):
    """Opening this database would change its schema, and nobody has agreed to that."""

    title = "This database is older than MLflow here"


class UpgradeInterrupted(BackendError):
    """An upgrade of a database broke off, so that no MLflow can open it; the complete copy from before can be put back."""

    title = "An upgrade broke off"
