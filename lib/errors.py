"""The whole error tree: what happened, what it means, what to do next.

A foreign exception is translated once, where it enters (see `backends.mlflow_errors.translate_errors`); pages and the command line
show `PodiumError` and let everything else crash, because everything else is a bug.
"""


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
    """What was asked for is not possible as it was typed: an unknown name, a wrong word, a reason that is too short."""

    title = "Please check what was typed"


class NotFound(PodiumError):
    """An experiment, run, model, version or file that is not there."""

    title = "Not found"


class ActionRefused(PodiumError):
    """A guard said no: the world changed since the person looked, or a rule forbids the deed. Nothing was written."""

    title = "Refused, and nothing was changed"


class LedgerBroken(PodiumError):
    """The record cannot be trusted or written: a broken chain, a replaced book, a head behind its anchor."""

    title = "The ledger needs attention"


class BackendError(PodiumError):
    """The place where runs and models live does not do what it should."""

    title = "The backend has a problem"


class Unreachable(BackendError):
    """Nobody answers, or what answers is not MLflow."""

    title = "The backend does not answer"


class SignInRejected(BackendError):
    """The backend answers, and does not take this person's sign-in."""

    title = "The sign-in was not accepted"


class Busy(BackendError):
    """The database is locked by someone else for longer than MLflow waits."""

    title = "The database is busy"


class NotWritable(BackendError):
    """A folder or database that cannot be written, or a person who may not write."""

    title = "Not writable"


class MissingPermission(NotWritable):
    """A server with users lets this one read, not write. `call` is the Python that grants it, for an administrator."""

    title = "A right is missing"

    def __init__(self, what: str, *, means: str = "Nothing was changed.", next: str = "", grant_code: str = "") -> None:  # noqa: A002 - as above
        super().__init__(what, means=means, next=next)
        self.grant_code = grant_code


class NeedsMigration(BackendError):
    """Opening this database would change its schema, and nobody has agreed to that yet."""

    title = "This database is older than MLflow here"
