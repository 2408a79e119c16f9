"""Who may talk to Podium: requests under a name that Podium answers to, and WebSockets from its own pages only.

Streamlit checks the name for WebSockets alone, and lets a page of any other port of this machine open one: such a page could drive
Podium with the credentials of its process. Its metrics are for nobody: they name modules and sessions.
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
    "Podium does not answer to this name. server.allowedHosts in .streamlit/config.toml lists the names it answers to.\n"
)


class RequestGuardMiddleware:
    """ASGI middleware that refuses requests before Streamlit sees them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
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
    """Whether a request comes from a page of Podium, or from an address that its operator listed. Browsers name it for every WebSocket."""
    origin = headers.get("origin", "")
    if allow_all_cross_origin_requests() or is_allowed_origin(origin):
        return True
    try:
        return bool(origin) and urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


def _without_origin(scope: Scope) -> Scope:
    """The request without its origin: Streamlit would allow a page of any port of this machine to read the answer."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"origin"]}
