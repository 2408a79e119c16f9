"""Sign our own httpx requests in: a credential is added to a request to its own address only, and to nothing else."""

from collections.abc import Generator
from urllib.parse import urlsplit, urlunsplit

import httpx

from lib.backends.backend import Backend
from lib.backends.credentials import Credential, find_credential, is_below


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
        if is_below(str(request.url), self._api):
            request.headers["Authorization"] = self._credential.bearer_header()
        yield request


def httpx_auth(backend: Backend) -> httpx.Auth | None:
    """Return the auth of our own requests to a backend; None without a sign-in."""
    credential = find_credential(backend)
    return _CredentialAuth(credential) if credential and backend.kind == "server" else None


def httpx_token_auth(backend: Backend, api_url: str) -> httpx.Auth | None:
    """Return the auth for a token at the API `api_url` on its own host; None without a sign-in or for another host."""
    credential, api = find_credential(backend), urlsplit(api_url)
    if credential is None or not is_below(credential.uri, urlunsplit((api.scheme, api.netloc, "", "", ""))):
        return None
    return _ApiTokenAuth(credential, api_url)
