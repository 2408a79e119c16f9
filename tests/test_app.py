"""The frame around the pages, asked over HTTP: readiness, security headers, static files, nothing else from the disk."""

import hashlib
import re
from base64 import b64encode

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import app as entry
from lib.ui import headers


@pytest.fixture(scope="module")
def client():
    with TestClient(entry.app) as asked:
        yield asked


def test_readyz_answers_and_says_whether_the_imports_are_done(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert isinstance(answer.json()["warm"], bool)


@pytest.mark.parametrize("path", ["/", "/compare", "/readyz", "/_stcore/health", "/app/static/mark.svg", "/nowhere/at/all"])
def test_every_answer_carries_the_security_headers(client, path):
    answer = client.get(path)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_the_policy_allows_exactly_the_inline_scripts_of_the_page_that_is_served(client):
    page = client.get("/").text
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    policy = client.get("/").headers["content-security-policy"]
    hashes = {f"'sha256-{b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in inline}
    assert set(re.findall(r"'sha256-[^']+'", policy)) == hashes
    assert "'unsafe-eval'" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_a_page_without_inline_script_needs_no_hash():
    assert headers.script_hashes('<script type="module" src="a.js"></script>') == []
    assert "script-src 'self' 'wasm-unsafe-eval';" in headers.policy([])


@pytest.mark.parametrize(
    "path",
    [
        "/app/static/%2e%2e/shell.py",
        "/app/static/..%2fshell.py",
        "/app/static//etc/passwd",
        "/media/%2e%2e/app.py",
        "/app/static/%2e%2e/%2e%2e/errors.py",
    ],
)
def test_nothing_outside_the_static_folder_is_served(client, path):
    body = client.get(path).content
    assert b"admits" not in body
    assert b"root:" not in body
    assert b"PodiumError" not in body


@pytest.mark.parametrize(
    "name", ["inter-latin-wght-normal.woff2", "inter-latin-ext-wght-normal.woff2", "jetbrains-mono-nl-latin-wght-normal.woff2"]
)
def test_the_fonts_that_the_theme_names_are_there(client, name):
    assert client.get(f"/app/static/fonts/{name}").status_code == 200


def test_a_page_elsewhere_cannot_talk_to_podium_under_its_own_name(client):
    def talk(host):
        return client.websocket_connect("/_stcore/stream", headers={"host": host, "origin": f"http://{host}"})

    with talk("localhost:8501"):
        pass
    with pytest.raises(WebSocketDisconnect), talk("evil.invalid:8501"):
        pass
