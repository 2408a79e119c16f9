"""DagsHub: whether a repository exists, who owns a token, and whether they may push, from DagsHub's own API within seconds.

Its client is used for these two requests only, each with an explicit host and sign-in. `dagshub.init` is never used: it creates a public
repository for a misspelled name and waits for a browser forever. Its token store is never used either: it deletes a token when DagsHub
has an outage. Runs and models are left to MLflow's client, and token sources to `dagshub_tokens`.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from lib.backends import connectivity
from lib.backends.backend import Backend
from lib.backends.credentials import Credential, credential_store, find_credential
from lib.backends.httpx_auth import httpx_token_auth
from lib.errors import BadInput, NotFound, NotWritable, PodiumError, SignInRejected, SignInRequired, Unreachable

_DEFAULT_HOST_URL = "https://dagshub.com"
_HOST_VARIABLE = "DAGSHUB_CLIENT_HOST"
RETRY_SECONDS = 15.0
"""Pause before DagsHub is contacted again automatically after a failure; a check by a user always contacts it."""
_OWNER_LOOKUP_SECONDS = 2.5
_RECENT_ERRORS: dict[str, tuple[float, PodiumError]] = {}


@dataclass(frozen=True)
class RepositoryAccess:
    """An existing repository and the signed-in user. `can_push` is None if DagsHub did not report it."""

    repository: str
    user_name: str
    can_push: bool | None


def host_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of DagsHub: `DAGSHUB_CLIENT_HOST` if self-hosted, else the default. Raises BadInput if it is not valid."""
    url = environment.get(_HOST_VARIABLE, "").strip().rstrip("/") or _DEFAULT_HOST_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BadInput(
            f"{_HOST_VARIABLE} is not a valid address.", next="Use a form like https://dagshub.example.org, or unset it."
        )
    return url


def repository_of(backend: Backend) -> str:
    """Return the DagsHub repository of a backend as owner/repo; empty if the backend is not on DagsHub."""
    if backend.kind != "server":
        return ""
    try:
        match = re.fullmatch(re.escape(host_url()) + r"/([^/]+/[^/]+)\.mlflow", backend.uri)
    except BadInput:
        return ""
    return match[1] if match else ""


def check_access(backend: Backend, seconds: float = connectivity.PROBE_DEADLINE_SECONDS) -> RepositoryAccess:
    """Ask DagsHub about the repository and the user. Nothing is created, stored or deleted, whatever the answer.

    Raises SignInRejected for a rejected token, NotFound if the repository does not exist or is not visible to this user, Unreachable if
    DagsHub does not answer, limits the request rate or fails itself.
    """
    host, repository = host_url(), repository_of(backend)
    auth = httpx_token_auth(backend, f"{host}/api/v1")
    if auth is None:
        raise _no_token_error(backend)
    _prepare_client()
    try:
        access = connectivity.run_with_deadline(backend, lambda: _read_access(backend, repository, auth), seconds)
    except Unreachable as error:
        outage = Unreachable(error.what, means=_TOKEN_WAS_KEPT, next=_TRY_LATER)
        _RECENT_ERRORS[backend.principal] = (time.monotonic(), outage)
        raise outage from None
    _RECENT_ERRORS.pop(backend.principal, None)
    return access


_TOKEN_WAS_KEPT = "Your token may still be valid and was kept. Nothing was changed."
_TRY_LATER = f"Wait a minute and try again. If it persists, check the network and, for a self-hosted DagsHub, {_HOST_VARIABLE}."


def probe_repository(backend: Backend) -> None:
    """Send one small request to a repository's MLflow. If it fails, DagsHub's own API explains why, within the same time limit."""
    started_at = time.monotonic()
    try:
        connectivity.probe_backend(backend)
    except Unreachable as error:
        if find_credential(backend) is None and isinstance(error, SignInRequired):
            raise _no_token_error(backend) from None
        seconds_left = connectivity.PROBE_DEADLINE_SECONDS - (time.monotonic() - started_at)
        if recent_error := _recent_error(backend):
            raise recent_error from None
        if find_credential(backend) is not None and seconds_left > 0:
            check_access(backend, seconds_left)
        raise


def probe_and_check_access(backend: Backend) -> RepositoryAccess:
    """Probe MLflow, then DagsHub, within one time limit. Raises what they raise."""
    started_at = time.monotonic()
    probe_repository(backend)
    return check_access(backend, max(0.5, connectivity.PROBE_DEADLINE_SECONDS + 0.5 - (time.monotonic() - started_at)))


def push_permission_error(access: RepositoryAccess) -> NotWritable:
    """Return the error for a user without push permission."""
    return NotWritable(
        read_only_text(access),
        means="Runs, models and the record are read-only.",
        next="Ask the owner of the repository for push rights.",
    )


def read_only_text(access: RepositoryAccess) -> str:
    """Return the missing push permission as one sentence."""
    return f"{access.user_name or 'This sign-in'} may read {access.repository} but not write."


def identify_token_owner(backend: Backend) -> Credential | None:
    """Return a backend's bare token with the name of its owner: DagsHub's MLflow takes it as a password.

    None if there is nothing to look up or DagsHub does not answer; it is then contacted again after some seconds.
    """
    credential = find_credential(backend)
    if credential is None or not credential.is_token or not repository_of(backend):
        return None
    if _recent_error(backend):
        return None
    try:
        return credential_store().attach_user(credential, check_access(backend, _OWNER_LOOKUP_SECONDS).user_name)
    except PodiumError as error:
        _RECENT_ERRORS[backend.principal] = (time.monotonic(), error)
        return None


def _recent_error(backend: Backend) -> PodiumError | None:
    """Return DagsHub's last error if it is recent, so no user waits for it again."""
    failed_at, error = _RECENT_ERRORS.get(backend.principal, (float("-inf"), None))
    return error if time.monotonic() - failed_at < RETRY_SECONDS else None


def _prepare_client() -> None:
    """Import the client before the time limit starts, and set its timeout: it reads the configured one as text, which fails."""
    from dagshub.common import config

    config.http_timeout = connectivity.PROBE_DEADLINE_SECONDS


def _read_access(backend: Backend, repository: str, auth: httpx.Auth) -> RepositoryAccess:
    from dacite import DaciteError
    from dagshub.common.api import RepoAPI, UserAPI
    from dagshub.common.api.repo import RepoNotFoundError
    from dagshub.common.api.user import UserNotFoundError

    host, user = host_url(), ""
    try:
        user = UserAPI.get_user_from_token(auth, host=host).username
        if not user:
            raise _not_dagshub_error(backend)
        repository_info = RepoAPI(repository, host=host, auth=auth).get_repo_info()
    except RepoNotFoundError:
        raise NotFound(
            f"{backend.name} has no repository {repository} visible to {user}.",
            means="Nothing was created.",
            next="Check the spelling of owner and repository. For a private repository, ask its owner for access.",
        ) from None
    except RuntimeError as error:
        raise _status_error(backend, error, user) from None  # the server's text could contain anything
    except httpx.HTTPError as error:
        raise connectivity.connection_error(backend, error) from None  # its request contains credentials
    except DaciteError:
        if user:
            return RepositoryAccess(repository, user, None)
        raise _not_dagshub_error(backend) from None
    except (UserNotFoundError, ValueError, TypeError, KeyError):
        raise _not_dagshub_error(backend) from None
    can_push = (repository_info.permissions or {}).get("push")
    return RepositoryAccess(repository, user, can_push if isinstance(can_push, bool) else None)


def _status_error(backend: Backend, error: RuntimeError, user: str) -> PodiumError:
    """Return the error for a status, which the client reports only in its text."""
    match = re.search(r"\bstatus(?: code)? (\d{3})\b", str(error))
    status = int(match[1]) if match else 0
    if status in (401, 403):
        refusal = f"denies {user} access to this repository" if user else "does not accept the token"
        return SignInRejected(
            f"{backend.name} {refusal} ({status}).", next="Create a new token there, under Settings and Tokens."
        )
    if status == 429:
        return connectivity.unreachable_error(backend, "receives too many requests (429)")
    return connectivity.unreachable_error(backend, f"answers with error {status}" if status else "answers with an error")


def _not_dagshub_error(backend: Backend) -> Unreachable:
    return connectivity.unreachable_error(backend, "answers, but not as DagsHub does")


def _no_token_error(backend: Backend) -> SignInRequired:
    return SignInRequired(
        f"{repository_of(backend)} on {backend.name} asks for a sign-in: there is no token.",
        next="Enter a DagsHub token on Settings, or set DAGSHUB_USER_TOKEN before starting Podium.",
    )
