"""MLflow's errors as ours: an exception is translated once, where it enters, by its `error_code` and by what the database said."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lib.backends.call_deadline import TIMEOUT_PHRASE
from lib.errors import BackendError, BadInput, Busy, NoAnswer, NotFound, NotWritable, PodiumError, Unreachable

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException
    from requests import RequestException

PERMISSION_ERROR_CODES = ("PERMISSION_DENIED", "UNAUTHENTICATED")
_UNKNOWN_ENDPOINT = re.compile(r"unsupported endpoint|'detail': 'Not Found'", re.IGNORECASE)
_ENDPOINT = re.compile(r"/mlflow/([a-z-]+(?:/[a-z-]+)?)(?=[/?]|$)")
_SEARCH_PATH = re.compile(r"/(search|get-history-bulk)(\?|$)")
"""Calls that only ask, although they are sent as POST."""
_ERROR_STATUS = re.compile(r"too many (\d{3}) error responses")
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_errors(subject: str = "") -> Iterator[None]:
    """Turn an MLflow exception into a PodiumError, once, where it enters. `subject` names what was asked for."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise translate_error(error, subject) from error
    except OSError as error:
        if error.errno in DISK_FULL_ERRNOS:
            raise to_podium_error("", "no space left") from error
        if error.errno == errno.EROFS:
            raise NotWritable("The disk may only be read.", next="Write to another folder, or mount it for writing.") from error
        raise


def translate_error(error: "MlflowException", subject: str = "") -> PodiumError:
    """The PodiumError for an MLflow exception: a redirect and a call without an answer by the kind of its cause, the rest by its code."""
    from lib.backends.http_redirects import RedirectRefused, redirect_error

    direct_cause = error.__cause__ or error.__context__
    if isinstance(direct_cause, RedirectRefused):
        return redirect_error(direct_cause.location)
    cause = unanswered_cause(error)
    return to_podium_error(str(error.error_code), str(error), subject) if cause is None else _no_answer_error(cause)


def unanswered_cause(error: "MlflowException") -> "RequestException | None":
    """Why the server did not answer the call behind an exception; None when it answered, or was not asked.

    Then whatever the call was to write may have been written, and an error code says nothing.
    """
    from mlflow.exceptions import RestException
    from requests import exceptions

    cause = error.__cause__ or error.__context__  # MLflow names only a timeout as the cause
    kinds = (exceptions.Timeout, exceptions.ConnectionError, exceptions.ChunkedEncodingError, exceptions.RetryError)
    return cause if isinstance(cause, kinds) and not isinstance(error, RestException) else None


def _no_answer_error(cause: "RequestException") -> NoAnswer:
    """What a person is told about a call without an answer."""
    method = getattr(cause.request, "method", None) or ""
    path = getattr(cause.request, "path_url", "")
    endpoint_match, status_match = _ENDPOINT.search(path), _ERROR_STATUS.search(str(cause))
    call = f" to {endpoint_match[1]}" if endpoint_match else ""
    seconds = getattr(cause, "seconds", None)
    what = f"The server gave no answer{call}{f' within {round(seconds, None if seconds >= 10 else 1):g} s' if seconds else ''}."
    if status_match:
        what = f"The server kept answering{call} with error {status_match[1]}."
    is_reading = method in ("GET", "HEAD") or bool(_SEARCH_PATH.search(path))
    return NoAnswer(
        what,
        means="Nothing was changed by this call." if is_reading else "Whether this call was carried out is not known.",
        next="Check that the server runs, then try again." if is_reading else "Look again before you repeat it.",
    )


def is_unknown_endpoint(error: "MlflowException") -> bool:
    """Whether the server does not know this request at all. A response without an error code counts by its text."""
    message = str(error)
    return error.error_code == "ENDPOINT_NOT_FOUND" or ("Response: {" in message and bool(_UNKNOWN_ENDPOINT.search(message)))


def to_podium_error(code: str, message: str, subject: str = "") -> PodiumError:
    """The PodiumError for an MLflow `error_code`. The message is shortened and loses any password. Pure."""
    text, resource = _clean_message(message), subject or "What was asked for"
    if (database_error := _database_error(text)) is not None:
        return database_error
    match code:
        case "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND":
            return NotFound(f"{resource} was not found.", next="It may have been deleted or renamed.")
        case "TEMPORARILY_UNAVAILABLE":
            return Busy("The database is locked by another program.", next="Wait a moment, then try again.")
        case "PERMISSION_DENIED" | "UNAUTHENTICATED":
            return NotWritable(f"The server does not allow this: {text}", next="Ask its administrator for the right to write.")
        case "INVALID_PARAMETER_VALUE" | "BAD_REQUEST" | "RESOURCE_ALREADY_EXISTS":
            return BadInput(text)
        case _:
            return _failed_download_error(resource, message) or _unexpected_error(code, text)


def _database_error(message: str) -> PodiumError | None:
    """What the database itself complained about, whatever code MLflow gave it: it calls a full disk temporary. Pure."""
    lower_text = message.lower()
    if "disk is full" in lower_text or "no space left" in lower_text:
        return NotWritable(
            "The disk is full.",
            means="What was to be written just now is not there; what was there before is whole.",
            next="Make room on the disk that holds the database and its files, then do it again.",
        )
    if "readonly database" in lower_text or "read-only" in lower_text:
        return NotWritable("The database cannot be written.", next="Check the rights of the file and its folder.")
    if "database is locked" in lower_text or "database table is locked" in lower_text:
        return Busy(
            "The database is locked by another program.",
            next="Close the program that has it open, or wait until it is done, then try again.",
        )
    if "unable to open database file" in lower_text:
        return NotWritable("The database file cannot be opened.", next="Check that the file, its folder and the disk are there.")
    if "disk i/o error" in lower_text or "malformed" in lower_text or "not a database" in lower_text:
        return BackendError(
            "The database file is damaged, or its disk is.",
            means="Reading and writing it may fail at any time.",
            next="Stop every program that uses it, copy the file to another disk, and go back to a backup if it cannot be opened.",
        )
    return None


def _failed_download_error(resource: str, message: str) -> PodiumError | None:
    """For a file that got no answer or a redirect: of a failed download MLflow passes on the text of its cause alone."""
    from lib.backends.http_redirects import REDIRECT_PHRASE, redirect_error

    if "while downloading" not in message:
        return None
    if REDIRECT_PHRASE in message:
        return redirect_error()
    if TIMEOUT_PHRASE in message or "Max retries" in message:
        return NoAnswer(f"{resource} did not come in.", next="Check that the server runs, then try again.")
    return None


def _unexpected_error(code: str, message: str) -> BackendError:
    if code == "ENDPOINT_NOT_FOUND" or _UNKNOWN_ENDPOINT.search(message):
        return BackendError(
            "The server does not know this request.",
            means="It is older than the MLflow here, or leaves this out. Nothing was changed.",
            next="Look at what this backend can do.",
        )
    if "Max retries" in message or "Connection" in message or "timeout exception" in message:
        return Unreachable(
            "The server stopped answering.",
            means="It is not certain whether anything was changed.",
            next="Check that it runs, then look again before you retry.",
        )
    return BackendError(
        f"MLflow reported: {message}",
        means="It is not certain whether anything was changed.",
        next="Look again before you retry.",
    )


def _clean_message(message: str) -> str:
    """The first line of a message, without passwords in URLs, at most 300 characters."""
    line = re.sub(r"//[^/@\s]+@", "//", message.strip().split("\n", 1)[0])
    return line if len(line) <= 300 else line[:299] + "…"
