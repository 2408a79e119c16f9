"""Credentials: how they sign in to a backend, and the one store of this process that holds them.

A credential never exposes its secret in repr, str, pickle, copies or `asdict`. A `Backend` carries only its opaque name,
`principal`. A typed credential is held by that user's session only and dropped with it; one from secrets or the environment is held
by the store. Which credential a backend gets is left to `backend_resolution`, passing it to MLflow's client to `request_auth`, and
signing our own requests to `httpx_auth`.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Literal, NoReturn
from urllib.parse import quote, urlsplit, urlunsplit
from weakref import WeakValueDictionary

from lib.backends.backend import Backend
from lib.errors import BadInput

CredentialSource = Literal["typed", "secrets", "environment"]
USER_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
PRINCIPAL_PREFIX = "podium-"
_MIN_REDACTED_LENGTH = 4
"""A shorter secret would be replaced within ordinary words."""
_HMAC_KEY = secrets.token_bytes(32)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


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
        return is_below(url, self.uri)

    def bearer_header(self) -> str:
        """Return the header for an API that takes the secret as a token, regardless of the user."""
        return f"Bearer {self.__secret}"

    def redact(self, text: bytes) -> bytes:
        """Return a server's text without this credential: an echo of the request could contain it as sent, quoted or escaped."""
        forms = {self.authorization_header().partition(" ")[2]}
        if len(self.__secret) >= _MIN_REDACTED_LENGTH:
            forms |= {self.__secret, quote(self.__secret, safe=""), json.dumps(self.__secret)[1:-1]}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form.encode(), b"***")
        return text

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


class CredentialStore:
    """Every secret that this process holds: credentials, hidden ${NAME} variables, and the values of the signing key.

    It knows every live credential by its principal through a weak reference: a typed one is held by its browser session only. What came
    from secrets or the environment is held here, by address, source and the backend's name in `backends.toml`, so that what is listed
    for one name never takes the place of another's.
    """

    def __init__(self) -> None:
        self._live_credentials: WeakValueDictionary[str, Credential] = WeakValueDictionary()
        self._held_credentials: dict[tuple[str, CredentialSource, str], Credential] = {}
        self._credentials_with_user: dict[str, Credential] = {}
        self._variables: dict[str, str] = {}
        self._signing_values: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "<the credential store>"

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a credential store cannot be serialised")

    def register(self, credential: Credential) -> Credential:
        """Make a credential known as long as it is referenced elsewhere; returns the live one with the same principal, if any."""
        with self._lock:
            return self._live_credentials.setdefault(credential.principal, credential)

    def find(self, principal: str) -> Credential | None:
        """Return the live credential with this principal, or None."""
        return self._live_credentials.get(principal) if principal else None

    def hold(self, credential: Credential, name: str = "") -> Credential:
        """Hold a credential from secrets or the environment, listed for this name; an earlier one for the same name is dropped.

        Raises ValueError for a typed credential, which belongs to a session.
        """
        if credential.source == "typed":
            raise ValueError("a typed credential is held by its session only")
        with self._lock:
            key = (credential.uri, credential.source, name)
            previous_credential = self._held_credentials.get(key, credential)
            if previous_credential is not credential:
                self._credentials_with_user.pop(previous_credential.principal, None)
            self._held_credentials[key] = credential
        return credential

    def find_held(self, uri: str, source: CredentialSource, name: str = "") -> Credential | None:
        """Return the credential held for an address, source and name, or None."""
        return self._held_credentials.get((uri, source, name))

    def find_held_for_address(self, uri: str) -> Credential | None:
        """Return a credential held for an address under any name, secrets before the environment; None if there is none."""
        with self._lock:
            credentials = [credential for key, credential in self._held_credentials.items() if key[0] == uri]
        return next(iter(sorted(credentials, key=lambda credential: credential.source != "secrets")), None)

    def attach_user(self, credential: Credential, user: str) -> Credential:
        """Turn a token into a credential with a user name; `with_known_user` then returns it for a token that is held here."""
        credential_with_user = credential.with_user(user)
        if credential.source != "typed":
            self._credentials_with_user[credential.principal] = credential_with_user
        return credential_with_user

    def with_known_user(self, credential: Credential) -> Credential:
        """Return the credential with the user name that was attached to it; unchanged if there is none."""
        return self._credentials_with_user.get(credential.principal, credential)

    def hide_variables(self, environment: MutableMapping[str, str], texts: Iterable[str]) -> None:
        """Remove the variables referenced as ${NAME} in these texts from an environment; only `expand_variables` can read them then."""
        for name in {name for text in texts for name in _VARIABLE.findall(text)}:
            if environment.get(name):
                self._variables[name] = environment.pop(name)

    def expand_variables(self, text: str) -> str:
        """Expand each ${NAME} in a text from the hidden variables or the environment.

        Raises BadInput if one is not set. The value is not decoded: it is the literal password, whatever characters it contains.
        """

        def value(match: re.Match[str]) -> str:
            content = self._variables.get(match[1]) or os.environ.get(match[1], "")
            if not content:
                raise BadInput(f"The variable {match[1]} is not set.", next=f"Set {match[1]} before starting Podium.")
            return content

        return _VARIABLE.sub(value, text)

    def hold_signing_value(self, name: str, value: str) -> None:
        """Hold a variable of the signing key; no ${NAME} expands to it."""
        self._signing_values[name] = value

    def signing_value(self, name: str) -> str:
        """Return a variable of the signing key; empty if it was not set."""
        return self._signing_values.get(name, "")


_STORES = [CredentialStore()]


def credential_store() -> CredentialStore:
    """Return the store of this process."""
    return _STORES[-1]


@contextmanager
def use_store(store: CredentialStore) -> Iterator[CredentialStore]:
    """Replace the store of this process, in all threads, for the duration of a block."""
    _STORES.append(store)
    try:
        yield store
    finally:
        _STORES.remove(store)


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
    return credential_store().register(Credential(backend, user, secret, source))


def find_credential(backend: Backend) -> Credential | None:
    """Return the credential of a backend; None without a sign-in or after the session that provided it has ended."""
    return credential_store().find(backend.principal)


def client_uri(backend: Backend) -> str:
    """Return the URI to pass to MLflow for a backend. Never show or record it; see `request_auth`."""
    credential = find_credential(backend)
    return credential.client_uri() if credential else backend.address


def is_below(url: str, address: str) -> bool:
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
