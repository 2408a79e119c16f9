"""DagsHub: is a repository there, whose is a token, and may that person push? Asked of DagsHub's own API within seconds.

Its client is used for these two questions only, each with an explicit host and sign-in. Never `dagshub.init`, which makes a public
repository of a misspelled name and waits for a browser for ever; never its store of tokens, which deletes one when DagsHub has an
outage. Runs and models are left to MLflow's client, and where tokens come from to `dagshub_tokens`.
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
from lib.backends.credentials import Credential, attach_user, find_credential, httpx_token_auth
from lib.errors import BadInput, NotFound, NotWritable, PodiumError, SignInRejected, SignInRequired, Unreachable

_DEFAULT_HOST_URL = "https://dagshub.com"
_HOST_VARIABLE = "DAGSHUB_CLIENT_HOST"
RETRY_SECONDS = 15.0
"""How long DagsHub is not asked again by itself after it did not answer; a person's own check always asks."""
_OWNER_LOOKUP_SECONDS = 2.5
_RECENT_ERRORS: dict[str, tuple[float, PodiumError]] = {}


@dataclass(frozen=True)
class RepositoryAccess:
    """A repository that exists, and as whom it is asked. `can_push` None: DagsHub did not say."""

    repository: str
    user_name: str
    can_push: bool | None


def host_url(environment: Mapping[str, str] = os.environ) -> str:
    """The address of DagsHub: `DAGSHUB_CLIENT_HOST`, for one of one's own, else the default. Raises BadInput for what is not an address."""
    url = environment.get(_HOST_VARIABLE, "").strip().rstrip("/") or _DEFAULT_HOST_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise BadInput(f"{_HOST_VARIABLE} is not an address.", next="Write it as https://dagshub.example.org, or leave it out.")
    return url


def repository_of(backend: Backend) -> str:
    """The repository whose runs and models a backend holds, as owner/repo; empty where it is none of DagsHub's."""
    if backend.kind != "server":
        return ""
    try:
        match = re.fullmatch(re.escape(host_url()) + r"/([^/]+/[^/]+)\.mlflow", backend.uri)
    except BadInput:
        return ""
    return match[1] if match else ""


def check_access(backend: Backend, seconds: float = connectivity.PROBE_DEADLINE_SECONDS) -> RepositoryAccess:
    """Ask DagsHub about the repository and the person. Nothing is created, stored or deleted, whatever it answers.

    Raises SignInRejected for a token that is not accepted, NotFound for a repository that is not there or not for this person,
    Unreachable when DagsHub does not answer, is asked too often or has a fault of its own.
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


_TOKEN_WAS_KEPT = "This says nothing about your token, which was kept. Nothing was changed."
_TRY_LATER = f"Wait a minute, then try again; if it lasts, check the network and, for a DagsHub of your own, {_HOST_VARIABLE}."


def probe_repository(backend: Backend) -> None:
    """Ask a repository's MLflow one small question. When it does not answer well, DagsHub's own API says why, within the same time."""
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
    """Ask both within the same time: MLflow, then DagsHub. Raises what they raise."""
    started_at = time.monotonic()
    probe_repository(backend)
    return check_access(backend, max(0.5, connectivity.PROBE_DEADLINE_SECONDS + 0.5 - (time.monotonic() - started_at)))


def push_permission_error(access: RepositoryAccess) -> NotWritable:
    """The error for somebody without push rights, with what to do."""
    return NotWritable(
        read_only_text(access),
        means="Runs, models and the record can be looked at; nothing can be changed.",
        next="Ask the owner of the repository for push rights.",
    )


def read_only_text(access: RepositoryAccess) -> str:
    """The same in one sentence."""
    return f"{access.user_name or 'This sign-in'} may read {access.repository}, not write."


def identify_token_owner(backend: Backend) -> Credential | None:
    """The token of a backend as that of its user, where a token alone is held: MLflow at DagsHub takes it as a password.

    None where there is nothing to find out, and while DagsHub does not answer; then it is asked again after some seconds.
    """
    credential = find_credential(backend)
    if credential is None or not credential.is_token or not repository_of(backend):
        return None
    if _recent_error(backend):
        return None
    try:
        return attach_user(credential, check_access(backend, _OWNER_LOOKUP_SECONDS).user_name)
    except PodiumError as error:
        _RECENT_ERRORS[backend.principal] = (time.monotonic(), error)
        return None


def _recent_error(backend: Backend) -> PodiumError | None:
    """DagsHub's error of a moment ago, so that nobody waits for it again."""
    failed_at, error = _RECENT_ERRORS.get(backend.principal, (float("-inf"), None))
    return error if time.monotonic() - failed_at < RETRY_SECONDS else None


def _prepare_client() -> None:
    """Import the client before the seconds count, and bound its own waiting: it reads its limit as text, and then fails."""
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
            f"{backend.name} has no repository {repository} that {user} may see.",
            means="Nothing was made.",
            next="Check the spelling of owner and repository; for a private one ask its owner to let you in.",
        ) from None
    except RuntimeError as error:
        raise _status_error(backend, error, user) from None  # what the server said could hold anything
    except httpx.HTTPError as error:
        raise connectivity.connection_error(backend, error) from None  # the request it holds carries a sign-in
    except DaciteError:
        if user:
            return RepositoryAccess(repository, user, None)
        raise _not_dagshub_error(backend) from None
    except (UserNotFoundError, ValueError, TypeError, KeyError):
        raise _not_dagshub_error(backend) from None
    can_push = (repository_info.permissions or {}).get("push")
    return RepositoryAccess(repository, user, can_push if isinstance(can_push, bool) else None)


def _status_error(backend: Backend, error: RuntimeError, user: str) -> PodiumError:
    """The error for a status, which the client gives only in its text."""
    match = re.search(r"\bstatus(?: code)? (\d{3})\b", str(error))
    status = int(match[1]) if match else 0
    if status in (401, 403):
        refusal = f"does not let {user} into this repository" if user else "does not accept the token"
        return SignInRejected(f"{backend.name} {refusal} ({status}).", next="Make a new token there, under Settings and Tokens.")
    if status == 429:
        return connectivity.unreachable_error(backend, "is asked too often and answers 429")
    return connectivity.unreachable_error(backend, f"answers with error {status}" if status else "answers with an error")


def _not_dagshub_error(backend: Backend) -> Unreachable:
    return connectivity.unreachable_error(backend, "answers, but not as DagsHub does")


def _no_token_error(backend: Backend) -> SignInRequired:
    return SignInRequired(
        f"{repository_of(backend)} on {backend.name} asks for a sign-in: there is no token.",
        next="Give a DagsHub token on Settings, or set DAGSHUB_USER_TOKEN before Podium is started.",
    )
