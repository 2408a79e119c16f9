"""What a backend can do: asked once per connection, kept in this process, asked again on demand. Leaves nothing behind on a store.

Every question is one that changes nothing whatever the answer: about a model that cannot exist, with a name that is empty, or a
plain reading. What is missing carries the reason and what Podium does instead.
"""

import os
import re
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lib.backends import dagshub as hub
from lib.backends.backend import Backend
from lib.backends.mlflow_client import mlflow_version
from lib.backends.permissions import lacking, ledger_thing, user
from lib.backends.rest_request import API, Said, ask
from lib.errors import PodiumError

FRESH_SECONDS = 60.0
"""After so long something that was missing is asked for again: a right may have been granted, a server renewed."""
_NOBODY = "podium-probe-of-a-model-that-cannot-be"
_VERBS = {
    "stages": "transition_model_version_stage",
    "aliases": "set_registered_model_alias",
    "logged models": "get_logged_model",
}


@dataclass(frozen=True)
class Ability:
    """One thing a backend can or cannot do. `has` None: it cannot be told.

    `why` says in a sentence what is missing or not certain, `instead` what Podium does then, `call` what would grant it.
    """

    has: bool | None
    why: str = ""
    instead: str = ""
    call: str = ""

    @property
    def sentence(self) -> str:
        """Reason and way round as one text; empty where nothing is missing."""
        return " ".join(part for part in (self.why, self.instead) if part)


@dataclass(frozen=True)
class Limits:
    """How many characters fit. `told` says whether they are those of a known version, or the least that any version had."""

    param: int
    run_tag: int
    version_tag: int
    model_tag: int = 5_000
    key: int = 250
    told: bool = True


@dataclass(frozen=True)
class Capabilities:
    """What one backend can do. `writing` is about anything at all, `recording` about the record of decisions.

    `version` is that of the MLflow behind it, `user` whom a server with users takes us for; either may be empty.
    """

    backend: Backend
    version: str
    user: str
    registry: Ability
    stages: Ability
    aliases: Ability
    logged_models: Ability
    writing: Ability
    recording: Ability
    write_once: Ability
    limits: Limits

    @property
    def is_whole(self) -> bool:
        """Is nothing missing?"""
        return all(one.has is not False for one in (self.registry, self.stages, self.aliases, self.logged_models, self.recording))


YES = Ability(has=True)
_KNOWN: dict[Backend, tuple[float, Capabilities]] = {}


def capabilities(backend: Backend) -> Capabilities:
    """What a backend can do, asked at the first call. Raises Unreachable when a server does not answer."""
    asked, known = _KNOWN.get(backend, (0.0, None))
    if known is not None and (known.is_whole or time.monotonic() - asked < FRESH_SECONDS):
        return known
    return ask_again(backend)


def ask_again(backend: Backend) -> Capabilities:
    """Ask anew, whatever is known. Raises Unreachable when a server does not answer."""
    found = _of_server(backend) if backend.kind == "server" else _of_store(backend)
    _KNOWN[backend] = (time.monotonic(), found)
    return found


def forget(backend: Backend) -> None:
    """Forget what was asked: the backend just said something else."""
    _KNOWN.pop(backend, None)


def limits_of(version: str) -> Limits:
    """The limits of an MLflow version such as "3.17.2"; the least that any version had where it is not told. Pure."""
    at = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not at:
        return Limits(param=500, run_tag=5_000, version_tag=5_000, told=False)
    return Limits(
        param=6_000 if at >= (2, 8) else 500 if at >= (1, 28) else 250,
        run_tag=8_000 if at >= (2, 17) else 5_000,
        version_tag=100_000 if at >= (3, 1) else 5_000,
    )


def _of_store(backend: Backend) -> Capabilities:
    """A database or a folder that MLflow opens itself: what the MLflow installed here can do."""
    version, is_folder = mlflow_version(), backend.kind == "file"
    writing = _file_rights(backend.path) if backend.path else YES
    return Capabilities(
        backend=backend,
        version=version,
        user="",
        registry=YES,
        stages=_with_client("stages", YES),
        aliases=_with_client("aliases", YES),
        logged_models=_with_client("logged models", YES),
        writing=writing,
        recording=writing,
        write_once=_STEPS if is_folder else YES,
        limits=limits_of(version),
    )


_STEPS = Ability(
    has=False,
    why="A folder of files checks and writes in two steps, so two people who decide at once could both take one place.",
    instead="Let one person at a time decide, or move to SQLite.",
)


def _file_rights(path: Path) -> Ability:
    """May the file be written? Takes SQLite's write lock for an instant; a file that others keep locked can be written later."""
    if not path.exists():
        return YES if os.access(path.parent, os.W_OK) else Ability(has=False, why=f"The folder of {path.name} cannot be written.")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return Ability(has=False, why=f"{path.name} or its folder may only be read by this account.", instead=_READING)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0.2, isolation_level=None)) as db:
            db.execute("begin immediate")
            db.execute("rollback")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            return Ability(has=False, why=f"{path.name} cannot be written ({error}).", instead=_READING)
    return YES


_ASK = "Ask an administrator, or whoever manages it, for that right."
_READING = "What was done outside is shown, and not recorded."


def _of_server(backend: Backend) -> Capabilities:
    """Ask all questions side by side; each may take its five seconds, none waits for another."""
    questions: dict[str, Callable[[], Said]] = {
        "version": lambda: ask(backend, "GET", "/version"),
        "registry": lambda: ask(backend, "GET", f"{API}/registered-models/search", params={"max_results": "1"}),
        "stages": lambda: ask(backend, "POST", f"{API}/model-versions/transition-stage", json=_NO_MOVE),
        "aliases": lambda: ask(backend, "GET", f"{API}/registered-models/alias", params={"name": _NOBODY, "alias": "none"}),
        "logged models": lambda: ask(backend, "GET", f"{API}/logged-models/m-{'0' * 32}"),
    }
    with ThreadPoolExecutor(len(questions) + 1) as threads:
        rights = threads.submit(_server_rights, backend)
        asked = {name: threads.submit(question) for name, question in questions.items()}
        said = {name: future.result() for name, future in asked.items()}
        name, (writing, recording) = rights.result()
    version = _version(said["version"])
    return Capabilities(
        backend=backend,
        version=version,
        user=name,
        registry=_told(said["registry"], _NO_REGISTRY),
        stages=_with_client("stages", _told(said["stages"], _NO_STAGES)),
        aliases=_with_client("aliases", _told(said["aliases"], _NO_ALIASES)),
        logged_models=_with_client("logged models", _told(said["logged models"], _NO_LOGGED)),
        writing=writing,
        recording=recording,
        write_once=YES if version else _NOT_TRIED,
        limits=limits_of(version),
    )


_NO_MOVE = {"name": _NOBODY, "version": "1", "stage": "None", "archive_existing_versions": "false"}
_NO_REGISTRY = Ability(
    has=False, why="This server does not know the model registry.", instead="Runs can be compared; models cannot be registered."
)
_NO_STAGES = Ability(
    has=False,
    why="This server does not know stages.",
    instead="Podium keeps them as alias and as tag podium.stage of the version.",
)
_NO_ALIASES = Ability(has=False, why="This server does not know aliases.", instead="Podium moves the stages alone.")
_NO_LOGGED = Ability(
    has=False,
    why="This server does not know logged models, which came with MLflow 3.",
    instead="Models are kept among the artifacts of their run, and registered from there.",
)
_NOT_TRIED = Ability(
    has=None,
    why="The server does not tell its version, so it is not certain that a parameter can never be changed.",
    instead="Every entry carries a hash: a change would be named by verify.",
)


def _told(said: Said, missing: Ability) -> Ability:
    return missing if said.is_unknown else YES


def _with_client(name: str, there: Ability) -> Ability:
    """The same, as far as the MLflow installed here still has the call."""
    from mlflow import MlflowClient

    if hasattr(MlflowClient, _VERBS[name]):
        return there
    missing = {"stages": _NO_STAGES, "aliases": _NO_ALIASES, "logged models": _NO_LOGGED}[name]
    return Ability(has=False, why=f"The MLflow installed here has no {name}.", instead=missing.instead)


def _version(said: Said) -> str:
    told = said.text.strip().strip('"')
    return told if said.status == 200 and re.fullmatch(r"\d+\.\d+[\w.+-]{0,20}", told) else ""


def _server_rights(backend: Backend) -> tuple[str, tuple[Ability, Ability]]:
    """Who we are to the server, whether we may write anything at all, and whether we may write the record.

    An experiment without a name can never be made, but only those who might make one are told so.
    """
    if hub.repository_of(backend):
        return _hub_rights(backend)
    name, writing = user(backend), YES
    if ask(backend, "POST", f"{API}/experiments/create", json={"name": ""}).is_denied:
        why = f"{backend.name} lets {name or 'this sign-in'} read, not write."
        return name, (Ability(has=False, why=why, instead=_READING),) * 2
    if name and (home := ledger_thing(backend)) is not None and (missing := lacking(backend, name, home, "EDIT")):
        return name, (writing, Ability(has=False, why=missing.what, instead=f"{_ASK} {_READING}", call=missing.call))
    return name, (writing, writing)


def _hub_rights(backend: Backend) -> tuple[str, tuple[Ability, Ability]]:
    """The same on DagsHub, which tells whose a token is and whether that person may push to the repository.

    What it does not tell is asked of MLflow behind it.
    """
    try:
        found = hub.look(backend)
    except PodiumError:
        found = hub.Found(hub.repository_of(backend), "", None)
    reads = found.may_push is False
    if found.may_push is None:
        reads = ask(backend, "POST", f"{API}/experiments/create", json={"name": ""}).is_denied
    if reads:
        return found.user, (Ability(has=False, why=hub.reads_only(found), instead=f"{_PUSH} {_READING}"),) * 2
    return found.user, (YES, YES)


_PUSH = "Ask the owner of the repository for push rights."
