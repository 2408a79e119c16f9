"""A server that repeats a request's Authorization header in what it answers, as debug pages, proxies and request loggers do."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

EchoForm = Literal["json 400", "json 500", "text 400", "text 403", "text 500", "text 200", "reason 404"]
ECHO_FORMS: tuple[EchoForm, ...] = ("json 400", "json 500", "text 400", "text 403", "text 500", "text 200", "reason 404")
PROBE_PATH = "/api/2.0/mlflow/experiments/search?max_results=1"


@dataclass
class EchoServer:
    """Answers a probe as MLflow does and anything else in this form; `echoes` are the headers that it repeated."""

    form: EchoForm = "json 400"
    url: str = ""
    echoes: list[str] = field(default_factory=list)


@contextmanager
def serve_echo() -> Iterator[EchoServer]:
    """Run the server on a free port."""
    echo = EchoServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path.endswith(PROBE_PATH) and self.command == "GET":
                return self.send(200, "OK", "{}")
            header = self.headers.get("Authorization", "nothing")
            echo.echoes.append(header)
            kind, _, status = echo.form.partition(" ")
            text = f"you sent {header}, and we do not like it"
            code = "INVALID_PARAMETER_VALUE" if status == "400" else "INTERNAL_ERROR"
            body = json.dumps({"error_code": code, "message": text}) if kind == "json" else text
            return self.send(int(status), text if kind == "reason" else "x", body)

        def send(self, status: int, reason: str, body: str) -> None:
            self.send_response(status, reason)
            self.send_header("content-type", "application/json" if body.startswith("{") else "text/plain")
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    echo.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
