"""All errors that Podium shows to users: what happened, what it means, what to do next.

    PodiumError
    ├── BadInput                   the input is not valid
    ├── NotFound                   an experiment, run, model, version or file does not exist
    ├── ActionRefused              a guard refused the action; nothing was written
    ├── LedgerBroken               the ledger cannot be trusted or written
    │   └── RecordInDoubt          a record may not be the one this Podium saw before
    └── BackendError               the store of runs and models has a problem
        ├── Unreachable            no answer, not MLflow, or a sign-in the server does not accept
        │   ├── SignInRequired     the server requires a sign-in, and none was given
        │   └── NoAnswer           a call was sent and not answered; it may have been carried out
        ├── SignInRejected         DagsHub does not accept the token
        ├── DamagedEntry           a file of the store cannot be read; the rest can
        ├── Busy                   the database is locked
        ├── NotWritable            a file, a folder or a database cannot be written
        │   └── MissingPermission  this user lacks a permission on the server
        ├── NeedsMigration         opening the database would change its schema
        └── UpgradeInterrupted     a database upgrade was interrupted; an intact backup exists

A foreign exception is translated once, where it enters (MLflow's in `backends.mlflow_errors`). Pages and the command line show
`PodiumError` and let everything else crash, because everything else is a bug.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PodiumError(Exception):
    """An error that users can understand and act on.

    `what` happened, what it `means` for their work, and what to do `next`. All three are plain sentences, never Markdown.
    """

    title = "That did not work"

    def __init__(self, what: str, *, means: str = "Nothing was changed.", next: str = "") -> None:  # noqa: A002 - the word people read
        super().__init__(what)
        self.what, self.means, self.next = what, means, next

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.means, self.next) if part)


class BadInput(PodiumError):
    """The input is not valid: an unknown name, a wrong keyword, a reason that is too short."""

    title = "Check your input"


class NotFound(PodiumError):
    """An experiment, run, model, version or file does not exist."""

    title = "Not found"


class ActionRefused(PodiumError):
    """A guard refused the action: the state has changed since the user looked at it, or a rule forbids it. Nothing was written."""

    title = "Refused: nothing was changed"


class LedgerBroken(PodiumError):
    """The ledger cannot be trusted or written: a broken chain, a replaced book, a head behind its anchor."""

    title = "The ledger needs attention"


class RecordInDoubt(LedgerBroken):
    """A record is not, or may not be, the one this Podium saw before. It can be read, but no decision is accepted."""


class BackendError(PodiumError):
    """The backend, where runs and models live, is not working as expected."""

    title = "The backend has a problem"


class Unreachable(BackendError):
    """There is no answer, the answer is not MLflow's, or the server requires another sign-in."""

    title = "The backend does not answer"


class SignInRequired(Unreachable):
    """The backend answers and requires a sign-in, which this user has not given."""


class NoAnswer(Unreachable):
    """A call was sent, and no answer came before its deadline or before the connection was lost.

    A read changed nothing. A write may or may not have been carried out; `means` says which applies.
    """


@contextmanager
def explain_no_answer(consequence: str, next: str = "") -> Iterator[None]:  # noqa: A002 - as in PodiumError
    """Add to a NoAnswer what it means for the complete action; the failed call does not know that."""
    try:
        yield
    except NoAnswer as error:
        raise NoAnswer(error.what, means=f"{error.means} {consequence}", next=next or error.next) from error


class SignInRejected(BackendError):
    """DagsHub answers and does not accept this user's token."""

    title = "The sign-in was not accepted"


class DamagedEntry(BackendError):
    """A file of an old file store is damaged. It is left out of every list and reported."""

    title = "A file of the store is damaged"


class Busy(BackendError):
    """Another program has kept the database locked for longer than Podium waits."""

    title = "The database is busy"


class NotWritable(BackendError):
    """A folder or database cannot be written, or this user may not write to it."""

    title = "Not writable"


class MissingPermission(NotWritable):
    """The server lets this user read but not write. `grant_code` is the Python with which an administrator grants the permission."""

    title = "Permission missing"

    def __init__(self, what: str, *, means: str = "Nothing was changed.", next: str = "", grant_code: str = "") -> None:  # noqa: A002 - as above
        super().__init__(what, means=means, next=next)
        self.grant_code = grant_code


class NeedsMigration(BackendError):
    """Opening this database would change its schema, and the user has not agreed to that."""

    title = "This database is older than the installed MLflow"


class UpgradeInterrupted(BackendError):
    """A database upgrade was interrupted, so no MLflow can open the database. The complete backup can be restored."""

    title = "A database upgrade was interrupted"
