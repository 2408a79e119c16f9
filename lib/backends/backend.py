"""A backend as a frozen value, parsed from an address or an environment. Pure.

Database addresses, including SQLite, are parsed and rendered by SQLAlchemy's URL because MLflow passes them to it; server and folder
addresses by urllib. An address with a stray @ is refused because the two parsers would see different hosts in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from lib.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy import URL

BackendKind = Literal["sqlite", "server", "file", "database"]
SQLITE_PREFIX = "sqlite:///"
DEFAULT_DATABASE = "mlflow.db"
"""The file in the project folder that is used if no backend is named."""
DATABASE_SCHEMES = ("postgresql", "mysql", "mssql")
_SQLITE_OPTIONS = ("timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements")
"""The options that SQLAlchemy passes on to Python's sqlite3; it ignores all others."""
_PASSWORD_HINT = "In a password, write %40 for @, %3A for :, %2F for / and %25 for %; or leave it out and sign in on Settings."
_SECRET_OPTIONS = re.compile(r"(?i)(pass|pwd|secret|token|odbc_connect)")


@dataclass(frozen=True)
class Backend:
    """Where runs and models are stored. Contains no secret, so it is safe as a cache key, on screen and in records.

    `uri` is both the tracking and the registry URI of the MLflow client. `kind` distinguishes a local SQLite file, an HTTP server, a folder
    in MLflow's old file format, and any other database. `principal` is the opaque name of the credential in use, which this process
    holds (`credentials`), empty without a sign-in. It is part of the value, so caches never mix what two people may see. `options` are
    those of a SQLite address, such as timeout=30; MLflow receives them, but they do not identify another store.
    """

    uri: str
    kind: BackendKind
    principal: str = field(default="", repr=False)
    options: str = ""

    @property
    def path(self) -> Path | None:
        """The absolute path of the database file; None unless the backend is a local SQLite file."""
        return Path(unquote(self.uri.removeprefix(SQLITE_PREFIX))) if self.kind == "sqlite" else None

    @property
    def address(self) -> str:
        """The URI with its options, as passed to MLflow."""
        return f"{self.uri}?{self.options}" if self.options else self.uri

    @property
    def artifact_folder(self) -> Path | None:
        """The folder next to the database where new experiments store artifacts; None unless the backend is SQLite."""
        return self.path.parent / "mlruns" if self.path else None

    @property
    def folder(self) -> Path | None:
        """The folder of a file store; None for any other kind."""
        return Path(url2pathname(urlsplit(self.uri).path)) if self.kind == "file" else None

    @property
    def name(self) -> str:
        """The display name: "Local SQLite", "File store", or the host and port of a server or database."""
        if self.kind in ("sqlite", "file"):
            return "Local SQLite" if self.kind == "sqlite" else "File store"
        return urlsplit(self.uri).netloc.rpartition("@")[2]

    @property
    def label(self) -> str:
        """A short location: the name of the file or folder, or the address."""
        local = self.path or self.folder
        return local.name if local else self.uri

    def with_principal(self, principal: str) -> "Backend":
        """Return the same store with another sign-in."""
        return replace(self, principal=principal)

    def is_same_store(self, other: "Backend") -> bool:
        """Whether both are the same store, regardless of the sign-in."""
        return (self.uri, self.kind) == (other.uri, other.kind)


def sqlite_backend(path: Path) -> Backend:
    """Return the backend of a local SQLite file; a relative path is resolved against the current folder.

    Only characters with a meaning to SQLAlchemy are quoted, so most URIs show the plain path.
    """
    return Backend(SQLITE_PREFIX + str(path.absolute()).replace("%", "%25").replace("?", "%3F"), "sqlite")


def parse_backend(uri: str, folder: Path) -> Backend:
    """Return the backend for `uri`. A relative SQLite path is resolved against `folder`. User and password of a server are dropped,
    and so is the password of a database (see `password_in`).

    Raises BadInput if the URI is empty or of an unsupported kind.
    """
    text = uri.strip()
    if text.startswith(SQLITE_PREFIX) and len(text) > len(SQLITE_PREFIX):
        return _parse_sqlite_address(text, folder)
    parts = _split_address(text)
    if parts.scheme in ("http", "https") and parts.hostname:
        host = parts.netloc.rpartition("@")[2]
        return Backend(urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), "server")
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and len(parts.path) > 1:
        if parts.query or parts.fragment:
            raise BadInput(f"{text[:120]} is not a valid folder address.", next="Write %23 for # and %3F for ?.")
        return Backend(Path(url2pathname(parts.path)).absolute().as_uri(), "file")
    if parts.scheme.partition("+")[0] in DATABASE_SCHEMES and parts.hostname:
        url = _sqlalchemy_url(text)  # URL.set() cannot remove a password
        url = url.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
        return Backend(url.render_as_string(hide_password=False), "database")
    raise _unknown_backend_error(text, parts.scheme)


def dagshub_backend(repository: str, host_url: str = "https://dagshub.com") -> Backend:
    """Return the MLflow server of a DagsHub repository, given as owner/repo. Raises BadInput for anything else."""
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository.strip(), re.ASCII):
        raise BadInput(f"{repository[:80]!r} is not a valid repository.", next="Use owner/repo, such as team/fraud.")
    return Backend(f"{host_url.rstrip('/')}/{repository.strip()}.mlflow", "server")


def credentials_in(uri: str) -> tuple[str, str] | None:
    """Return user and password from an http(s) URI, decoded; None if it has none."""
    try:
        parts = urlsplit(uri.strip())
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def password_in(uri: str) -> str:
    """Return the password in a database URI, not decoded; empty if it has none."""
    try:
        parts = urlsplit(uri.strip())
    except ValueError:
        return ""
    return parts.password or "" if parts.scheme.partition("+")[0] in DATABASE_SCHEMES else ""


def backend_from_environment(environment: Mapping[str, str], project: Path) -> Backend:
    """Return the backend of an environment: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the project folder.

    A relative SQLite path in the variable is resolved against the current folder, as MLflow does.
    """
    uri = environment.get("MLFLOW_TRACKING_URI", "").strip()
    return parse_backend(uri, Path.cwd()) if uri else sqlite_backend(project / DEFAULT_DATABASE)


def _split_address(text: str) -> SplitResult:
    """Return the parts of an address. Raises BadInput for unbalanced brackets, a non-numeric port, a stray @ and a secret among the
    options."""
    try:
        parts = urlsplit(text)
        is_valid = parts.port is None or bool(parts.hostname)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise BadInput(
            f"{_without_sign_in(text)} is not a valid address: the port must be a number.",
            next=_PASSWORD_HINT if "@" in text else "Use a numeric port, such as http://host:5000.",
        )
    if "://" in text and parts.scheme != "file" and text.count("@") > int("@" in parts.netloc):
        raise BadInput(
            f"{parts.scheme}://…{text.rpartition('@')[2].partition('/')[0][:60]} is not a valid address: it contains a stray @.",
            next=_PASSWORD_HINT,
        )
    if parts.scheme.partition("+")[0] in DATABASE_SCHEMES and _SECRET_OPTIONS.search(parts.query):
        raise BadInput(
            f"{_without_sign_in(text.partition('?')[0])} has a password among its options.",
            next="Use the password part of the address: scheme://user:${NAME}@host/database.",
        )
    return parts


def _parse_sqlite_address(text: str, folder: Path) -> Backend:
    """Return the backend of sqlite:///path?options, as SQLAlchemy reads it. Raises BadInput if it is not a file or an option is invalid."""
    url = _sqlalchemy_url(text)
    database = url.database or ""
    if database == ":memory:" or database.startswith("file:"):
        raise BadInput(
            f"{text[:120]} is not a file that Podium can open.", next="Use a plain file path: sqlite:///path/to/mlflow.db."
        )
    unknown = [name for name in url.query if name not in _SQLITE_OPTIONS]
    try:
        url.get_dialect()().create_connect_args(
            url.set(query={name: url.query[name] for name in _SQLITE_OPTIONS if name in url.query})
        )
    except (ValueError, TypeError) as error:
        raise BadInput(
            f"The options of {text[:120]} are not valid: {error}.", next="Write numbers as digits: ?timeout=30."
        ) from error
    if unknown:
        raise BadInput(
            f"SQLite has no option {unknown[0][:60]}.",
            next=f"Available: {', '.join(_SQLITE_OPTIONS)}. In a path, write %3F for ?.",
        )
    return replace(sqlite_backend(folder / database), options=text.partition("?")[2])


def _sqlalchemy_url(text: str) -> "URL":
    """Parse an address with SQLAlchemy. Raises BadInput."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise BadInput(
            f"{_without_sign_in(text)} is not a valid database address.",
            next="Use scheme://user@host:5432/database.",
        ) from error


def _unknown_backend_error(text: str, scheme: str) -> BadInput:
    schemes = ["http", "https", "sqlite", "file", *DATABASE_SCHEMES]
    matches = get_close_matches(scheme or text.partition("/")[0].strip(":"), schemes, 1, 0.7)
    hint = f"Did you mean {matches[0]}://? " if matches and matches[0] != scheme else ""
    return BadInput(
        f"{_without_sign_in(text)} is not a backend that Podium can open.",
        next=f"{hint}Use sqlite:///path/to/mlflow.db, the http(s) address of an MLflow server, file:///path/to/mlruns, or the address"
        " of a PostgreSQL, MySQL or SQL Server database.",
    )


def _without_sign_in(text: str) -> str:
    """Return a URI that is safe to show: without the part before @, which could contain a password."""
    scheme, separator, rest = text.partition("://")
    return (
        f"{scheme}{separator}{rest.rpartition('@')[2]}"[:120]
        if separator
        else text.rpartition("@")[2][:120] or "An empty address"
    )
