"""A single REST request to a server, signed in like MLflow's client, with a time limit of seconds.

Used where the client hides the response: whether the server supports a request, and which user we are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.backends.backend import Backend
from lib.backends.credentials import client_uri
from lib.backends.request_auth import install_provider
from lib.errors import NoAnswer, Unreachable

_REQUEST_TIMEOUT_SECONDS = 5.0
API_PATH = "/api/2.0/mlflow"
_UNKNOWN_ENDPOINT_CODES = frozenset({"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED"})


@dataclass(frozen=True)
class RestResponse:
    """A server's response: the HTTP status, and the JSON document (empty for anything else)."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def error_code(self) -> str:
        """MLflow's error code; empty when the response has none."""
        return str(self.document.get("error_code") or "")

    @property
    def is_unknown_endpoint(self) -> bool:
        """Whether the server does not support this request at all, as opposed to not finding a resource."""
        return self.error_code in _UNKNOWN_ENDPOINT_CODES or (self.status in (404, 405, 501) and not self.error_code)

    @property
    def is_denied(self) -> bool:
        """Whether the server supports the request but denies it to this user."""
        return self.status in (401, 403) or self.error_code in ("PERMISSION_DENIED", "UNAUTHENTICATED")


def send_request(backend: Backend, method: str, path: str, **content: Mapping[str, str]) -> RestResponse:
    """Send one request to a server; `content` is `params` or `json`. Raises NoAnswer if it does not answer in time, Unreachable for a
    server error or a redirect."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    from lib.backends.deadline_adapter import install_adapter
    from lib.backends.http_redirects import RedirectRefused, redirect_error

    install_provider()
    install_adapter()
    try:
        response = http_request(
            get_default_host_creds(client_uri(backend)),
            path,
            method,
            max_retries=0,
            timeout=_REQUEST_TIMEOUT_SECONDS,
            raise_on_status=False,
            allow_redirects=False,
            **content,
        )
    except MlflowException as error:
        if isinstance(error.__context__, RedirectRefused):
            raise redirect_error(error.__context__.location) from error
        raise NoAnswer(
            f"{backend.name} did not answer.", next="Check the address or start the server, then try again."
        ) from error
    if response.status_code >= 500 and response.status_code != 501 and not _parse_document(response):
        raise Unreachable(f"{backend.name} answers with error {response.status_code}.", next="Wait a moment, then try again.")
    return RestResponse(int(response.status_code), _parse_document(response), str(response.text)[:200])


def _parse_document(response: Any) -> Mapping[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
