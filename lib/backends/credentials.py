"""Credentials: where they come from, how long they are held, and how they sign in to a backend.

A credential never exposes its secret in repr, str, pickle, copies or `asdict`. A `Backend` carries only its opaque name,
`principal`. A typed credential is held by that user's session only and dropped with it; one from secrets or the environment is held
by the process. Passing it to MLflow's own client is left to `request_auth`.
"""

import hashlib
import hmac
import os
import re
import secrets
import threading
from base64 import b64encode
from collections.abc import Generator, Mapping, MutableMapping
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit, urlunsplit
from weakref import WeakValueDictionary

import httpx

from lib.backends.backend import Backend, credentials_in, parse_backend, password_in
from lib.errors import BadInput

CredentialSource = Literal["typed", "secrets", "environment"]
USER_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
PRINCIPAL_PREFIX = "podium-"
_HMAC_KEY = secrets.token_bytes(32)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LIVE_CREDENTIALS: "WeakValueDictionary[str, Credential]" = WeakValueDictionary()
_PROCESS_CREDENTIALS: "dict[tuple[str, str], Credential]" = {}
_CREDENTIALS_WITH_USER: "dict[str, Credential]" = {}
_HIDDEN_VARIABLES: dict[str, str] = {}
_LOCK = threading.Lock()


class Credential:
    """User and password, or a token, for one address. `principal` is its opaque name, stable for the same input within this process.

    `user` may be shown. `source` says where it came from: that decides whether a user name confirmed by the server is this session's user.
    """

    __slots__ = ("__secret", "__weakref__", "is_token", "principal", "source", "uri", "user")

    def __init__(self, backend: Backend, user: str, secret: str, source: CredentialSource) -> None:
        self.uri, self.user, self.source = backend.uri, user, source
        self.__secret = secret
        self.is_token = backend.kind == "server" and not user
        identity = "\0".join((backend.uri, user, secret, source)).encode()
        self.principal = PRINCIPAL_PREFIX + hmac.new(_HMAC_KEY, identity, hashlib.sha256).hexdigest()[:24]

    def __repr__(self) -> str:
        return f"<a credential for {self.uri}>"

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a credential cannot be serialised")

    def __copy__(self) -> "Credential":
        return self

    def __deepcopy__(self, _: object) -> "Credential":
        return self

    def authorization_header(self) -> str:
        """Return the Authorization header, to be sent to this credential's own address only."""
        if self.is_token:
            return f"Bearer {self.__secret}"
        return "Basic " + b64encode(f"{self.user}:{self.__secret}".encode()).decode()

    def covers(self, url: str) -> bool:
        """Whether a URL is within the credential's own address; other hosts and paths are not."""
        return _is_below(url, self.uri)

    def bearer_header(self) -> str:
        """Return the header for an API that takes the secret as a token, regardless of the user."""
        return f"Bearer {self.__secret}"

    def with_user(self, user: str) -> "Credential":
        """Return the same secret with a user name, for an address that takes a token as user and password."""
        return create_credential(Backend(self.uri, "server"), user, self.__secret, self.source)

    def environment_variables(self) -> dict[str, str]:
        """Return the variables with which a child process signs in; never pass them as arguments. `~/.netrc` is disabled."""
        if not self.uri.startswith("http"):
            return {"MLFLOW_TRACKING_URI": self.client_uri(), "MLFLOW_REGISTRY_URI": self.client_uri()}
        pair = {TOKEN_VARIABLE: self.__secret} if self.is_token else {USER_VARIABLE: self.user, PASSWORD_VARIABLE: self.__secret}
        return pair | {"NETRC": os.devnull}

    def client_uri(self) -> str:
        """Return the URI to pass to MLflow: with the principal for a server, with the password for a database."""
        if self.uri.startswith("http"):
            parts = urlsplit(self.uri)
            return urlunsplit(parts._replace(netloc=f"{self.principal}@{parts.netloc.rpartition('@')[2]}"))
        from sqlalchemy.engine import make_url

        return make_url(self.uri).set(password=self.__secret).render_as_string(hide_password=False)


class _CredentialAuth(httpx.Auth):
    """Signs our own requests if they go to the credential's address."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._credential.covers(str(request.url)):
            request.headers["Authorization"] = self._credential.authorization_header()
        yield request


class _ApiTokenAuth(httpx.Auth):
    """Signs requests to the API on the credential's own host only."""

    def __init__(self, credential: Credential, api: str) -> None:
        self._credential, self._api = credential, api

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if _is_below(str(request.url), self._api):
            request.headers["Authorization"] = self._credential.bearer_header()
        yield request


def create_credential(backend: Backend, user: str, secret: str, source: CredentialSource = "typed") -> Credential:
    """Create a credential for a backend's address, found as long as it is referenced. `user` is empty for a token.

    Raises BadInput if no header can carry it.
    """
    if not secret or any(ord(character) < 32 for character in user + secret) or ":" in user:
        raise BadInput(
            "This user and password cannot be sent.",
            next="Remove colons from the user and line breaks from both, and enter a password.",
        )
    if backend.kind == "server" and not user and not secret.isascii():
        raise BadInput("This token cannot be sent.", next="Use a token of ASCII letters, digits and punctuation only.")
    credential = Credential(backend, user, secret, source)
    with _LOCK:
        return _LIVE_CREDENTIALS.setdefault(credential.principal, credential)


def store_credential(credential: Credential) -> None:
    """Hold a credential from secrets or the environment for the life of this process."""
    _PROCESS_CREDENTIALS[credential.uri, credential.source] = credential


def find_credential(backend: Backend) -> Credential | None:
    """Return the credential of a backend; None without a sign-in or after the session that provided it has ended."""
    return _LIVE_CREDENTIALS.get(backend.principal) if backend.principal else None


def attach_credential(backend: Backend) -> Backend:
    """Return the backend with this process's credential for its address, secrets before the environment; unchanged if there is none."""
    credential = _PROCESS_CREDENTIALS.get((backend.uri, "secrets")) or _PROCESS_CREDENTIALS.get((backend.uri, "environment"))
    if credential is None or backend.principal:
        return backend
    return backend.with_principal(_CREDENTIALS_WITH_USER.get(credential.principal, credential).principal)


def attach_user(credential: Credential, user: str) -> Credential:
    """Turn a token into a credential with a user name; `attach_credential` then uses it in place of a token held by the process."""
    with_user = credential.with_user(user)
    if credential.source != "typed":
        _CREDENTIALS_WITH_USER[credential.principal] = with_user
    return with_user


def httpx_auth(backend: Backend) -> httpx.Auth | None:
    """Return the auth of our own requests to a backend; None without a sign-in."""
    credential = find_credential(backend)
    return _CredentialAuth(credential) if credential and backend.kind == "server" else None


def httpx_token_auth(backend: Backend, api_url: str) -> httpx.Auth | None:
    """Return the auth for a token at the API `api_url` on its own host; None without a sign-in or for another host."""
    credential, api = find_credential(backend), urlsplit(api_url)
    if credential is None or not _is_below(credential.uri, urlunsplit((api.scheme, api.netloc, "", "", ""))):
        return None
    return _ApiTokenAuth(credential, api_url)


def client_uri(backend: Backend) -> str:
    """Return the URI to pass to MLflow for a backend. Never show or record it; see `request_auth`."""
    credential = find_credential(backend)
    return credential.client_uri() if credential else backend.address


def take_from_environment(environment: MutableMapping[str, str], backend: Backend) -> Backend:
    """Remove a backend's credentials from an environment and bind them to its address only. Returns the backend to use.

    After that the environment is safe to show and to inherit. User and password variables take precedence over those in the address.
    """
    user_and_secret = _read_user_and_secret(environment, backend)
    for name in (USER_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE):
        environment.pop(name, None)
    if environment.get("MLFLOW_TRACKING_URI", "").strip():
        environment["MLFLOW_TRACKING_URI"] = backend.address
    if user_and_secret:
        store_credential(create_credential(backend, *user_and_secret, "environment"))
    return attach_credential(backend)


def read_from_environment(environment: Mapping[str, str], backend: Backend) -> Backend:
    """Return the backend with its credentials from an environment, which keeps them: for a job runner, whose script inherits it."""
    user_and_secret = _read_user_and_secret(environment, backend)
    if user_and_secret:
        store_credential(create_credential(backend, *user_and_secret, "environment"))
    return attach_credential(backend)


def _read_user_and_secret(environment: Mapping[str, str], backend: Backend) -> tuple[str, str] | None:
    """Return user and secret for a backend from an environment."""
    address = environment.get("MLFLOW_TRACKING_URI", "")
    if backend.kind == "database":
        password = password_in(address)
        secret = expand_variables(password) if _VARIABLE.search(password) else unquote(password)
        return (unquote(urlsplit(backend.uri).username or ""), secret) if password else None
    if backend.kind != "server":
        return None
    if environment.get(USER_VARIABLE) and environment.get(PASSWORD_VARIABLE):
        return environment[USER_VARIABLE], environment[PASSWORD_VARIABLE]
    pair = credentials_in(address)
    if pair and pair[1] and parse_backend(address, Path()).is_same_store(backend):
        return pair
    return ("", environment[TOKEN_VARIABLE]) if environment.get(TOKEN_VARIABLE) else None


def hide_variables(environment: MutableMapping[str, str], texts: list[str]) -> None:
    """Remove the variables referenced as ${NAME} in these texts from an environment; only `expand_variables` can read them then."""
    for name in {name for text in texts for name in _VARIABLE.findall(text)}:
        if environment.get(name):
            _HIDDEN_VARIABLES[name] = environment.pop(name)


def expand_variables(text: str) -> str:
    """Expand each ${NAME} in a text from the hidden variables or the environment.

    Raises BadInput if one is not set. The value is not decoded: it is the literal password, whatever characters it contains.
    """

    def value(match: re.Match[str]) -> str:
        content = _HIDDEN_VARIABLES.get(match[1]) or os.environ.get(match[1], "")
        if not content:
            raise BadInput(f"The variable {match[1]} is not set.", next=f"Set {match[1]} before starting Podium.")
        return content

    return _VARIABLE.sub(value, text)


def _is_below(url: str, address: str) -> bool:
    """Whether a URL has the scheme, host and port of an address and its path or one below it."""
    target, base = urlsplit(url), urlsplit(address)
    is_same_host = (target.scheme, target.hostname, _port(target.scheme, target.port)) == (
        base.scheme,
        base.hostname,
        _port(base.scheme, base.port),
    )
    return is_same_host and f"{target.path}/".startswith(f"{base.path.rstrip('/')}/") and ".." not in target.path.split("/")


def _port(scheme: str, port: int | None) -> int | None:
    return port or {"http": 80, "https": 443}.get(scheme)
