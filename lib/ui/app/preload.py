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
_LATER = "_loadVegaEmbed."


def script_files(manifest: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> tuple[str, ...]:
    """The script files of some parts and of all that these import, in the order of their paths. `build` is Vite's manifest. Pure."""
    wanted = tuple(names)
    ahead, seen = [key for key in manifest if key.rsplit("/", 1)[-1] in wanted], set[str]()
    while ahead:
        key = ahead.pop()
        if key not in seen:
            seen.add(key)
            piece = manifest[key]
            ahead += [*piece.get("imports", ()), *(piece.get("dynamicImports", ()) if key.startswith(_LATER) else ())]
    return tuple(sorted(str(manifest[key]["file"]) for key in seen))


@cache
def preload_links() -> bytes:
    """The lines to be added to the page that the installed Streamlit serves; nothing where its build tells no names."""
    static = Path(st.__file__).with_name("static")
    try:
        build, page = json.loads((static / "manifest.json").read_bytes()), (static / "index.html").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return b""
    new = [name for name in script_files(build, PRELOADED_COMPONENTS) if name not in page and name.endswith(".js")]
    return "".join(f'<link rel="modulepreload" crossorigin href="./{name}">' for name in new).encode()


class PreloadMiddleware:
    """ASGI middleware that adds the links to Streamlit's page, which is the only HTML it serves in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold the start of an HTML answer until its body is known. The page is asked for unpacked."""
        held: list[Message] = []

        async def with_links(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                held.append(message)
            elif held and message["type"] == "http.response.body":
                for one in _longer(held.pop(), message):
                    await send(one)
            else:
                await send(message)

        if scope["type"] == "http":
            plainly = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            navigates = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
            await self.app({**scope, "headers": plainly} if navigates else scope, receive, with_links)
        else:
            await self.app(scope, receive, send)


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and any(
        name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"]
    )


def _longer(start: Message, body: Message) -> tuple[Message, Message]:
    """The two messages with the links before the end of the head; as they are when there is no head to end."""
    head, end, rest = body.get("body", b"").partition(b"</head>")
    if not end:
        return start, body
    more = preload_links()
    headers = [
        (name, str(int(value) + len(more)).encode() if name == b"content-length" else value) for name, value in start["headers"]
    ]
    return {**start, "headers": headers}, {**body, "body": head + more + end + rest}
