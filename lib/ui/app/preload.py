"""Preload links for the Streamlit components that draw charts and tables.

Streamlit loads them one after the other only when the first chart arrives, which blocks the browser. Their file names are in the
manifest of Streamlit's own build; without a manifest, no links are added.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PRELOADED_COMPONENTS = ("ArrowVegaLiteChart.tsx", "ReadOnlyGrid.tsx", "Selectbox.tsx", "TextInput.tsx", "ButtonGroup.tsx")
"""Components that most pages start with."""
_LAZY_LOADER = "_loadVegaEmbed."


def script_files(manifest: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> tuple[str, ...]:
    """Return the script files of some components and all their imports, sorted by path. `manifest` is Vite's. Pure."""
    file_names = tuple(names)
    pending_keys, visited_keys = [key for key in manifest if key.rsplit("/", 1)[-1] in file_names], set[str]()
    while pending_keys:
        key = pending_keys.pop()
        if key not in visited_keys:
            visited_keys.add(key)
            chunk = manifest[key]
            pending_keys += [
                *chunk.get("imports", ()),
                *(chunk.get("dynamicImports", ()) if key.startswith(_LAZY_LOADER) else ()),
            ]
    return tuple(sorted(str(manifest[key]["file"]) for key in visited_keys))


@cache
def preload_links() -> bytes:
    """Return the link tags to add to Streamlit's page; empty if its build has no manifest."""
    static = Path(st.__file__).with_name("static")
    try:
        manifest, html = json.loads((static / "manifest.json").read_bytes()), (static / "index.html").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return b""
    new_files = [name for name in script_files(manifest, PRELOADED_COMPONENTS) if name not in html and name.endswith(".js")]
    return "".join(f'<link rel="modulepreload" crossorigin href="./{name}">' for name in new_files).encode()


class PreloadMiddleware:
    """ASGI middleware that adds the links to Streamlit's page, the only HTML it serves as a single body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, uncompressed for the page, and hold the start of an HTML response until its body is known."""
        start_messages: list[Message] = []

        async def with_links(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                start_messages.append(message)
            elif start_messages and message["type"] == "http.response.body":
                for extended_message in _insert_links(start_messages.pop(), message):
                    await send(extended_message)
            else:
                await send(message)

        if scope["type"] == "http":
            uncompressed_headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            is_page_request = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
            await self.app({**scope, "headers": uncompressed_headers} if is_page_request else scope, receive, with_links)
        else:
            await self.app(scope, receive, send)


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"]
    )


def _insert_links(start: Message, body: Message) -> tuple[Message, Message]:
    """Return both messages with the links inserted before `</head>`; unchanged if there is none."""
    head, end, rest = body.get("body", b"").partition(b"</head>")
    if not end:
        return start, body
    links = preload_links()
    headers = [
        (name, str(int(value) + len(links)).encode() if name == b"content-length" else value) for name, value in start["headers"]
    ]
    return {**start, "headers": headers}, {**body, "body": head + links + end + rest}
