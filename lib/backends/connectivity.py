"""Probe whether a backend answers and is MLflow, within five seconds, whatever the network does. Errors name the cause.

MLflow's own client would retry for four minutes. A local SQLite file is left to `sqlite_store`.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import httpx

from lib.backends import call_deadline
from lib.backends.backend import Backend
from lib.backends.call_deadline import DeadlineExceeded
from lib.backends.credentials import client_uri, find_credential
from lib.backends.httpx_auth import httpx_auth
from lib.errors import BackendError, NotFound, SignInRequired, Unreachable

if TYPE_CHECKING:
    from sqlalchemy import Connection

HTTP_TIMEOUT_SECONDS = 2.0
PROBE_DEADLINE_SECONDS = 4.0
"""Maximum duration of a probe: name look-ups and trickling answers have no limit of their own."""
PROBE_PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
ResultT = TypeVar("ResultT")
_SIGN_IN_CODES = ("28P01", "28000", 1044, 1045, 18456)
"""Error codes of PostgreSQL, MySQL and SQL Server for a refused user or password."""
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Modules that SQLAlchemy imports, mapped to the packages that provide them, where the names differ."""


def probe_backend(backend: Backend) -> None:
    """Send one small request. Raises Unreachable, NotFound, NeedsMigration or another BackendError with the cause."""
    match backend.kind:
        case "server":
            run_with_deadline(backend, lambda: _probe_server(backend))
        case "file":
            _probe_folder(backend)
        case "database":
            run_with_deadline(backend, lambda: _probe_database(backend))


def run_with_deadline(backend: Backend, action: Callable[[], ResultT], seconds: float = PROBE_DEADLINE_SECONDS) -> ResultT:
    """Run an action with a time limit. Raises Unreachable when it expires."""
    try:
        return call_deadline.run_with_deadline(action, seconds)
    except DeadlineExceeded:
        raise unreachable_error(backend, f"did not answer within {seconds:g} s") from None


def send_get(backend: Backend, path: str) -> httpx.Response:
    """Send one small signed-in GET to a server with a short time limit. Raises httpx.HTTPError if there is no answer."""
    auth = httpx_auth(backend)
    try:
        return call_deadline.run_with_deadline(
            lambda: httpx.get(backend.uri + path, timeout=HTTP_TIMEOUT_SECONDS, auth=auth), PROBE_DEADLINE_SECONDS
        )
    except DeadlineExceeded as error:
        raise httpx.ReadTimeout(str(error)) from None


def _probe_server(backend: Backend) -> None:
    auth = httpx_auth(backend)
    try:
        response = httpx.get(backend.uri + PROBE_PATH, timeout=HTTP_TIMEOUT_SECONDS, auth=auth, follow_redirects=False)
    except httpx.TimeoutException as error:
        raise unreachable_error(backend, f"did not answer within {HTTP_TIMEOUT_SECONDS:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise connection_error(backend, error) from None  # its request could contain credentials
    _require_mlflow_response(backend, response, has_credential=auth is not None)


def connection_error(backend: Backend, error: BaseException) -> Unreachable:
    """Return the error for a failed request, based on its chain of causes."""
    chain, cause = [], error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    text = " ".join(map(str, chain))
    if any(isinstance(cause, socket.gaierror) for cause in chain) or isinstance(error, UnicodeError):
        return Unreachable(
            f"The host {urlsplit(backend.uri).hostname} is unknown.", next="Check the spelling and whether a VPN is needed."
        )
    if any(isinstance(cause, ssl.SSLError) for cause in chain) or "SSL" in text:
        return _tls_error(backend, text)
    if isinstance(error, httpx.RemoteProtocolError):
        return _not_mlflow_error(backend, "not in HTTP")
    return unreachable_error(
        backend, "cannot be reached: nothing is listening at this address" if "refused" in text else "cannot be reached"
    )


def _tls_error(backend: Backend, text: str) -> Unreachable:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        meaning = "It may be an impostor, so nothing was sent."
        return Unreachable(
            f"{backend.name} presents a certificate that this machine does not trust.",
            means=meaning,
            next="For a certificate authority of your own, set SSL_CERT_FILE and REQUESTS_CA_BUNDLE to its file before starting Podium.",
        )
    return Unreachable(
        f"{backend.name} does not support HTTPS.", next="Try the same address with http://, or ask its administrator."
    )


def _require_mlflow_response(backend: Backend, response: httpx.Response, *, has_credential: bool) -> None:
    status = response.status_code
    if status == 401 or (status == 403 and "Invalid Host header" not in response.text[:400]):
        raise _sign_in_error(backend, status, has_credential=has_credential)
    if status == 403:
        raise Unreachable(
            f"{backend.name} rejects this host name.",
            next="Use a host name it accepts, or ask its administrator to add this one to MLFLOW_SERVER_ALLOWED_HOSTS.",
        )
    if status == 429:
        raise unreachable_error(backend, "receives too many requests (429)")
    if status >= 500:
        raise unreachable_error(backend, f"answers with error {status}")
    if response.is_redirect:
        target = urlsplit(response.headers.get("location", ""))
        detail = f" but redirects to {target.hostname}" if target.hostname else " but redirects elsewhere"
        raise _not_mlflow_error(backend, f"not as an MLflow server does,{detail}")
    if status != 200 or "json" not in response.headers.get("content-type", ""):
        detail = ": it returns a web page" if "html" in response.headers.get("content-type", "") else ""
        raise _not_mlflow_error(backend, f"not as an MLflow server does{detail}")


def _sign_in_error(backend: Backend, status: int, *, has_credential: bool) -> Unreachable:
    credential = find_credential(backend)
    if not has_credential:
        return SignInRequired(
            f"{backend.name} asks for a sign-in ({status}).",
            next="Sign in on Settings; for the command line set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        )
    of_user = f" of {credential.user}" if credential and credential.user else ""
    refusal = (
        f"does not accept the sign-in{of_user} ({status})"
        if status == 401
        else f"denies access{of_user and ' to' + of_user[3:]} (403)"
    )
    return Unreachable(
        f"{backend.name} {refusal}.", next="Check the user and password or the token on Settings, or ask its administrator."
    )


def _not_mlflow_error(backend: Backend, detail: str) -> Unreachable:
    return Unreachable(
        f"{backend.name} answers, but {detail}.",
        next="Use the server's base URL as printed by mlflow server, without a path.",
    )


def unreachable_error(backend: Backend, detail: str) -> Unreachable:
    """Return the error for a backend that does not answer."""
    return Unreachable(f"{backend.name} {detail}.", next="Check the address or start the server, then try again.")


def _probe_folder(backend: Backend) -> None:
    """Require an existing file store: MLflow would create a folder for any misspelled name."""
    folder = backend.folder
    if folder is None or not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", next="Check the path. For a new store, prefer SQLite.")
    if not any(folder.glob("*/meta.yaml")):
        raise BackendError(f"{folder} contains no MLflow experiment.", next="Choose the folder called mlruns.")


def _probe_database(backend: Backend) -> None:
    """Read the schema revision. MLflow is not used here: it would migrate an older or empty database at once."""
    from sqlalchemy import inspect

    with connection_to_database(backend) as connection:
        tables = set(inspect(connection).get_table_names())
        rows = (
            connection.exec_driver_sql("select version_num from alembic_version").fetchall()
            if "alembic_version" in tables
            else []
        )
    _require_current_schema(backend, tables, rows[0][0] if rows else "")


@contextmanager
def connection_to_database(backend: Backend) -> Iterator["Connection"]:
    """Open a connection of its own to a database while the block runs.

    Raises BackendError without a driver, Unreachable if the database does not answer or refuses the login or the block's queries.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    family = urlsplit(backend.uri).scheme.partition("+")[0]
    try:
        with create_engine(client_uri(backend), poolclass=NullPool).connect() as connection:
            yield connection
    except ImportError as error:
        module = error.name or family
        raise BackendError(
            f"The driver for {family} is not installed: {module}.",
            next=f"Install it: pip install {_DRIVERS.get(module, module)}",
        ) from error
    except NoSuchModuleError as error:
        raise BackendError(
            f"This driver for {family} is unknown.", next="Remove the + and what follows it from the scheme of the address."
        ) from error
    except (SQLAlchemyError, ArgumentError) as error:
        raise _database_error(backend, error) from None  # its text could contain the address with the password


def _database_error(backend: Backend, error: Exception) -> Unreachable:
    """Return the error by the driver's code. For a refused connection psycopg2 has none, so its message is used."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or next(iter(cause.args), None)
    is_refused = code in _SIGN_IN_CODES or "authentication failed" in str(cause)
    if is_refused:
        return Unreachable(
            f"{backend.name} does not accept the user or the password.",
            next="Check the variable in the address, or sign in again.",
        )
    return unreachable_error(backend, "cannot be reached as a database")


def _require_current_schema(backend: Backend, tables: set[str], revision: str) -> None:
    from lib.backends.sqlite_schema import compare_schema, older_schema_error

    if "experiments" not in tables:
        raise BackendError(
            f"{backend.name} has no MLflow tables yet.", next="Start mlflow server on it once, or run mlflow db upgrade."
        )
    status = compare_schema(revision)
    if status.state == "older":
        raise older_schema_error(backend.name, status, "Ask its administrator to make a backup and run mlflow db upgrade.")
    if status.state == "foreign":
        raise BackendError(
            f"{backend.name} contains MLflow tables and another program's migrations (schema {revision}).",
            next="Ask its administrator to use a separate database for each program.",
        )
    if status.state == "newer":
        raise BackendError(
            f"{backend.name} was created by a newer MLflow (schema {revision}).", next="Install that MLflow version here."
        )
