"""Does a backend answer, and is it MLflow? Known within five seconds, whatever the network does; an error names the cause.

MLflow's own client would retry for four minutes. A local SQLite file is left to `sqlite_store`.
"""

import socket
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from lib.backends import call_deadline
from lib.backends.backend import Backend
from lib.backends.call_deadline import DeadlineExceeded
from lib.backends.credentials import client_uri, find_credential, httpx_auth
from lib.errors import BackendError, NotFound, SignInRequired, Unreachable

HTTP_TIMEOUT_SECONDS = 2.0
PROBE_DEADLINE_SECONDS = 4.0
"""How long a probe takes at most: name look-ups and trickling answers know no limit of their own."""
PROBE_PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
ResultT = TypeVar("ResultT")
_SIGN_IN_CODES = ("28P01", "28000", 1044, 1045, 18456)
"""How PostgreSQL, MySQL and SQL Server number a refused user or password."""
_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""From a module that SQLAlchemy asks for to the package that brings it, where their names differ."""


def probe_backend(backend: Backend) -> None:
    """Ask one small question. Raises Unreachable, NotFound, NeedsMigration or another BackendError with the cause."""
    match backend.kind:
        case "server":
            run_with_deadline(backend, lambda: _probe_server(backend))
        case "file":
            _probe_folder(backend)
        case "database":
            run_with_deadline(backend, lambda: _probe_database(backend))


def run_with_deadline(backend: Backend, action: Callable[[], ResultT], seconds: float = PROBE_DEADLINE_SECONDS) -> ResultT:
    """Run an action and wait for some seconds only. Raises Unreachable after them."""
    try:
        return call_deadline.run_with_deadline(action, seconds)
    except DeadlineExceeded:
        raise unreachable_error(backend, f"did not answer within {seconds:g} s") from None


def send_get(backend: Backend, path: str) -> httpx.Response:
    """Send one small GET to a server, signed in, and wait for seconds only. Raises httpx.HTTPError when there is no answer."""
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
        raise connection_error(backend, error) from None  # the request it holds could carry a sign-in
    _require_mlflow_response(backend, response, has_credential=auth is not None)


def connection_error(backend: Backend, error: BaseException) -> Unreachable:
    """The error of a request that failed, by the chain of its causes."""
    chain, cause = [], error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    text = " ".join(map(str, chain))
    if any(isinstance(cause, socket.gaierror) for cause in chain) or isinstance(error, UnicodeError):
        return Unreachable(
            f"No host is called {urlsplit(backend.uri).hostname}.", next="Check the spelling, and whether a VPN is needed."
        )
    if any(isinstance(cause, ssl.SSLError) for cause in chain) or "SSL" in text:
        return _tls_error(backend, text)
    if isinstance(error, httpx.RemoteProtocolError):
        return _not_mlflow_error(backend, "in another language than HTTP")
    return unreachable_error(backend, "cannot be reached: nothing listens there" if "refused" in text else "cannot be reached")


def _tls_error(backend: Backend, text: str) -> Unreachable:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        meaning = "It may be another machine than it says, so nothing was sent."
        return Unreachable(
            f"{backend.name} shows a certificate that this machine does not trust.",
            means=meaning,
            next="If it is your own authority's, set SSL_CERT_FILE and REQUESTS_CA_BUNDLE to its file before Podium is started.",
        )
    return Unreachable(
        f"{backend.name} does not speak https.", next="Try the same address with http://, or ask its administrator."
    )


def _require_mlflow_response(backend: Backend, response: httpx.Response, *, has_credential: bool) -> None:
    status = response.status_code
    if status == 401 or (status == 403 and "Invalid Host header" not in response.text[:400]):
        raise _sign_in_error(backend, status, has_credential=has_credential)
    if status == 403:
        raise Unreachable(
            f"{backend.name} does not answer to this name.",
            next="Its administrator adds the name to MLFLOW_SERVER_ALLOWED_HOSTS, or you use the name it knows.",
        )
    if status == 429:
        raise unreachable_error(backend, "is asked too often and answers 429")
    if status >= 500:
        raise unreachable_error(backend, f"answers with error {status}")
    if response.is_redirect:
        target = urlsplit(response.headers.get("location", ""))
        detail = f" but sends on to {target.hostname}" if target.hostname else " but sends on elsewhere"
        raise _not_mlflow_error(backend, f"not as an MLflow server does,{detail}")
    if status != 200 or "json" not in response.headers.get("content-type", ""):
        detail = ": it shows a web page" if "html" in response.headers.get("content-type", "") else ""
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
        else f"does not let you in{of_user and ' as' + of_user[3:]} (403)"
    )
    return Unreachable(
        f"{backend.name} {refusal}.", next="Check user and password or token on Settings, or ask its administrator."
    )


def _not_mlflow_error(backend: Backend, detail: str) -> Unreachable:
    return Unreachable(
        f"{backend.name} answers, but {detail}.",
        next="Check the address: it must be the one that mlflow server printed, with no page behind it.",
    )


def unreachable_error(backend: Backend, detail: str) -> Unreachable:
    """The error of a backend that does not answer."""
    return Unreachable(f"{backend.name} {detail}.", next="Check the address or start the server, then try again.")


def _probe_folder(backend: Backend) -> None:
    """A file store must be there already: MLflow would make a folder of any misspelled name."""
    folder = backend.folder
    if folder is None or not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", next="Check the path; a new store is better made as SQLite.")
    if not any(folder.glob("*/meta.yaml")):
        raise BackendError(
            f"{folder} is a folder, but holds no MLflow experiment.", next="Choose the folder that is called mlruns."
        )


def _probe_database(backend: Backend) -> None:
    """Connect and read the number of its schema. MLflow would change an older or empty one at once, so it is not asked here."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    family = urlsplit(backend.uri).scheme.partition("+")[0]
    try:
        engine = create_engine(client_uri(backend), poolclass=NullPool)
        tables = set(inspect(engine).get_table_names())
        with engine.connect() as connection:
            rows = (
                connection.exec_driver_sql("select version_num from alembic_version").fetchall()
                if "alembic_version" in tables
                else []
            )
    except ImportError as error:
        module = error.name or family
        raise BackendError(
            f"The driver for {family} is not installed here: {module}.",
            next=f"Install it: pip install {_DRIVERS.get(module, module)}",
        ) from error
    except NoSuchModuleError as error:
        raise BackendError(
            f"Nobody knows this driver for {family}.", next="Leave out what follows the + in its address."
        ) from error
    except (SQLAlchemyError, ArgumentError) as error:
        raise _database_error(backend, error) from None  # its text could carry the address with the password
    _require_current_schema(backend, tables, rows[0][0] if rows else "")


def _database_error(backend: Backend, error: Exception) -> Unreachable:
    """By the driver's code. libpq gives psycopg2 none for a refused connection, so there its sentence must do."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or next(iter(cause.args), None)
    is_refused = code in _SIGN_IN_CODES or "authentication failed" in str(cause)
    if is_refused:
        return Unreachable(
            f"{backend.name} does not accept the user or the password.",
            next="Check the variable that the address names, or sign in again.",
        )
    return unreachable_error(backend, "cannot be reached as a database")


def _require_current_schema(backend: Backend, tables: set[str], revision: str) -> None:
    from lib.backends.sqlite_schema import compare_schema, older_schema_error

    if "experiments" not in tables:
        raise BackendError(
            f"{backend.name} holds no tables of MLflow yet.", next="Start mlflow server on it once, or run mlflow db upgrade."
        )
    status = compare_schema(revision)
    if status.state == "older":
        raise older_schema_error(backend.name, status, "Its administrator makes a copy and runs mlflow db upgrade.")
    if status.state == "foreign":
        raise BackendError(
            f"{backend.name} holds tables of MLflow and the migrations of another program (schema {revision}).",
            next="Its administrator keeps each program's tables in a database of its own.",
        )
    if status.state == "newer":
        raise BackendError(
            f"{backend.name} was made by a newer MLflow (schema {revision}).", next="Install that newer MLflow here."
        )
