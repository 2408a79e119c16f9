"""The frame around the pages, asked over HTTP: readiness, security headers, static files, nothing else from the disk."""

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
    with TestClient(entry.app) as http_client:
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


def test_a_page_elsewhere_cannot_talk_to_podium_under_its_own_name(client):
    def talk(host):
        return client.websocket_connect("/_stcore/stream", headers={"host": host, "origin": f"http://{host}"})

    with talk("localhost:8501"):
        pass
    with pytest.raises(WebSocketDisconnect), talk("evil.invalid:8501"):
        pass


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
