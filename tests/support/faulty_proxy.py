"""A proxy in front of a real MLflow server that fails at single endpoints as networks and servers do.

It knows every request by its endpoint, such as `POST runs/log-parameter`. A fault can begin later than the first request to its endpoint,
so that it strikes in the middle of a command.
"""

import queue
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

from lib.backends.backend import Backend

FaultKind = Literal["hang", "hang after", "drop", "drop after", "dribble", "slow", "late", "redirect"]
"""What becomes of a request: it is swallowed, or carried out and never answered; the connection is closed instead of an answer, before it
is carried out or afterwards; it is answered one byte at a time, for ever; it is answered late, but well; or with a redirect to another host; or it is carried out when the
test releases it, long after whoever sent it has gone."""
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "server", "date", "host"}
SLOW_SECONDS = 0.3


@dataclass(frozen=True)
class Fault:
    """A fault at one endpoint, from the nth request on (the first is 1), at most `count` times."""

    kind: FaultKind
    endpoint: str
    first: int = 1
    count: int = 10_000


class FaultyProxy:
    """The proxy: `requests` are the endpoints in the order they were asked, `faults` what goes wrong; both may be changed while it runs."""

    def __init__(self, behind: Backend) -> None:
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.is_closing, self.is_released = threading.Event(), threading.Event()
        self.late_statuses: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.behind = httpx.Client(base_url=behind.uri, trust_env=False, timeout=60)
        self._lock = threading.Lock()

    def fail(self, kind: FaultKind, endpoint: str, first: int = 1, count: int = 10_000) -> None:
        """Let requests to an endpoint fail from now on, counted from now."""
        with self._lock:
            self.requests.clear()
            self.faults = [Fault(kind, endpoint, first, count)]

    def heal(self) -> None:
        """No fault any more."""
        self.faults = []

    def release(self, count: int) -> list[int]:
        """Let so many late requests through; gives the server's statuses, in the order it answered."""
        self.is_released.set()
        return [self.late_statuses.get(timeout=30) for _ in range(count)]

    def find_fault(self, endpoint: str) -> Fault | None:
        """The fault that strikes this request; notes the request."""
        with self._lock:
            self.requests.append(endpoint)
            number = self.requests.count(endpoint)
            return next((f for f in self.faults if f.endpoint == endpoint and f.first <= number < f.first + f.count), None)


def endpoint_of(method: str, path: str) -> str:
    """A request by what it asks: "POST runs/create", "GET logged-models/ID", "GET mlflow-artifacts/FILE"."""
    bare_path = path.partition("?")[0]
    if "/mlflow-artifacts/artifacts/" in bare_path:
        return f"{method} mlflow-artifacts/FILE"
    short_path = re.sub(r"^/(ajax-)?api/\d\.0/(mlflow/)?", "", bare_path)
    return f"{method} {re.sub(r'm-[0-9a-f]{32}', 'ID', short_path)}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy

    def log_message(self, *_: object) -> None:
        return

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.proxy.find_fault(endpoint_of(self.command, self.path))
        kind = fault.kind if fault else ""
        if kind in ("hang", "drop", "redirect"):
            return self._redirect() if kind == "redirect" else self._give_no_answer(kind)
        if kind == "slow":
            time.sleep(SLOW_SECONDS)
        if kind == "late":
            self.proxy.is_released.wait(120)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
        response = self.proxy.behind.request(self.command, self.path, content=body, headers=headers)
        if kind == "late":
            self.proxy.late_statuses.put(response.status_code)
        if kind in ("hang after", "drop after", "late"):
            return self._give_no_answer(kind)
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, value)
        content = b" " * 100_000 if kind == "dribble" else response.content
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        return self._dribble(content) if kind == "dribble" else self._send(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

    def _give_no_answer(self, kind: str) -> None:
        if kind.startswith("hang"):
            self.proxy.is_closing.wait(120)
        self.close_connection = True

    def _redirect(self) -> None:
        self.send_response(302)
        self.send_header("location", "http://elsewhere.example/file")
        self.send_header("content-length", "0")
        self.end_headers()

    def _send(self, content: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(content)

    def _dribble(self, content: bytes) -> None:
        for number in range(len(content)):
            if self.proxy.is_closing.wait(0.05):
                break
            self.wfile.write(content[number : number + 1])
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, *_: object) -> None:
        """Whoever asked has gone: that is what these tests are about."""


@contextmanager
def serve_faulty_proxy(behind: Backend) -> Iterator[tuple[Backend, FaultyProxy]]:
    """A backend like the one behind it, with the proxy that can make it fail, while the block runs."""
    proxy = FaultyProxy(behind)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield Backend(f"http://127.0.0.1:{server.server_address[1]}", "server"), proxy
    finally:
        proxy.is_closing.set()
        server.shutdown()
        server.server_close()
        proxy.behind.close()
