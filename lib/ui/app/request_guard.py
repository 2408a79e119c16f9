"""Request guard: allows only requests with a known host name, and WebSockets only from Podium's own pages.

Streamlit checks the host name for WebSockets only, and accepts WebSockets from pages on any other port of this machine, which could
control Podium with the process's credentials. Streamlit's metrics are blocked: they reveal modules and sessions.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.server_util import allow_all_cross_origin_requests, is_allowed_origin
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

_CLOSED_PATH = "/_stcore/metrics"
_POLICY_VIOLATION = 1008
_WRONG_NAME = (
    "Podium does not accept this host name. Accepted names are listed under server.allowedHosts in .streamlit/config.toml.\n"
)


class RequestGuardMiddleware:
    """ASGI middleware that rejects requests before they reach Streamlit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request or reject it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        has_own_name, has_own_origin = is_host_allowed(headers.get("host")), _is_own_origin(headers)
        if scope["type"] == "websocket":
            if has_own_name and has_own_origin:
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        elif not has_own_name:
            await PlainTextResponse(_WRONG_NAME, status_code=403)(scope, receive, send)
        elif scope["path"].rstrip("/").endswith(_CLOSED_PATH):
            await PlainTextResponse("Not found\n", status_code=404)(scope, receive, send)
        else:
            await self.app(scope if has_own_origin else _without_origin(scope), receive, send)


def _is_own_origin(headers: Headers) -> bool:
    """Return whether a request's origin is Podium or listed by its operator. Browsers send the origin for every WebSocket."""
    origin = headers.get("origin", "")
    if allow_all_cross_origin_requests() or is_allowed_origin(origin):
        return True
    try:
        return bool(origin) and urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


def _without_origin(scope: Scope) -> Scope:
    """Return the request without its origin: Streamlit would let pages on any port of this machine read the response."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"origin"]}
