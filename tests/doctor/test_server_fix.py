"""The fix that starts a server, with a small server in place of MLflow's: a taken port, a killed supervisor, two starts at once.

`test_artifact_fixes` starts MLflow's own.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import psutil
import pytest

from lib.backends import local_server
from lib.doctor import fix_runner
from lib.doctor.fixes import start_server
from lib.doctor.types import offer_fix
from lib.errors import ActionRefused, BackendError, NotFound, NotWritable
from tests.support.doctor_stores import apply_in_threads

SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
print("starting", flush=True)
time.sleep({delay})
HTTPServer(("127.0.0.1", int(sys.argv[1])), Healthy).serve_forever()
"""


class Healthy(BaseHTTPRequestHandler):
    """Another program that answers as an MLflow server does."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def foreign_server(port):
    server = HTTPServer(("127.0.0.1", port), Healthy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def quick_server(monkeypatch, tmp_path):
    """A server that starts in a moment. Its files are not tried, as it has none."""
    delay = [0.0]

    def command(database, destination, port):
        (tmp_path / "small_server.py").write_text(SERVER.format(delay=delay[0]))
        return [str(tmp_path / "small_server.py"), str(port), f"--database={database.uri}", f"--destination={destination}"]

    monkeypatch.setattr(local_server, "server_command", command)
    monkeypatch.setattr(start_server, "verify_writable", lambda _, location: (("Files belong at", location),))
    popen = local_server.subprocess.Popen
    monkeypatch.setattr(
        local_server.subprocess, "Popen", lambda arguments, **options: popen(without_module(arguments), **options)
    )
    monkeypatch.setattr(local_server, "_ENDED_SERVERS", [])
    yield delay
    for server in local_server.running_servers():
        local_server.stop(server)


def without_module(arguments):
    """The supervisor's arguments with a script in place of `-m mlflow`."""
    return [argument for index, argument in enumerate(arguments) if argument != "-m" or index == 1]


@pytest.fixture
def free_ports(monkeypatch):
    """Ports that are free now, given out in turn."""
    ports = []
    for _ in range(3):
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    iterator = iter(ports)
    monkeypatch.setattr(local_server, "find_free_port", lambda: next(iterator))
    return ports


@pytest.fixture
def offer(tmp_path):
    return offer_fix("local_server", destination=str(tmp_path / "files"))


def apply_offer(context, offer):
    return fix_runner.apply_fix(context, offer, lambda _: None)


def is_listening(port):
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def supervisor_of(server):
    return local_server._RUNNING_SERVERS[server.database.uri][1]


def test_a_started_server_is_shared_stopped_and_its_log_readable(context, offer, quick_server, free_ports, tmp_path):
    result = apply_offer(context, offer)
    (server,) = local_server.running_servers()
    assert result.backend == server.backend
    assert (server.port, server.artifacts_destination, server.database) == (free_ports[0], tmp_path / "files", context.backend)
    assert local_server.read_log_tail(server) == "starting"
    assert server.log_file.parent == context.podium_home / "servers"
    assert server.log_file.stat().st_mode & 0o077 == 0
    assert apply_offer(context, offer).backend == result.backend
    local_server.stop(server)
    local_server.stop(server)  # a second click
    assert (local_server.running_servers(), local_server.ended_servers(), is_listening(server.port)) == ((), (), False)


def test_of_two_starts_at_once_one_server_comes_and_the_other_is_refused_or_given_it(context, offer, quick_server, free_ports):
    outcomes = apply_in_threads(context, [offer, offer])
    assert {str(outcome.backend.uri) for outcome in outcomes if not isinstance(outcome, Exception)} == {
        f"http://127.0.0.1:{free_ports[0]}"
    }
    assert all(isinstance(outcome, ActionRefused) for outcome in outcomes if isinstance(outcome, Exception))
    (server,) = local_server.running_servers()
    assert [is_listening(port) for port in free_ports] == [True, False, False]
    assert local_server.find_server(context.backend) == server


def test_a_server_with_another_folder_is_not_replaced(context, offer, quick_server, free_ports, tmp_path):
    apply_offer(context, offer)
    with pytest.raises(ActionRefused, match="is already running on this database"):
        apply_offer(context, offer.with_inputs({"destination": str(tmp_path / "others")}))
    assert len(local_server.running_servers()) == 1
    assert not (tmp_path / "others").exists()


@pytest.mark.slow
def test_a_port_taken_after_it_was_chosen_is_reported_and_the_next_start_takes_another(context, offer, quick_server, free_ports):
    """The other program does not answer as a server."""
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", free_ports[0]))
        other.listen()
        with pytest.raises(BackendError, match=r"(?s)The server did not start\..*Address already in use") as error:
            apply_offer(context, offer)
        assert ".log" in error.value.next
        assert local_server.running_servers() == ()
        apply_offer(context, offer)
    (server,) = local_server.running_servers()
    assert server.port == free_ports[1]


def test_another_server_that_took_the_port_is_never_taken_for_ours(context, offer, quick_server, free_ports):
    """It answers at once, while ours is still starting and cannot bind later."""
    quick_server[0] = 1.0
    with foreign_server(free_ports[0]):
        assert httpx.get(f"http://127.0.0.1:{free_ports[0]}/health").status_code == 200
        with pytest.raises(BackendError, match="The server did not start"):
            apply_offer(context, offer)
        assert httpx.get(f"http://127.0.0.1:{free_ports[0]}/health").status_code == 200, "it is not ours to stop"
    assert local_server.running_servers() == ()


def test_a_server_whose_supervisor_was_killed_ends_is_reported_and_can_be_started_again(context, offer, quick_server, free_ports):
    apply_offer(context, offer)
    (server,) = local_server.running_servers()
    supervisor = supervisor_of(server)
    (child,) = psutil.Process(supervisor.pid).children()
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(10)
    assert child.is_running(), "the server outlives its supervisor"
    assert local_server.running_servers() == ()
    wait_until(lambda: not is_listening(server.port))
    assert local_server.ended_servers() == (server,)
    apply_offer(context, offer)
    assert [running.port for running in local_server.running_servers()] == [free_ports[1]]
    assert local_server.ended_servers() == ()


def test_a_server_that_ends_is_reported_and_its_supervisor_ends_with_it(context, offer, quick_server, free_ports):
    apply_offer(context, offer)
    (server,) = local_server.running_servers()
    supervisor = supervisor_of(server)
    (child,) = psutil.Process(supervisor.pid).children()
    child.kill()
    supervisor.wait(10)
    assert (local_server.running_servers(), local_server.ended_servers()) == ((), (server,))


def test_a_server_that_never_answers_is_stopped_again(context, offer, quick_server, free_ports, monkeypatch):
    quick_server[0] = 60
    monkeypatch.setattr(local_server, "_READY_SECONDS", 0.8)
    progress = []
    with pytest.raises(BackendError, match=r"The server did not start\. "):
        fix_runner.apply_fix(context, offer, progress.append)
    assert progress[0].startswith(f"Starting the server on port {free_ports[0]}: 0 s")
    assert local_server.running_servers() == ()
    marker = f"--database={context.backend.uri}"
    wait_until(lambda: not [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or ())])


@pytest.mark.parametrize("error", [NotFound("Experiment 7 does not exist."), BackendError("It was not read back.")])
def test_a_server_that_fails_its_test_is_stopped_again_but_not_one_that_ran_before(
    context, offer, quick_server, free_ports, monkeypatch, error
):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(start_server, "_verify_server", fail)
        with pytest.raises(type(error), match=error.what):
            apply_offer(context, offer)
        assert local_server.running_servers() == ()
        assert not is_listening(free_ports[0])
    apply_offer(context, offer)
    monkeypatch.setattr(start_server, "_verify_server", fail)
    with pytest.raises(type(error)):
        apply_offer(context, offer)
    assert len(local_server.running_servers()) == 1


def test_a_start_that_the_user_interrupts_leaves_no_server(context, offer, quick_server, free_ports):
    quick_server[0] = 60

    def leave(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fix_runner.apply_fix(context, offer, leave)
    assert local_server.running_servers() == ()
    quick_server[0] = 0
    apply_offer(context, offer)


def test_a_folder_that_cannot_be_created_is_named_and_nothing_starts(context, offer, quick_server, free_ports, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable, match="cannot be created"):
        apply_offer(context, offer.with_inputs({"destination": str(tmp_path / "file" / "below")}))
    assert local_server.running_servers() == ()


def test_the_environment_of_the_server_has_no_credentials():
    environment = local_server._server_environment(
        {"MLFLOW_TRACKING_PASSWORD": "p", "DAGSHUB_USER_TOKEN": "t", "PODIUM_HOME": "/h", "STREAMLIT_X": "1", "PATH": "/bin"}
    )
    assert {"MLFLOW_TRACKING_PASSWORD", "DAGSHUB_USER_TOKEN", "PODIUM_HOME", "STREAMLIT_X"} & set(environment) == set()
    assert environment["PATH"] == "/bin"


def test_without_a_free_port_the_reason_is_given(monkeypatch):
    class Refusing(socket.socket):
        def bind(self, _):
            raise OSError(98, "Address already in use")

    monkeypatch.setattr(local_server.socket, "socket", Refusing)
    with pytest.raises(BackendError, match="no free port"):
        local_server.find_free_port()


def test_a_shown_command_starts_the_same_server_when_its_folder_has_a_blank(context, tmp_path):
    preview = fix_runner.preview_fix(context, offer_fix("local_server", destination=str(tmp_path / "two words")))
    script = "mlflow() { printf '%s\\n' mlflow \"$@\"; }\n" + preview.snippets[0].text
    output = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    port = next(int(argument.removeprefix("--port=")) for argument in output if argument.startswith("--port="))
    assert output == local_server.server_command(context.backend, tmp_path / "two words", port)
