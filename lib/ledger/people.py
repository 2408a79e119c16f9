"""Who acts: a typed name, or the name a server vouches for. A name that is only typed is called typed."""

from collections.abc import Mapping

import httpx

from lib.backends.connect import PROBE_SECONDS
from lib.backends.uri import Backend
from lib.errors import Refused
from lib.ledger.words import Actor, declared

USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def verified_name(backend: Backend, environment: Mapping[str, str]) -> str | None:
    """The name a server knows this credential by (`users/current`); None when it has no sign-in or none was given."""
    user, password = environment.get(USER), environment.get(PASSWORD)
    if backend.kind != "server" or not user:
        return None
    try:
        answer = httpx.get(f"{backend.uri}/api/2.0/mlflow/users/current", auth=(user, password or ""), timeout=PROBE_SECONDS)
        name = answer.json()["user"]["username"] if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def who(backend: Backend, given: str, default: str, environment: Mapping[str, str]) -> Actor:
    """The actor of a command: the verified name, else the given one, else the default.

    Raises Refused when the name that was given is not the one the server vouches for, BadInput when no name is left.
    """
    verified = verified_name(backend, environment)
    if verified is None:
        return declared(given or default)
    if given and given != verified:
        raise Refused(
            f"The server knows you as {verified}, not as {given}.", next="Leave the name out, or sign in as the other person."
        )
    return Actor(name=verified, how="server")


def through_service_account(backend: Backend, name: str, environment: Mapping[str, str]) -> Actor:
    """The actor of a page on a shared server: the name was typed, and the credential belongs to the service."""
    account = environment.get(USER) if backend.kind == "server" else None
    return declared(name, f"service account {account}" if account else None)
