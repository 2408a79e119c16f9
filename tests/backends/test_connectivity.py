"""A bad address is told in plain words within five seconds, whatever stands at its other end."""

import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import probe
from lib.errors import BackendError, NotFound, PodiumError


@contextmanager
def serving(talk, context=None):
    """A machine at the other end that says what `talk` says to whoever connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection):
        try:
            wrapped = context.wrap_socket(connection, server_side=True) if context else connection
            wrapped.recv(4096)
            talk(wrapped)
            wrapped.close()
        except OSError:
            return

    threading.Thread(target=run, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def answer(status, kind="text/html", body=b"", extra=""):
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode()
    return lambda connection: connection.sendall(head + body)


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(30):
        connection.sendall(b" ")
        time.sleep(0.5)


def told(backend):
    """What is said of a backend, and that it took less than five seconds."""
    begun = time.monotonic()
    with pytest.raises(PodiumError) as error:
        probe(backend)
    assert time.monotonic() - begun < 5
    assert error.value.next
    return error.value.what


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (lambda _: time.sleep(30), "did not answer within 2 s"),
        (trickle, "did not answer within 4 s"),
        (answer(200, body=b"<html>hello</html>"), "it shows a web page"),
        (answer(302, extra="location: https://login.example.org/x?secret=1\r\n"), "sends on to login.example.org"),
        (answer(302, extra="location: /login\r\n"), "sends on elsewhere"),
        (answer(403, body=b"Invalid Host header - possible DNS rebinding"), "does not answer to this name"),
        (answer(403), "asks for a sign-in (403)"),
        (answer(429), "asked too often"),
        (answer(502), "error 502"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9\r\n"), "another language than HTTP"),
        (lambda connection: connection.close(), "another language than HTTP"),
    ],
)
def test_what_stands_at_the_other_end_is_told(talk, said):
    with serving(talk) as port:
        assert said in told(Backend(f"http://127.0.0.1:{port}", "server"))


def test_a_port_without_tls_is_told():
    with serving(answer(400)) as port:
        assert "does not speak https" in told(Backend(f"https://127.0.0.1:{port}", "server"))


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(answer(200), context) as port:
        assert "does not trust" in told(Backend(f"https://localhost:{port}", "server"))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example.org"])
def test_a_host_that_does_not_exist_is_told(host):
    said = told(Backend(f"http://{host}", "server"))
    assert f"No host is called {host}" in said or "did not answer" in said


def test_a_file_store_must_be_one(tmp_path):
    with pytest.raises(NotFound):
        probe(Backend((tmp_path / "none").as_uri(), "file"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(BackendError, match="holds no MLflow experiment"):
        probe(Backend(tmp_path.as_uri(), "file"))


def test_a_database_without_its_driver_or_without_an_answer_is_told():
    said = told(Backend("postgresql+nosuch://u@127.0.0.1:9/db", "database"))
    assert "knows this driver for postgresql" in said
    assert "is not installed here: psycopg2" in told(Backend("postgresql+psycopg2://u@127.0.0.1:9/db", "database"))
