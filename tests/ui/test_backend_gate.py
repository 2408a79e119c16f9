"""The backend gate: a page runs only on an available backend that can be opened; otherwise it says what to do next."""

import shutil
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import monotonic

import pytest
import streamlit as st

from lib.backends.backend import sqlite_backend
from lib.backends.sqlite_schema import read_schema_status
from lib.ui.app.page_links import page_path
from tests.support.older_database import block_upgrade


def page_titles(page):
    return [title.value for title in page.title]


def error_texts(page):
    return [f"{error.proto.title} {error.value}" if hasattr(error.proto, "title") else error.value for error in page.error]


@contextmanager
def serve_answer(status, kind, body):
    """A local server that returns the same response to every request."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def older_store(older_database, tmp_path):
    (tmp_path / "old").mkdir()
    shutil.copy(older_database, tmp_path / "old" / "mlflow.db")
    return sqlite_backend(tmp_path / "old" / "mlflow.db")


def test_a_missing_database_is_made_and_the_page_opens(app, tmp_path):
    backend = sqlite_backend(tmp_path / "new" / "mlflow.db")
    page = app("compare", backend)
    assert page_titles(page) == ["Compare"]
    assert read_schema_status(backend.path).state == "current"


def test_an_older_database_is_not_touched_before_someone_agrees(app, older_store):
    before = older_store.path.read_bytes()
    page = app("overview", older_store)
    assert page_titles(page) == ["This database is older than the installed MLflow"]
    page.switch_page(str(page_path("compare"))).run()
    assert page_titles(page) == ["This database is older than the installed MLflow"]
    assert older_store.path.read_bytes() == before
    assert [file.name for file in older_store.path.parent.glob("*.db*")] == ["mlflow.db"]


def test_the_card_says_where_the_copy_goes(app, older_store):
    page = app("overview", older_store)
    cells = page.table[0].value.to_string()
    assert "Backup" in cells
    assert "backup" in cells


def test_after_consent_the_copy_is_there_and_other_sessions_get_in(app, older_store):
    first, second = app("compare", older_store), app("compare", older_store)
    first.button(key="gate.migrate").click().run()
    copies = [*older_store.path.parent.glob("mlflow.db.*.backup")]
    assert page_titles(first) == ["Compare"]
    assert len(copies) == 1
    assert read_schema_status(copies[0]).state == "older"
    assert copies[0].name.replace(".", "") in "".join(box.value for box in first.success).replace("&#46;", "").replace(
        "&#45;", "-"
    )
    second.run()
    assert page_titles(second) == ["Compare"]


def test_an_upgrade_that_breaks_off_names_the_copy_and_one_button_puts_it_back(app, older_store):
    block_upgrade(older_store.path)
    before = older_store.path.read_bytes()
    page = app("compare", older_store)
    page.button(key="gate.migrate").click().run()
    assert "table secrets already exists" in "".join(error_texts(page)).replace("&#95;", "_")
    page.run()
    assert page_titles(page) == ["The upgrade of this database was interrupted"]
    (copy,) = older_store.path.parent.glob("mlflow.db.*.backup")
    assert copy.name in page.table[0].value.to_string().replace("&#46;", ".").replace("&#45;", "-")
    page.button(key="gate.restore").click().run()
    assert page_titles(page) == ["This database is older than the installed MLflow"]
    assert read_schema_status(older_store.path).revision == read_schema_status(copy).revision
    assert len(older_store.path.read_bytes()) == len(before)


def test_two_people_who_agree_at_once_make_one_copy(app, older_store):
    first, second = app("compare", older_store), app("compare", older_store)
    first.button(key="gate.migrate").click().run()
    second.button(key="gate.migrate").click().run()
    assert page_titles(second) == ["Compare"]
    assert len([*older_store.path.parent.glob("mlflow.db.*.backup")]) == 1


def test_a_newer_database_is_refused(app, fresh_store):
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update alembic_version set version_num = 'ffffffffffff'")
    assert "newer MLflow" in error_texts(app("overview", fresh_store))[0]


def test_a_file_that_is_no_database_is_refused_and_left_alone(app, tmp_path):
    file = tmp_path / "notes.db"
    file.write_text("my notes, longer than a header")
    assert "is not a SQLite database" in error_texts(app("overview", sqlite_backend(file)))[0].replace("&#46;", ".")
    assert file.read_text().startswith("my notes")


def test_a_folder_that_cannot_be_written_is_told(app, tmp_path):
    (tmp_path / "file").write_text("")
    page = app("overview", sqlite_backend(tmp_path / "file" / "mlflow.db"))
    assert page_titles(page) == ["Podium cannot open its backend"]
    assert "cannot be opened for writing" in error_texts(page)[0]


def test_a_locked_database_is_told_and_the_page_comes_back(app, fresh_store):
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        page = app("compare", fresh_store)
        assert "is locked by another program" in error_texts(page)[0]
        connection.execute("rollback")
    page.button(key="gate.again").click().run()
    assert page_titles(page) == ["Compare"]


def test_a_dead_server_is_told_within_five_seconds_and_the_navigation_lives(app):
    with socket.socket() as silent_socket:
        silent_socket.bind(("127.0.0.1", 0))
        silent_socket.listen()
        start = monotonic()
        page = app("compare", f"http://127.0.0.1:{silent_socket.getsockname()[1]}")
        assert monotonic() - start < 5
    assert page_titles(page) == ["Podium cannot reach its backend"]
    assert "did not answer within 2 s" in error_texts(page)[0].replace("&#46;", ".")
    page.switch_page(str(page_path("launch"))).run()
    assert not page.exception


@pytest.mark.parametrize(
    ("status", "kind", "body", "message"),
    [
        (200, "text/html", b"<html><script>alert(1)</script></html>", "not as an MLflow server does"),
        (404, "application/json", b"{}", "not as an MLflow server does"),
        (302, "text/html", b"", "not as an MLflow server does"),
        (401, "text/plain", b"", "asks for a sign"),
        (503, "text/plain", b"", "answers with error 503"),
    ],
)
def test_an_answer_that_is_not_mlflows_is_told(app, status, kind, body, message):
    with serve_answer(status, kind, body) as address:
        assert message in error_texts(app("overview", address))[0].replace("&#45;", "-")


def test_an_address_that_podium_cannot_open_is_told(app):
    assert "postgresql" in error_texts(app("overview", "postgresql+nosuch://user:secret@host/db"))[0]


def test_a_password_in_the_address_is_never_shown(app):
    with serve_answer(503, "text/plain", b"") as address:
        page = app("overview", address.replace("//", "//anna:s3cret@"))
    browser_content = "".join(str(getattr(node, "proto", "")) for root in (page.main, page.sidebar) for node in root)
    assert "503" in browser_content
    assert "s3cret" not in browser_content


def test_a_database_that_disappears_is_made_again(app, fresh_store):
    page = app("compare", fresh_store)
    fresh_store.path.unlink()
    st.cache_resource.clear()
    page.run()
    assert page_titles(page) == ["Compare"]
