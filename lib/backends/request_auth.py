"""Sign MLflow's requests in as the right user: the only module that touches MLflow's auth registry and its artifact cache.

MLflow calls an auth provider, selected by name in `MLFLOW_TRACKING_AUTH`, for every request of this process: tracking, registry, and
artifacts in any thread. The provider receives only the request. So a client's URI carries the principal in front of its host
(`https://podium-1f…@host/…`, see `credentials.client_uri`). Every request inherits it, and this module replaces it with the credential,
or removes it if the credential is not for this address. `~/.netrc` is never used because the request has its own auth.
"""

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from lib.backends.backend import Backend
from lib.backends.credentials import PRINCIPAL_PREFIX, TOKEN_VARIABLE, USER_VARIABLE, Credential, find_credential
from lib.errors import BackendError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PROVIDER_NAME = "podium-by-principal"
_REDIRECTS_VARIABLE = "MLFLOW_ALLOW_HTTP_REDIRECTS"
_IS_INSTALLED = threading.Event()
_LOCK = threading.Lock()


def install_provider(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
    """Register this module as MLflow's auth provider. Idempotent; an existing provider still serves requests without a principal.

    Raises BackendError if this MLflow does not support providers: no sign-in is better than one as another user.
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
            """Auth provider in MLflow's interface."""

            def get_name(self) -> str:
                """Return the name for MLFLOW_TRACKING_AUTH."""
                return _PROVIDER_NAME

            def get_auth(self) -> Any:
                """Return the callable that `requests` applies to each request."""
                return (
                    _sign
                    if previous_provider in ("", _PROVIDER_NAME)
                    else _sign_or_delegate(registry.fetch_auth(previous_provider))
                )

        providers.register(ByPrincipal)
    except (ImportError, AttributeError, TypeError) as error:
        raise BackendError(
            "The installed MLflow does not support per-user sign-in.",
            means="No sign-in was used, so no request is sent under another user's name.",
            next="Install the MLflow version in requirements.txt.",
        ) from error


def _sign(request: Any) -> Any:
    """Add the credential named by a request's address and restore the plain address."""
    from lib.backends.http_redirects import refuse_redirect

    if os.environ.get(_REDIRECTS_VARIABLE) == "false":
        request.register_hook(
            "response", refuse_redirect
        )  # MLflow would take a redirect for the answer and its body for the file
    parts = urlsplit(request.url)
    principal = parts.username or ""
    if principal.startswith(PRINCIPAL_PREFIX):
        request.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        request.headers.pop("Authorization", None)
        credential = find_credential(Backend("", "server", principal))
        if credential and credential.covers(request.url):
            request.headers["Authorization"] = credential.authorization_header()
            request.register_hook("response", partial(_redact_error_text, credential))
    elif not (os.environ.get(USER_VARIABLE) or os.environ.get(TOKEN_VARIABLE)):
        request.headers.pop("Authorization", None)  # from ~/.mlflow/credentials, which is not bound to an address
    return request


def _redact_error_text(credential: Credential, response: Any, **options: Any) -> None:
    """Response hook for `requests`: remove the credential from a text that MLflow puts into its exceptions and logs, in case the server
    repeats our request in it. Data and downloaded files are left alone."""
    response.reason = credential.redact(str(response.reason or "").encode()).decode()
    if response.status_code < 400 and options.get("stream"):
        return
    redacted_content = credential.redact(response.content)
    if redacted_content != response.content and (response.status_code >= 400 or not _is_json_object(response)):
        response._content = redacted_content  # noqa: SLF001 - a response cannot be changed otherwise


def _is_json_object(response: Any) -> bool:
    """Whether MLflow takes a response for data; it reports any other text in an exception."""
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def _sign_or_delegate(previous_auth: Any) -> Any:
    """Return an auth callable that leaves requests without a principal to a previously chosen provider."""

    def sign(request: Any) -> Any:
        is_ours = (urlsplit(request.url).username or "").startswith(PRINCIPAL_PREFIX)
        return _sign(request) if is_ours or previous_auth is None else previous_auth(request)

    return sign


def isolate_artifact_access(client: "MlflowClient", uri: str) -> None:
    """Make a client access artifacts through its own address only: MLflow caches artifact repositories across all clients of a process.

    Raises BackendError if this MLflow caches them elsewhere.
    """
    tracking: Any = getattr(client, "_tracking_client", None)
    if not hasattr(tracking, "_get_artifact_repo"):
        raise BackendError(
            "The installed MLflow cannot keep the artifacts of two users apart.",
            next="Install the MLflow version in requirements.txt.",
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
