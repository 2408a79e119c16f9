"""A stand-in for dagshub.com: the JSON API that the real `dagshub` client calls, and a real MLflow server behind each repository.

It cannot tell what the hosted service does, only what its client and public reports say of it: MLflow takes user and token as basic
sign-in, readers get 403 with an empty body, what it does not know is answered 404 "unsupported endpoint", an unknown repository 404.
Every request stands in `log` with the person who made it.
"""

import base64
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lib.backends.backend import Backend
from tests.support.browser import free_port

Handler = Callable[[Request, bytes], tuple[Response, str]]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
UNSUPPORTED = {"error": "unsupported endpoint, please contact support@dagshub.com"}
_READ_PATHS = re.compile(r"/(search|get-history|get-history-bulk-interval|batchGet|batch|get-latest-versions)$")
_DROPPED_HEADERS = {
    "host",
    "authorization",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-encoding",
    "content-length",
}
_DROPPED_HEADERS |= {"server", "date", "te", "upgrade"}


class LoggedRequest(NamedTuple):
    """One request: what was asked, how it was answered, and by whom (empty for nobody)."""

    method: str
    path: str
    status: int
    user: str


@dataclass
class DagsHub:
    """What the pretended service holds and how it behaves; tests turn its switches while it runs.

    `fault` is a status that everything is answered with, `slow` the seconds that every answer takes, `unsupported` matches the MLflow
    paths that it does not know.
    """

    host: str
    tokens: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, str] = field(default_factory=dict)
    readers: set[tuple[str, str]] = field(default_factory=set)
    private: dict[str, set[str]] = field(default_factory=dict)
    unsupported: re.Pattern[str] | None = None
    fault: int = 0
    slow: float = 0.0
    log: list[LoggedRequest] = field(default_factory=list)
    wake_event: threading.Event = field(default_factory=threading.Event)

    def backend(self, repository: str) -> Backend:
        """The MLflow of a repository, asked by nobody yet."""
        return Backend(f"{self.host}/{repository}.mlflow", "server")

    def asked(self, start: str = "") -> list[LoggedRequest]:
        """The requests whose path begins so."""
        return [line for line in self.log if line.path.startswith(start)]

    def made(self) -> list[LoggedRequest]:
        """The requests that wanted to make something through the API, or to sign in through a browser."""
        return [line for line in self.log if line.method != "GET" and line.path.startswith(("/api", "/login"))]

    def can_see(self, user: str, repository: str) -> bool:
        """Whether a repository is there for somebody."""
        invited_users = self.private.get(repository)
        return repository in self.repositories and (invited_users is None or user in invited_users)

    def user_by_token(self, request: Request) -> str:
        """Who signs in at the JSON API: the token as bearer."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        return self.tokens.get(secret, "") if scheme.lower() == "bearer" else ""

    def user_by_password(self, request: Request) -> str:
        """Who signs in at MLflow: the user with the token as password, and nothing else."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return ""
        user, _, token = base64.b64decode(secret).decode().partition(":")
        return user if self.tokens.get(token) == user else ""


def user_card(name: str) -> dict[str, object]:
    """A user as the API tells of one."""
    empty_fields = dict.fromkeys(("public_email", "website", "company", "description"))
    return {"id": len(name), "login": name, "username": name, "full_name": name.title(), "avatar_url": "", **empty_fields}


def repository_card(site: DagsHub, repository: str, user: str) -> dict[str, object]:
    """A repository as the API tells of one to a user."""
    owner, name = repository.split("/")
    can_push = (user, repository) not in site.readers
    counts = dict.fromkeys(("size", "stars_count", "forks_count", "watchers_count", "open_issues_count"), 0)
    return {
        "id": 7,
        "owner": user_card(owner),
        "name": name,
        "full_name": repository,
        "description": "",
        "private": repository in site.private,
        **dict.fromkeys(("fork", "empty", "mirror"), False),
        **dict.fromkeys(("parent", "ssh_url", "website")),
        **counts,
        "html_url": f"{site.host}/{repository}",
        "clone_url": f"{site.host}/{repository}.git",
        "default_branch": "main",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "permissions": {"admin": False, "push": can_push, "pull": True},
    }


class RequestHandlers:
    """The three doors of the stand-in, each answered in a thread."""

    def __init__(self, site: DagsHub) -> None:
        self.site = site
        self.upstream = httpx.Client(trust_env=False, timeout=60)

    def api(self, request: Request, body: bytes) -> tuple[Response, str]:
        """The JSON API: who am I, is this repository there, and the making of one, which no test may cause."""
        user, path = self.site.user_by_token(request), request.url.path.removeprefix("/api/v1/")
        if not user:
            return JSONResponse({"message": "token is invalid"}, 401), ""
        if path == "user":
            return JSONResponse(user_card(user)), user
        owner = user if path == "user/repos" else next(iter(re.findall(r"^org/([^/]+)/repos$", path)), "")
        if request.method == "POST" and owner:
            new_repository = f"{owner}/{httpx.QueryParams(body.decode()).get('name', '')}"
            self.site.repositories[new_repository] = next(iter(self.site.repositories.values()))
            return JSONResponse(repository_card(self.site, new_repository, user), 201), user
        match = re.fullmatch(r"repos/([^/]+/[^/]+)", path)
        if match and self.site.can_see(user, match[1]):
            return JSONResponse(repository_card(self.site, match[1], user)), user
        return JSONResponse({"message": "not found"}, 404), user

    def mlflow(self, request: Request, body: bytes) -> tuple[Response, str]:
        """A repository's MLflow: the real server behind it, for those who may."""
        user, repository = self.site.user_by_password(request), "{owner}/{name}".format(**request.path_params)
        rest = "/" + request.path_params["rest"].lstrip("/")
        if not user:
            return JSONResponse({"error": "unauthorized"}, 401, {"WWW-Authenticate": 'Basic realm="DagsHub"'}), ""
        if not self.site.can_see(user, repository):
            return JSONResponse({"error": "repository not found"}, 404), user
        if self.site.unsupported and self.site.unsupported.search(rest):
            return JSONResponse(UNSUPPORTED, 404), user
        if (user, repository) in self.site.readers and request.method not in ("GET", "HEAD") and not _READ_PATHS.search(rest):
            return Response(status_code=403), user
        return self._forward(request, body, repository), user

    def _forward(self, request: Request, body: bytes, repository: str) -> Response:
        prefix = f"/{repository}.mlflow".encode()
        path = request.scope["raw_path"].removeprefix(prefix) or b"/"  # not decoded: names of artifacts hold anything
        query = b"?" + request.scope["query_string"] if request.scope["query_string"] else b""
        headers = {name: value for name, value in request.headers.items() if name not in _DROPPED_HEADERS}
        upstream_response = self.upstream.request(
            request.method, self.site.repositories[repository] + (path + query).decode(), content=body, headers=headers
        )
        response_headers = {name: value for name, value in upstream_response.headers.items() if name not in _DROPPED_HEADERS}
        return Response(upstream_response.content, upstream_response.status_code, response_headers)

    def browser_sign_in(self, request: Request, body: bytes) -> tuple[Response, str]:
        """The door that the real service keeps shut until somebody confirms in a browser."""
        return Response(status_code=408), ""

    def route(self, pattern: str, handler: Handler) -> Route:
        """A door with everything that happens before it: the outage, the delay, and the log after it."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._respond, request, body, handler)

        return Route(pattern, answer, methods=METHODS)

    def _respond(self, request: Request, body: bytes, handler: Handler) -> Response:
        if self.site.slow:
            self.site.wake_event.wait(self.site.slow)
        if self.site.fault:
            response, user = Response("<html>bad gateway</html>", self.site.fault, media_type="text/html"), ""
        else:
            response, user = handler(request, body)
        self.site.log.append(LoggedRequest(request.method, request.url.path, response.status_code, user))
        return response


@contextlib.contextmanager
def serve_dagshub() -> Iterator[DagsHub]:
    """The stand-in on a free port of this machine, while the block runs. It holds nothing yet."""
    port = free_port()
    site = DagsHub(f"http://127.0.0.1:{port}")
    handlers = RequestHandlers(site)
    routes = [
        handlers.route("/api/v1/{path:path}", handlers.api),
        handlers.route("/login/{path:path}", handlers.browser_sign_in),
        handlers.route("/{owner}/{name}.mlflow{rest:path}", handlers.mlflow),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield site
    site.wake_event.set()
    server.should_exit = True
    thread.join(10)
    handlers.upstream.close()


def reset_site(site: DagsHub, mlflow_backend: Backend) -> None:
    """Bring it to the state that every test begins with: two people who write, one who reads, and nobody's trouble.

    Whoever still waits for a slow answer of an earlier test gets it now.
    """
    site.wake_event.set()
    site.wake_event = threading.Event()
    site.tokens = {token(name): name for name in ("ana", "ben", "rae")}
    site.repositories = {"ana/wine": mlflow_backend.uri, "team/secret": mlflow_backend.uri}
    site.readers, site.private = {("rae", "ana/wine")}, {"team/secret": {"ana"}}
    site.unsupported, site.fault, site.slow = None, 0, 0.0
    site.log = []


def token(name: str) -> str:
    """The token of a person, long and unlike any other word, so that it can be searched for."""
    return f"dhp-{name}-8c1f0be3d45a97264f31"
