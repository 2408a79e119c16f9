"""Podium's own MLflow server on a local database: started, monitored and stopped by this process, which it never outlives.

It listens on this machine only. A `server_supervisor` process in between stops the server even if Podium is killed.
Sessions and reruns share one server per database.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import psutil

from lib import processes
from lib.backends.app_files import PROJECT_FOLDER, make_private_folder
from lib.backends.backend import Backend
from lib.errors import ActionRefused, BackendError, NotWritable

_READY_SECONDS = 150.0
HOST, DEFAULT_PORT = "127.0.0.1", 5000
SUPERVISOR_MODULE = "lib.backends.server_supervisor"
_RUNNING_SERVERS: dict[str, "tuple[LocalServer, subprocess.Popen[bytes]]"] = {}
_ENDED_SERVERS: list["LocalServer"] = []
_LOCK = threading.RLock()


@dataclass(frozen=True)
class LocalServer:
    """A running server: its backend, the database and artifact folder behind it, its log, and its start time."""

    backend: Backend
    database: Backend
    artifacts_destination: Path
    log_file: Path
    started_at: datetime

    @property
    def port(self) -> int:
        """The port the server listens on."""
        return int(self.backend.uri.rpartition(":")[2])


def server_command(database: Backend, artifacts_destination: Path, port: int) -> list[str]:
    """Return the arguments that start such a server, without the Python executable."""
    return [
        "mlflow",
        "server",
        f"--host={HOST}",
        f"--port={port}",
        f"--backend-store-uri={database.uri}",
        f"--artifacts-destination={artifacts_destination}",
        "--workers=1",
    ]


def find_free_port() -> int:
    """Return MLflow's default port if it is free, else any free port."""
    for port in (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BackendError("This machine has no free port.", next="Stop a program that listens on a port, then try again.")


def start(
    database: Backend, artifacts_destination: Path, home: Path, at: datetime, progress: Callable[[str], None]
) -> LocalServer:
    """Start a server and wait until it answers. If one is already running with the same artifact folder, it is returned.

    `home` is the folder for its log. Raises ActionRefused if one runs with another artifact folder, BackendError if it does not start.
    """
    with _LOCK:
        if (running_server := find_server(database)) is not None:
            if running_server.artifacts_destination != artifacts_destination:
                raise ActionRefused(
                    f"A server with the artifact folder {running_server.artifacts_destination} is already running on this database.",
                    next="Stop it first.",
                )
            return running_server
        server, process = _launch(database, artifacts_destination, home, at)
        _RUNNING_SERVERS[database.uri] = server, process
    is_started = False
    try:
        _wait_until_healthy(server, process, progress)
        is_started = True
    finally:  # also if the user closes the page during the start
        if not is_started:
            stop(server)
    return server


def running_servers() -> tuple[LocalServer, ...]:
    """Return the servers of this process that are still running."""
    with _LOCK:
        ended_uris = [uri for uri, (_, process) in _RUNNING_SERVERS.items() if process.poll() is not None]
        for uri in ended_uris:
            server = _RUNNING_SERVERS.pop(uri)[0]
            _ENDED_SERVERS.append(server)
            _end_orphan(server)
        return tuple(server for server, _ in _RUNNING_SERVERS.values())


def ended_servers() -> tuple[LocalServer, ...]:
    """Return the servers that ended unexpectedly and were not replaced by a newer one."""
    served_databases = {server.database for server in running_servers()}
    return tuple(server for server in _ENDED_SERVERS if server.database not in served_databases)


def find_server(database: Backend) -> LocalServer | None:
    """Return this process's running server for a database, if any."""
    return next((server for server in running_servers() if server.database == database), None)


def stop(server: LocalServer) -> None:
    """Stop a server and wait until it is gone. Does nothing if it has already ended."""
    with _LOCK:
        entry = _RUNNING_SERVERS.get(server.database.uri)
        if entry is None or entry[0] != server:
            return
        del _RUNNING_SERVERS[server.database.uri]
    _end_process(entry[1])


def read_log_tail(server: LocalServer, lines: int = 12) -> str:
    """Return the last lines of a server's log."""
    try:
        with server.log_file.open("rb") as source:
            source.seek(max(0, server.log_file.stat().st_size - 16_000))
            return "\n".join(source.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _launch(database: Backend, destination: Path, home: Path, at: datetime) -> "tuple[LocalServer, subprocess.Popen[bytes]]":
    port = find_free_port()
    folder = home / "servers"
    try:
        make_private_folder(folder)
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritable(f"{error.filename} cannot be created.", next="Choose another folder.") from error
    log_file = folder / f"{at:%Y%m%d-%H%M%S}-{port}.log"
    process = subprocess.Popen(  # noqa: S603 - a list, no shell
        [
            sys.executable,
            "-m",
            SUPERVISOR_MODULE,
            str(log_file),
            sys.executable,
            "-m",
            *server_command(database, destination, port),
        ],
        cwd=folder,
        env=_server_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return LocalServer(Backend(f"http://{HOST}:{port}", "server"), database, destination, log_file, at), process


def _server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without variables for other backends, above all without credentials."""
    inherited_variables = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("MLFLOW_", "PODIUM_", "STREAMLIT_", "DAGSHUB_"))
    }
    return inherited_variables | {
        "PYTHONPATH": str(PROJECT_FOLDER),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _wait_until_healthy(server: LocalServer, process: "subprocess.Popen[bytes]", progress: Callable[[str], None]) -> None:
    deadline, started_at = time.monotonic() + _READY_SECONDS, time.monotonic()
    while not _is_healthy(server, process):
        if process.poll() is not None or time.monotonic() > deadline:
            log_tail = read_log_tail(server, 3).strip() or "Its log is empty."
            raise BackendError(f"The server did not start. {log_tail[-400:]}", next=f"See its log: {server.log_file}.")
        progress(f"Starting the server on port {server.port}: {time.monotonic() - started_at:.0f} s")
        time.sleep(0.3)


def _is_healthy(server: LocalServer, process: "subprocess.Popen[bytes]") -> bool:
    """Return whether the server answers, and not another program that took the port after it was found free."""
    try:
        return httpx.get(f"{server.backend.uri}/health", timeout=2.0).status_code == 200 and _is_listening(process, server.port)
    except httpx.HTTPError:
        return False


def _is_listening(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Return whether a descendant of a process listens on a port; assumed if the system does not show it."""
    try:
        descendants = psutil.Process(process.pid).children(recursive=True)
        connections = [connection for descendant in descendants for connection in descendant.net_connections("tcp")]
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return any(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections)


def _end_orphan(server: LocalServer) -> None:
    """End the server if only its supervisor was killed: it would keep the port and the database, and nobody could stop it."""
    command = server_command(server.database, server.artifacts_destination, server.port)
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if arguments[-len(command) :] == command and SUPERVISOR_MODULE not in arguments:
            processes.end_process_tree(process.pid)


def _end_process(process: "subprocess.Popen[bytes]") -> None:
    """Close the pipe: the supervisor stops the server, then itself."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@atexit.register
def _stop_all() -> None:
    for server in running_servers():
        stop(server)
