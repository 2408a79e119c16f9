"""Errors of a fix with several steps name the steps that were completed: "nothing was changed" would no longer be true."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lib.errors import BackendError, NoAnswer, PodiumError
from lib.text import join_words

MAX_EXAMPLES = 5


@contextmanager
def report_completed_steps(action: str, items: Sequence[str]) -> Iterator[None]:
    """Add to a PodiumError what was done before it: "Restored before that: a and b." `items` grows with each completed step."""
    try:
        yield
    except PodiumError as error:
        if not items:
            raise
        rest = [f"{len(items) - MAX_EXAMPLES:,} more"] if len(items) > MAX_EXAMPLES else []
        text = f"{action} before that: {join_words([*items[:MAX_EXAMPLES], *rest])}."
        if isinstance(error, NoAnswer):
            raise NoAnswer(error.what, means=f"{error.means} {text}", next=error.next) from error
        raise BackendError(error.what, means=f"{text} The rest was not changed.", next=error.next) from error
