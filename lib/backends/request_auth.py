"""How MLflow's client signs in as the right person: the one place that touches MLflow's registry of sign-ins and its cache of files.

MLflow asks a provider, found by a name in `MLFLOW_TRACKING_AUTH`, for every request of this process: tracking, registry, and files in
whatever thread. It tells the provider nothing but the request. So the URI that a client is given names the principal in front of its
host (`https://podium-1f…@host/…`, see `credentials.client_uri`); every request inherits it, and here the name is replaced by the credential,
or by nothing when the credential is not for this address. `~/.netrc` is never asked, because the request has a sign-in of its own.
"""

import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from lib.backends.backend import Backend
from lib.backends.credentials import PRINCIPAL_PREFIX, TOKEN_VARIABLE, USER_VARIABLE, find_credential
from lib.errors import BackendError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PROVIDER_NAME = "podium-by-principal"
_REDIRECTS_VARIABLE = "MLFLOW_ALLOW_HTTP_REDIRECTS"
_IS_INSTALLED = threading.Event()
_LOCK = threading.Lock()


def install_provider(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
    """Make MLflow ask here how to sign in. Does so once; a sign-in that was chosen before goes on for what has no principal.

    Raises BackendError when this MLflow has no such provider: then nobody is signed in through it, rather than as somebody else.
    """
    with _LOCK:
        if not _IS_INSTALLED.is_set():
            _register(environment.get("MLFLOW_TRACKING_AUTH", ""))
            _IS_INSTALLED.set()
        environment["MLFLOW_TRACKING_AUTH"] = _PROVIDER_NAME
        # A redirect would be signed by ~/.netrc, and it could lead anywhere.
        environment.setdefault(_REDIRECTS_VARIABLE, "false")


def _register(previous_provider: str) -> None:
    try:
        from mlflow.tracking.request_auth import registry
        from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider

        providers = registry._request_auth_provider_registry  # noqa: SLF001 - only entry points of installed packages are public

        class ByPrincipal(RequestAuthProvider):  # type: ignore[misc, unused-ignore]
            """MLflow's form of a sign-in."""

            def get_name(self) -> str:
                """The name in MLFLOW_TRACKING_AUTH."""
                return _PROVIDER_NAME

            def get_auth(self) -> Any:
                """What `requests` calls with each request."""
                return (
                    _sign
                    if previous_provider in ("", _PROVIDER_NAME)
                    else _sign_or_delegate(registry.fetch_auth(previous_provider))
                )

        providers.register(ByPrincipal)
    except (ImportError, AttributeError, TypeError) as error:
        raise BackendError(
            "The MLflow installed here cannot be told who signs in.",
            means="Nobody was signed in, so that nobody acts under another name.",
            next="Install the MLflow that requirements.txt names.",
        ) from error


def _sign(request: Any) -> Any:
    """Put the credential that a request's address names into it, and its own address back."""
    from lib.backends.http_redirects import refuse_redirect

    if os.environ.get(_REDIRECTS_VARIABLE) == "false":
        request.register_hook("response", refuse_redirect)  # MLflow takes one for an answer, and its body for the file
    parts = urlsplit(request.url)
    principal = parts.username or ""
    if principal.startswith(PRINCIPAL_PREFIX):
        request.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        request.headers.pop("Authorization", None)
        credential = find_credential(Backend("", "server", principal))
        if credential and credential.covers(request.url):
            request.headers["Authorization"] = credential.authorization_header()
    elif not (os.environ.get(USER_VARIABLE) or os.environ.get(TOKEN_VARIABLE)):
        request.headers.pop("Authorization", None)  # of ~/.mlflow/credentials, which names no address
    return request


def _sign_or_delegate(previous_auth: Any) -> Any:
    """A sign-in that was chosen before, for requests that name no principal."""

    def sign(request: Any) -> Any:
        is_ours = (urlsplit(request.url).username or "").startswith(PRINCIPAL_PREFIX)
        return _sign(request) if is_ours or previous_auth is None else previous_auth(request)

    return sign


def isolate_artifact_access(client: "MlflowClient", uri: str) -> None:
    """Let a client reach files by its own address only: MLflow keeps the way to a run's files for all clients of a process together.

    Raises BackendError when this MLflow keeps it elsewhere.
    """
    tracking: Any = getattr(client, "_tracking_client", None)
    if not hasattr(tracking, "_get_artifact_repo"):
        raise BackendError(
            "The MLflow installed here mixes the files of two people.", next="Install the MLflow that requirements.txt names."
        )

    def repository(resource_id: str, *, resource: str = "run") -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        location = (
            client.get_run(resource_id).info.artifact_uri
            if resource == "run"
            else client.get_logged_model(resource_id).artifact_location
        )
        return get_artifact_repository(location, tracking_uri=uri, registry_uri=uri)

    tracking._get_artifact_repo = repository  # noqa: SLF001 - see above
