"""A bad address is reported in plain English within five seconds, whatever is at the other end."""

import ssl
import subprocess
import time

import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import probe
from lib.errors import BackendError, NotFound, PodiumError
from tests.support.scripted_server import http_response, scripted_server


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(30):
        connection.sendall(b" ")
        time.sleep(0.5)


def probe_error(backend):
    """The error of a probe; asserts that it took less than five seconds."""
    started_at = time.monotonic()
    with pytest.raises(PodiumError) as error:
        probe(backend)
    assert time.monotonic() - started_at < 5
    assert error.value.next
    return error.value.what


@pytest.mark.parametrize(
    ("talk", "text"),
    [
        (lambda _: time.sleep(30), "did not answer within 2 s"),
        (trickle, "did not answer within 4 s"),
        (http_response(200, body=b"<html>hello</html>"), "it returns a web page"),
        (http_response(302, extra="location: https://login.example.org/x?secret=1\r\n"), "redirects to login.example.org"),
        (http_response(302, extra="location: /login\r\n"), "redirects elsewhere"),
        (http_response(403, body=b"Invalid Host header - possible DNS rebinding"), "rejects this host name"),
        (http_response(403), "asks for a sign-in (403)"),
        (http_response(429), "receives too many requests (429)"),
        (http_response(502), "error 502"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9\r\n"), "not in HTTP"),
        (lambda connection: connection.close(), "not in HTTP"),
    ],
)
def test_whatever_answers_at_the_address_is_reported(talk, text):
    with scripted_server(talk) as port:
        assert text in probe_error(Backend(f"http://127.0.0.1:{port}", "server"))


def test_a_port_without_tls_is_reported():
    with scripted_server(http_response(400)) as port:
        assert "does not support HTTPS" in probe_error(Backend(f"https://127.0.0.1:{port}", "server"))


def test_a_certificate_that_nobody_vouches_for_is_reported(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with scripted_server(http_response(200), context) as port:
        assert "does not trust" in probe_error(Backend(f"https://localhost:{port}", "server"))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example.org"])
def test_a_host_that_does_not_exist_is_reported(host):
    text = probe_error(Backend(f"http://{host}", "server"))
    assert f"The host {host} is unknown" in text or "did not answer" in text


def test_a_file_store_must_be_one(tmp_path):
    with pytest.raises(NotFound):
        probe(Backend((tmp_path / "none").as_uri(), "file"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(BackendError, match="contains no MLflow experiment"):
        probe(Backend(tmp_path.as_uri(), "file"))


def test_a_database_without_its_driver_or_without_an_answer_is_reported():
    text = probe_error(Backend("postgresql+nosuch://u@127.0.0.1:9/db", "database"))
    assert "This driver for postgresql is unknown" in text
    text = probe_error(Backend("mysql://u@127.0.0.1:9/db", "database"))
    assert "is not installed: MySQLdb" in text
    for scheme in ("postgresql", "postgresql+psycopg2"):
        text = probe_error(Backend(f"{scheme}://u@127.0.0.1:9/db", "database"))
        assert "127.0.0.1:9 cannot be reached as a database" in text
