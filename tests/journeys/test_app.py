"""The app around the pages, over HTTP: readiness, security headers, static files, nothing else from the disk."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import app as entry
from lib.ui.app import preload, security_headers


@pytest.fixture(scope="module")
def client():
    with TestClient(entry.app, base_url="http://localhost:8501") as http_client:
        yield http_client


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
    assert security_headers.script_hashes('<script type="module" src="a.js"></script>') == []
    assert "script-src 'self' 'wasm-unsafe-eval';" in security_headers.content_security_policy([])


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


OWN_HOST = "localhost:8501"


@pytest.mark.parametrize("host", ["evil.invalid:8501", "localhost.evil.invalid", "x@localhost", ""])
@pytest.mark.parametrize(
    "path", ["/", "/readyz", "/_stcore/health", "/_stcore/host-config", "/media/x.png", "/app/static/mark.svg"]
)
def test_podium_answers_under_no_other_name(client, path, host):
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_metrics_of_the_process_are_for_nobody(client):
    for path in ("/_stcore/metrics", "/_stcore/metrics/", "/base/_stcore/metrics"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "origin", "is_let_in"),
    [
        (OWN_HOST, f"http://{OWN_HOST}", True),
        (OWN_HOST, f"https://{OWN_HOST}", True),
        (OWN_HOST, "http://localhost:9999", False),
        (OWN_HOST, "http://127.0.0.1:8501", False),
        (OWN_HOST, "null", False),
        (OWN_HOST, "http://[x", False),
        (OWN_HOST, None, False),
        ("evil.invalid:8501", "http://evil.invalid:8501", False),
    ],
)
def test_a_websocket_is_opened_by_podiums_own_pages_only(client, host, origin, is_let_in):
    headers = {"host": host} | ({"origin": origin} if origin else {})
    try:
        with client.websocket_connect("/_stcore/stream", headers=headers):
            was_let_in = True
    except WebSocketDisconnect:
        was_let_in = False
    assert was_let_in is is_let_in


def test_an_origin_that_the_operator_listed_may_open_a_websocket(client, monkeypatch):
    monkeypatch.setattr("streamlit.web.server.server_util.allowlisted_origins", lambda: {"https://podium.example.com"})
    with client.websocket_connect("/_stcore/stream", headers={"host": OWN_HOST, "origin": "https://podium.example.com"}):
        pass


def test_a_page_of_another_port_may_not_read_an_answer(client):
    headers = client.get("/_stcore/host-config", headers={"origin": "http://localhost:9999"}).headers
    assert "access-control-allow-origin" not in headers


def test_the_policy_lets_no_script_connect_or_frame_another_host():
    policy = security_headers.content_security_policy([])
    assert "connect-src 'self';" in policy
    assert "frame-src 'self';" in policy


def test_the_first_page_has_a_name_too_and_keeps_the_query(client):
    answer = client.get("/overview?embed=true", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "./?embed=true")
    assert client.get("/overview").url.path == "/"


@pytest.mark.parametrize("path", ["/", "/compare", "/index.html"])
def test_the_page_tells_the_browser_what_draws_charts_and_tables(client, path):
    answer = client.get(path, headers={"accept": "text/html,*/*"})
    named = re.findall(r'<link rel="modulepreload" crossorigin href="\./(static/js/[^"]+)">', answer.text)
    assert {"ArrowVegaLiteChart", "DataFrame", "embed", "vega-interpreter"} <= {
        name.rsplit("/")[-1].split(".")[0] for name in named
    }
    assert len(named) == len(set(named))
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert all("javascript" in client.head(f"/{name}").headers["content-type"] for name in named)


def test_what_is_not_the_page_stays_as_it_is(client):
    assert "modulepreload" not in client.get("/app/static/mark.svg").text
    assert client.head("/").headers["content-length"] == str(
        len(Path(st.__file__).with_name("static").joinpath("index.html").read_bytes())
    )


def test_pieces_are_followed_through_what_they_import_round_circles_and_load_at_once_what_a_chart_loads_later():
    build = {
        "src/Chart.tsx": {"file": "js/chart.js", "imports": ["_a.js", "_loadVegaEmbed.js"], "dynamicImports": ["src/Never.tsx"]},
        "_a.js": {"file": "js/a.js", "imports": ["src/Chart.tsx"]},
        "_loadVegaEmbed.js": {"file": "js/load.js", "dynamicImports": ["_embed.js"]},
        "_embed.js": {"file": "js/embed.js"},
        "src/Never.tsx": {"file": "js/never.js"},
    }
    assert preload.script_files(build, ["Chart.tsx"]) == ("js/a.js", "js/chart.js", "js/embed.js", "js/load.js")
    assert preload.script_files(build, ["Other.tsx"]) == ()


def test_a_streamlit_without_its_list_is_served_as_it_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(preload.st, "__file__", str(tmp_path / "streamlit.py"))
    preload.preload_links.cache_clear()
    assert preload.preload_links() == b""
    preload.preload_links.cache_clear()
