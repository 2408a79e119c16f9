"""Security headers for every response. They block foreign images, scripts and frames even if a page failed to escape a name."""

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def script_hashes(page: str) -> list[str]:
    """Return CSP sources that allow the inline scripts of an HTML page and no others. Pure."""
    return [f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" for code in _INLINE_SCRIPT.findall(page)]


def content_security_policy(hashes: Iterable[str]) -> str:
    """Return the Content-Security-Policy: this host, inline styles, and scripts by hash. Pure."""
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "style-src 'self' 'unsafe-inline'",
            " ".join(("script-src 'self' 'wasm-unsafe-eval'", *hashes)),
            "connect-src 'self'",
            "font-src 'self' data:",
            "frame-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _security_headers() -> tuple[tuple[bytes, bytes], ...]:
    """Return all headers, computed once from the page of the installed Streamlit."""
    page = Path(st.__file__).with_name("static").joinpath("index.html").read_text(encoding="utf-8")
    return (
        (b"content-security-policy", content_security_policy(script_hashes(page)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    )


class SecurityHeadersMiddleware:
    """ASGI middleware that adds the headers to every HTTP response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request and add the headers when the response starts."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra_headers = dict(_security_headers())
                message["headers"] = [pair for pair in message["headers"] if pair[0] not in extra_headers] + list(
                    extra_headers.items()
                )
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)
