"""Resolves the actor: a typed name, or a name verified by the server. Typed names are marked as such."""

import httpx

from lib.backends.backend import Backend
from lib.backends.connectivity import send_get
from lib.backends.credentials import find_credential
from lib.errors import ActionRefused
from lib.ledger.entry.vocabulary import Actor, declared_actor


def read_verified_name(backend: Backend) -> str | None:
    """The user name for this credential on the server (`users/current`); None without a sign-in."""
    if backend.kind != "server" or find_credential(backend) is None:
        return None
    try:
        response = send_get(backend, "/api/2.0/mlflow/users/current")
        name = response.json()["user"]["username"] if response.status_code == 200 else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def resolve_command_actor(backend: Backend, given_name: str, default_name: str) -> Actor:
    """The actor of a command: the verified name, else the given one, else the default.

    Raises ActionRefused if the given name differs from the verified one, BadInput if there is no name.
    """
    verified = read_verified_name(backend)
    if verified is None:
        return declared_actor(given_name or default_name)
    if given_name and given_name != verified:
        raise ActionRefused(
            f"The server knows you as {verified}, not as {given_name}.",
            next="Omit the name, or sign in as the other person.",
        )
    return Actor(name=verified, how="server")


def resolve_session_actor(backend: Backend, user_name: str) -> Actor:
    """The actor of a page: the name verified by the server if this session signed in, else a typed name.

    A credential shared by the process is a service account and does not verify names.
    """
    credential = find_credential(backend)
    verified = read_verified_name(backend) if credential and credential.source == "typed" else None
    if verified:
        return Actor(name=verified, how="server")
    is_shared = credential and credential.user and credential.source != "typed" and backend.kind == "server"
    return declared_actor(user_name, f"service account {credential.user}" if credential and is_shared else None)
