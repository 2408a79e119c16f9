"""A proxy in front of a real MLflow server that leaves out what other servers do not have: stages, aliases, logged models.

Such servers exist (older ones, hosted ones) and cannot be had here: the one fault in these tests that is made. Requests for what is
left out are answered as MLflow, its web frame or DagsHub would, and what the real server tells of it is taken out of the answers.
"""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib.backends.backend import Backend
from tests.support.browser import free_port

PATHS = {
    "stages": r"/mlflow/(model-versions/transition-stage|registered-models/get-latest-versions)$",
    "transition": r"/mlflow/model-versions/transition-stage$",
    "aliases": r"/mlflow/registered-models/alias$",
    "logged models": r"/mlflow/logged-models",
    "version": r"^/version$",
    "registry": r"/mlflow/(registered-models|model-versions)/",
}
KEYS = {"stages": ("current_stage",), "aliases": ("aliases",)}
ANSWERS = {
    "mlflow": {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found"},
    "dagshub": {"error": "unsupported endpoint, please contact support@dagshub.com"},
}
WRITES = r"/(create|update|delete|restore|rename|log-\w+|set-\w+|transition-stage|outputs)$"
"""What a hosted server refuses to those who may only read, with an empty answer."""
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "server", "date", "host"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class Narrow:
    """The proxy. `without` is what the server does not have, `asked` the paths that were left out; both may change while it runs.

    With a `token` only whoever brings it as bearer is let in.
    """

    def __init__(self, behind: Backend, without: tuple[str, ...] = (), answer: str = "mlflow") -> None:
        self.without, self.answer, self.asked, self.token = set(without), answer, list[str](), ""
        self.behind = httpx.Client(base_url=behind.uri, trust_env=False, timeout=60)

    def left_out(self, path: str) -> bool:
        return any(re.search(PATHS[name], path) for name in self.without & set(PATHS))

    def __call__(self, request: Request, body: bytes) -> Response:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return Response(status_code=401)
        if "writing" in self.without and re.search(WRITES, request.url.path):
            return Response(status_code=403)
        if self.left_out(request.url.path):
            self.asked.append(request.url.path)
            return JSONResponse(ANSWERS[self.answer], 404)
        headers_to_send = {name: value for name, value in request.headers.items() if name not in _HOP}
        url = httpx.URL(raw_path=request.scope["raw_path"] + (b"?" + request.scope["query_string"]).rstrip(b"?"))
        response = self.behind.request(request.method, url, content=body, headers=headers_to_send)
        headers = {name: value for name, value in response.headers.items() if name not in _HOP}
        return Response(self._narrowed(request.url.path, response), response.status_code, headers)

    def _narrowed(self, path: str, response: httpx.Response) -> bytes:
        hidden_keys = {key for name in self.without for key in KEYS.get(name, ())}
        if not hidden_keys or not re.search(r"/mlflow/(registered-models|model-versions)", path):
            return response.content
        return json.dumps(_without(response.json(), hidden_keys)).encode()


def _without(value: object, hidden_keys: set[str]) -> object:
    if isinstance(value, dict):
        return {key: _without(inner, hidden_keys) for key, inner in value.items() if key not in hidden_keys}
    return [_without(inner, hidden_keys) for inner in value] if isinstance(value, list) else value


@contextlib.contextmanager
def narrowed(behind: Backend, *without: str, answer: str = "mlflow") -> Iterator[tuple[Backend, Narrow]]:
    """A backend like the one behind it, without these things, while the block runs."""
    from starlette.concurrency import run_in_threadpool

    narrow = Narrow(behind, without, answer)

    async def handle(request: Request) -> Response:
        return await run_in_threadpool(narrow, request, await request.body())

    port = free_port()
    app = Starlette(routes=[Route("/{path:path}", handle, methods=METHODS)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Backend(f"http://127.0.0.1:{port}", "server"), narrow
    server.should_exit = True
    thread.join(10)
    narrow.behind.close()
