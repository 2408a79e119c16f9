"""Read and edit the file of named backends, `backends.toml`. It contains no secrets and may be committed.

    shared = true                      # a team server: its pages cannot add or remove backends

    [backends.team]
    uri = "https://mlflow.example.org"

    [backends.fraud]
    kind = "dagshub"
    repository = "owner/repo"

    [backends.books]
    uri = "postgresql://podium:${BOOKS_PASSWORD}@db.example.org/mlflow"

Comments and order are preserved: an entry is appended at the end and removed line by line. Signing in is left to `credentials`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lib.backends import dagshub
from lib.backends.app_files import lock_file, podium_home
from lib.backends.backend import Backend, credentials_in, dagshub_backend, parse_backend, password_in
from lib.backends.config_file import is_text_of, parse_config_text, read_config_text, replace_config_text
from lib.errors import ActionRefused, BadInput, NotFound, PodiumError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
OWN_NAME = "default"
"""The name of the process's own backend, which no entry may have."""
ConfiguredKind = Literal["sqlite", "file", "server", "dagshub", "database"]
_HEADER = re.compile(r"\s*\[")
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


@dataclass(frozen=True)
class ConfiguredBackend:
    """A named backend. `uri` is as written, with ${NAME} for a database password; `repository` is set for DagsHub only.

    `problem` says in one sentence why the entry cannot be used; `backend` is None then.
    """

    name: str
    uri: str = ""
    repository: str = ""
    backend: Backend | None = None
    problem: str = ""

    @property
    def kind(self) -> ConfiguredKind:
        """The kind shown to users: a DagsHub repository is a server with a kind of its own."""
        return "dagshub" if self.repository else self.backend.kind if self.backend else "server"


@dataclass(frozen=True)
class BackendConfig:
    """The content of the file: the backends in file order, and whether this Podium is shared."""

    backends: tuple[ConfiguredBackend, ...] = ()
    is_shared: bool = False

    def find(self, name: str) -> ConfiguredBackend:
        """Return the backend with this name. Raises NotFound, or BadInput if its entry is invalid."""
        entry = next((entry for entry in self.backends if entry.name == name), None)
        if entry is None:
            raise NotFound(f"There is no backend called {name[:60]}.", next="Choose one on Settings.")
        if entry.problem:
            raise BadInput(entry.problem, next="Fix backends.toml, or choose another backend.")
        return entry


def config_path(environment: Mapping[str, str], project: Path) -> Path:
    """Return the path of `backends.toml`: `PODIUM_BACKENDS`, else the file in Podium's own folder."""
    path = environment.get("PODIUM_BACKENDS", "").strip()
    return Path(path).expanduser().absolute() if path else podium_home(environment, project) / "backends.toml"


def read_config(file: Path) -> BackendConfig:
    """Read the named backends of a file; none if it does not exist. An invalid entry has a `problem` and does not affect the others.

    Raises BadInput if the file itself cannot be read.
    """
    return parse_config(read_config_text(file), file)


def parse_config(text: str, file: Path) -> BackendConfig:
    """Parse the text of a file; see `read_config`."""
    document = parse_config_text(text, file)
    entries = document.get("backends", {})
    shared = document.get("shared", False)
    if not isinstance(entries, dict) or not isinstance(shared, bool):
        raise BadInput(
            f"{file.name} is not valid.", next="shared must be true or false, and each backend a [backends.name] table."
        )
    return BackendConfig(tuple(_parse_entry(name, entry, file.parent) for name, entry in entries.items()), shared)


def parse_configured_backend(name: str, uri: str = "", repository: str = "", *, folder: Path) -> ConfiguredBackend:
    """Parse a new entry as typed by a user. Raises BadInput for an invalid name or address, and for a password in it."""
    if not NAME_PATTERN.fullmatch(name) or name == OWN_NAME:
        raise BadInput(
            f"{name[:60]!r} is not a valid name.", next="Use up to 40 lowercase letters, digits, - and _, such as team-server."
        )
    if repository:
        return ConfiguredBackend(name, repository=repository.strip(), backend=dagshub_backend(repository, dagshub.host_url()))
    backend = parse_backend(uri, folder)
    if credentials_in(uri):
        raise BadInput(
            "The address contains a user or password.",
            next="Leave them out: sign in below, or use secrets or environment variables.",
        )
    if password_in(uri) and not _ONE_VARIABLE.fullmatch(password_in(uri)):
        raise BadInput(
            "The address contains a password, which must not be stored in this file.",
            next="Write ${NAME} instead and set the variable NAME before starting Podium.",
        )
    return ConfiguredBackend(name, uri=_stored_uri(uri.strip(), backend), backend=backend)


def add_backend(file: Path, new_backend: ConfiguredBackend) -> None:
    """Append an entry to the file. Raises ActionRefused if the name is taken or Podium is shared, NotWritable, Busy."""
    with lock_file(file):
        text = read_config_text(file)
        config = _require_changeable(text, file)
        if any(entry.name == new_backend.name for entry in config.backends):
            raise ActionRefused(
                f"A backend called {new_backend.name} already exists.", next="Use another name, or remove that backend first."
            )
        body = {"kind": "dagshub", "repository": new_backend.repository} if new_backend.repository else {"uri": new_backend.uri}
        lines = [
            f"[backends.{new_backend.name}]",
            *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in body.items()),
        ]
        new_text = f"{text.rstrip()}\n\n" * bool(text.strip()) + "\n".join(lines) + "\n"
        document = parse_config_text(text, file)
        document["backends"] = {**document.get("backends", {}), new_backend.name: body}
        if not is_text_of(document, new_text, file):
            raise ActionRefused(f"Podium cannot add {new_backend.name} safely.", next=f"Add it to {file.name} by hand.")
        replace_config_text(file, text, new_text)


def remove_backend(file: Path, name: str) -> ConfiguredBackend:
    """Remove an entry and return it, so it can be restored. Raises NotFound, ActionRefused if Podium is shared, NotWritable, Busy."""
    with lock_file(file):
        text = read_config_text(file)
        config = _require_changeable(text, file)
        removed_backend = next((entry for entry in config.backends if entry.name == name), None)
        if removed_backend is None:
            raise NotFound(f"There is no backend called {name[:60]}.", next="It may have been removed since.")
        new_text = _remove_entry(text, name)
        document = parse_config_text(text, file)
        document["backends"].pop(name)
        if not is_text_of(document, new_text, file):
            raise ActionRefused(f"Podium cannot edit the entry {name} safely.", next=f"Remove it from {file.name} by hand.")
        replace_config_text(file, text, new_text)
    return removed_backend


def _parse_entry(name: str, entry: Any, folder: Path) -> ConfiguredBackend:
    """Parse one entry of the file; an invalid one has a `problem`."""
    uri, repository, kind = (str(entry.get(key, "")) if isinstance(entry, dict) else "" for key in ("uri", "repository", "kind"))
    try:
        if bool(uri) == bool(repository) or (kind and (kind == "dagshub") != bool(repository)):
            raise BadInput(f"{name} needs either a uri, or kind = dagshub with a repository.")
        return parse_configured_backend(name, uri, repository, folder=folder)
    except PodiumError as error:
        return ConfiguredBackend(name[:60], problem=error.what)


def _stored_uri(uri: str, backend: Backend) -> str:
    """Return the address to store: a relative file made absolute, a query that could contain a token dropped."""
    return uri if backend.kind == "database" else backend.address


def _require_changeable(text: str, file: Path) -> BackendConfig:
    config = parse_config(text, file)
    if config.is_shared:
        raise ActionRefused(
            "This Podium is shared, so backends cannot be added or removed here.", next=f"Ask its operator to edit {file.name}."
        )
    return config


def _remove_entry(text: str, name: str) -> str:
    """Return the text without this entry: the lines from its header to the next header."""
    header = re.compile(rf"""\s*\[\s*backends\s*\.\s*["']?{re.escape(name)}["']?\s*\]""")
    lines, is_inside = [], False
    for line in text.splitlines(keepends=True):
        is_inside = bool(header.match(line)) if _HEADER.match(line) else is_inside
        if not is_inside:
            lines.append(line)
    return "".join(lines)
