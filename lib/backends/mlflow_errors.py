"""Translate MLflow's exceptions once, where they enter, by class, `error_code` and database error code.

Errors of the libraries below MLflow are translated too; they occur mainly while a store is opened or upgraded.
"""

import errno
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lib.backends.call_deadline import TIMEOUT_PHRASE
from lib.backends.database_errors import database_error, find_database_fault, find_fault_in_text, is_driver_message
from lib.errors import BackendError, BadInput, Busy, DamagedEntry, NoAnswer, NotFound, NotWritable, PodiumError, Unreachable

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException
    from requests import RequestException

PERMISSION_ERROR_CODES = ("PERMISSION_DENIED", "UNAUTHENTICATED")
_UNKNOWN_ENDPOINT = re.compile(r"unsupported endpoint|'detail': 'Not Found'", re.IGNORECASE)
_ENDPOINT = re.compile(r"/mlflow/([a-z-]+(?:/[a-z-]+)?)(?=[/?]|$)")
_SEARCH_PATH = re.compile(r"/(search|get-history-bulk)(\?|$)")
"""Read-only calls that are sent as POST."""
_FAILED_REQUEST = re.compile(r"API request to \S+ failed with (timeout )?exception ")
"""Start of the message of MLflow's client when it got no answer, for errors without a cause."""
_ERROR_STATUS = re.compile(r"too many (\d{3}) error responses")


@contextmanager
def translate_errors(subject: str = "") -> Iterator[None]:
    """Translate an error of MLflow or a library below it into a PodiumError. `subject` names the requested object."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise translate_error(error, subject) from error
    except _database_library_errors() as error:
        raise _database_library_error(error) from error
    except OSError as error:
        if (fault := find_database_fault(error)) is not None:
            raise database_error(fault) from error
        if error.errno == errno.EROFS:
            raise NotWritable("The disk is read-only.", next="Use another folder, or mount the disk for writing.") from error
        raise


def translate_error(error: "MlflowException", subject: str = "") -> PodiumError:
    """Return the PodiumError for an MLflow exception: redirects, unanswered calls and database faults by the cause, anything else by
    its code."""
    from lib.backends.http_redirects import RedirectRefused, redirect_error

    if (damaged_folder := getattr(error, "damaged", None)) is not None:
        return DamagedEntry(
            f"{damaged_folder.path} cannot be read: {damaged_folder.reason}.",
            means="MLflow cannot read its contents. Everything else is available.",
            next="Restore its meta.yaml from a backup, or move the folder out of the store.",
        )
    direct_cause = error.__cause__ or error.__context__
    if isinstance(direct_cause, RedirectRefused):
        return redirect_error(direct_cause.location)
    if (cause := unanswered_cause(error)) is not None:
        return _no_answer_error(cause)
    if (fault := find_database_fault(error)) is not None:
        return database_error(fault)
    return to_podium_error(str(error.error_code), str(error), subject)


def _database_library_errors() -> tuple[type[Exception], ...]:
    """Return the error classes of the loaded libraries below MLflow; a library that is not loaded cannot have raised."""
    names = (("sqlalchemy.exc", "SQLAlchemyError"), ("alembic.util.exc", "CommandError"))
    return (sqlite3.Error, *(getattr(sys.modules[module], name) for module, name in names if module in sys.modules))


def _database_library_error(error: Exception) -> PodiumError:
    """Return the PodiumError for an error of SQLAlchemy, Alembic or SQLite itself, without SQL and addresses."""
    if (fault := find_database_fault(error)) is not None:
        return database_error(fault)
    return BackendError(
        f"The database reported: {_clean_message(str(getattr(error, 'orig', None) or error))}",
        means="It is unknown whether anything was changed.",
        next="Check the current state before you retry.",
    )


def unanswered_cause(error: "MlflowException") -> "RequestException | None":
    """Return why the server did not answer the call behind an exception; None if it answered or was not called.

    Without an answer, a write may have taken effect, and the error code is meaningless.
    """
    from mlflow.exceptions import RestException
    from requests import exceptions

    cause = error.__cause__ or error.__context__  # MLflow sets the cause for timeouts only
    kinds = (exceptions.Timeout, exceptions.ConnectionError, exceptions.ChunkedEncodingError, exceptions.RetryError)
    return cause if isinstance(cause, kinds) and not isinstance(error, RestException) else None


def _no_answer_error(cause: "RequestException") -> NoAnswer:
    """Return the error to show for a call without an answer."""
    method = getattr(cause.request, "method", None) or ""
    path = getattr(cause.request, "path_url", "")
    endpoint_match, status_match = _ENDPOINT.search(path), _ERROR_STATUS.search(str(cause))
    call = f" {endpoint_match[1]}" if endpoint_match else ""
    seconds = getattr(cause, "seconds", None)
    what = f"The server did not answer{call}{f' within {round(seconds, None if seconds >= 10 else 1):g} s' if seconds else ''}."
    if status_match:
        what = f"The server kept answering{call} with error {status_match[1]}."
    is_reading = method in ("GET", "HEAD") or bool(_SEARCH_PATH.search(path))
    return NoAnswer(
        what,
        means="Nothing was changed by this call." if is_reading else "It is unknown whether this call was carried out.",
        next="Check that the server is running, then try again."
        if is_reading
        else "Check the current state before repeating it.",
    )


def is_unknown_endpoint(error: "MlflowException") -> bool:
    """Whether the server does not support this request at all. A response without an error code is classified by its text."""
    message = str(error)
    return error.error_code == "ENDPOINT_NOT_FOUND" or ("Response: {" in message and bool(_UNKNOWN_ENDPOINT.search(message)))


def to_podium_error(code: str, message: str, subject: str = "") -> PodiumError:
    """Return the PodiumError for an MLflow `error_code`. The message is shortened and stripped of passwords. Pure."""
    text, resource = _clean_message(message), subject or "The requested object"
    if (fault := find_fault_in_text(message)) is not None:
        return database_error(fault)
    match code:
        case "RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND":
            means = f"MLflow reported: {text.rstrip('.')}. Nothing was changed." if text else "Nothing was changed."
            return NotFound(f"{resource} was not found.", means=means, next="It may have been deleted or renamed.")
        case "TEMPORARILY_UNAVAILABLE" if not is_driver_message(text):  # MLflow's code for every operational error of a driver
            return Busy("The database is locked by another program.", next="Wait a moment, then try again.")
        case "PERMISSION_DENIED" | "UNAUTHENTICATED":
            return NotWritable(f"The server does not allow this: {text}", next="Ask its administrator for write permission.")
        case "INVALID_PARAMETER_VALUE" | "BAD_REQUEST" | "RESOURCE_ALREADY_EXISTS":
            return BadInput(text)
        case _:
            return _failed_download_error(resource, message) or _unexpected_error(code, text)


def _failed_download_error(resource: str, message: str) -> PodiumError | None:
    """Return the error for a download that was not answered or was redirected: MLflow passes on only the text of its cause."""
    from lib.backends.http_redirects import REDIRECT_PHRASE, redirect_error

    if "while downloading" not in message:
        return None
    if REDIRECT_PHRASE in message:
        return redirect_error()
    if TIMEOUT_PHRASE in message or "Max retries" in message:
        return NoAnswer(f"{resource} could not be downloaded.", next="Check that the server is running, then try again.")
    return None


def _unexpected_error(code: str, message: str) -> BackendError:
    if code == "ENDPOINT_NOT_FOUND" or _UNKNOWN_ENDPOINT.search(message):
        return BackendError(
            "The server does not support this request.",
            means="It is older than the installed MLflow, or lacks this feature. Nothing was changed.",
            next="Check what this backend supports.",
        )
    if _FAILED_REQUEST.match(message):
        return Unreachable(
            "The server stopped answering.",
            means="It is unknown whether anything was changed.",
            next="Check that it is running, and check the current state before you retry.",
        )
    return BackendError(
        f"MLflow reported: {message}",
        means="It is unknown whether anything was changed.",
        next="Check the current state before you retry.",
    )


def _clean_message(message: str) -> str:
    """Return the first line of a message without passwords in URLs, at most 300 characters."""
    line = re.sub(r"//[^/@\s]+@", "//", message.strip().split("\n", 1)[0])
    return line if len(line) <= 300 else line[:299] + "…"
