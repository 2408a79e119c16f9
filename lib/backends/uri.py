"""A backend as a frozen value, and which one is meant by an environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from lib.errors import BadInput

Kind = Literal["sqlite", "server"]
SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Backend:
    """A place where runs and models live. Holds no secret, so it may be a cache key, be shown and be recorded.

    `uri` is both the tracking and the registry URI of the MLflow client. `kind` tells a local SQLite file from a server.
    """

    uri: str
    kind: Kind

    @property
    def path(self) -> Path | None:
        """The absolute path of the database file; None for a server."""
        return Path(self.uri.removeprefix(SQLITE)) if self.kind == "sqlite" else None

    @property
    def artifacts(self) -> Path | None:
        """The folder beside the database in which new experiments keep their artifacts; None for a server."""
        return self.path.parent / "mlruns" if self.path else None

    @property
    def name(self) -> str:
        """What people read: "Local SQLite" or the host and port of a server."""
        return "Local SQLite" if self.kind == "sqlite" else urlsplit(self.uri).netloc

    @property
    def place(self) -> str:
        """Where it is, in short: the name of the file, or the address."""
        return self.path.name if self.path else self.uri


def sqlite_backend(path: Path) -> Backend:
    """The backend of a local SQLite file; a relative path is taken from the current folder."""
    return Backend(SQLITE + str(path.absolute()), "sqlite")


def parse(uri: str, folder: Path) -> Backend:
    """The backend that `uri` names. A relative SQLite path is taken from `folder`; user and password are left out.

    Raises BadInput for an empty URI or a kind that Podium does not speak.
    """
    text = uri.strip()
    if text.startswith(SQLITE) and len(text) > len(SQLITE):
        return sqlite_backend(folder / unquote(text.removeprefix(SQLITE)))
    parts = urlsplit(text)
    if parts.scheme in ("http", "https") and parts.hostname:
        host = parts.netloc.rpartition("@")[2]
        return Backend(urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), "server")
    raise BadInput(
        f"{_shown(text)} is not a backend that Podium can open.",
        next="Use sqlite:///path/to/mlflow.db or the http(s) address of an MLflow server.",
    )


def credentials_in(uri: str) -> tuple[str, str] | None:
    """User and password written into an http(s) URI, decoded; None where there are none."""
    parts = urlsplit(uri.strip())
    if parts.scheme not in ("http", "https") or parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def chosen(environment: Mapping[str, str], project: Path) -> Backend:
    """The backend an environment asks for: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the project's folder.

    A relative SQLite path in the variable is taken from the current folder, as MLflow does.
    """
    asked = environment.get("MLFLOW_TRACKING_URI", "").strip()
    return parse(asked, Path.cwd()) if asked else sqlite_backend(project / "mlflow.db")


def _shown(text: str) -> str:
    """A URI as it may be shown: without the part in front of @, where a password could stand."""
    scheme, sep, rest = text.partition("://")
    return f"{scheme}{sep}{rest.rpartition('@')[2]}"[:120] if sep else text[:120] or "An empty address"
