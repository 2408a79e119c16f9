"""What the browser may fetch while it still waits for the first page: the parts of Streamlit that draw charts and tables.

Streamlit asks for them only when the first chart arrives, one after the other, and the browser stands still meanwhile. Their names
are in the list that Streamlit's own build left beside its page; where that list is missing, nothing is added.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PRELOADED_COMPONENTS = ("ArrowVegaLiteChart.tsx", "ReadOnlyGrid.tsx", "Selectbox.tsx", "TextInput.tsx", "ButtonGroup.tsx")
"""The parts that most pages begin with."""
_LAZY_LOADER = "_loadVegaEmbed."


def script_files(manifest: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> tuple[str, ...]:
    """The script files of some parts and of all that these import, in the order of their paths. `manifest` is Vite's. Pure."""
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
    """The lines to add to the page that the installed Streamlit serves; empty where its build has no manifest."""
    static = Path(st.__file__).with_name("static")
    try:
        manifest, html = json.loads((static / "manifest.json").read_bytes()), (static / "index.html").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return b""
    new_files = [name for name in script_files(manifest, PRELOADED_COMPONENTS) if name not in html and name.endswith(".js")]
    return "".join(f'<link rel="modulepreload" crossorigin href="./{name}">' for name in new_files).encode()


class PreloadMiddleware:
    """ASGI middleware that adds the links to Streamlit's page, which is the only HTML it serves in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold the start of an HTML answer until its body is known. The page is asked for unpacked."""
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
    """The two messages with the links before the end of the head; as they are when there is no head to end."""
    head, end, rest = body.get("body", b"").partition(b"</head>")
    if not end:
        return start, body
    links = preload_links()
    headers = [
        (name, str(int(value) + len(links)).encode() if name == b"content-length" else value) for name, value in start["headers"]
    ]
    return {**start, "headers": headers}, {**body, "body": head + links + end + rest}
