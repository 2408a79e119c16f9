"""A real `mlflow server --app-name basic-auth` with people on it. Names and passwords are made up."""

import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from lib.backends.uri import Backend
from tests.browser import Process, free_port, start

ADMIN = ("admin", "admin-of-the-tests-1")
PEOPLE = {"anna": "anna-secret-@:/%-1", "ben": "ben-secret-4567890"}


@dataclass
class Signed:
    """A running server that asks for a sign-in, and who is known there."""

    process: Process

    @property
    def backend(self) -> Backend:
        """The server, asked by nobody yet."""
        return Backend(self.process.url, "server")


def serve(folder: Path) -> Signed:
    """Start the server and make its people. Everybody may read what others made, and edit only what is their own."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    ini = folder / "auth.ini"
    ini.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'auth.db'}\nadmin_username = {ADMIN[0]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    places = [f"--backend-store-uri=sqlite:///{folder / 'server.db'}", f"--artifacts-destination={folder / 'mlartifacts'}"]
    command = ["-m", "mlflow", "server", "--app-name=basic-auth", "--host=127.0.0.1", f"--port={port}", "--workers=1", *places]
    served = start(
        [sys.executable, *command],
        f"http://127.0.0.1:{port}",
        folder / "mlflow.log",
        {
            "MLFLOW_AUTH_CONFIG_PATH": str(ini),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": "",
        },
    )
    served.wait_for("/health")
    for name, password in PEOPLE.items():
        made = httpx.post(
            f"{served.url}/api/2.0/mlflow/users/create", json={"username": name, "password": password}, auth=ADMIN, timeout=30
        )
        assert made.status_code == 200, made.text
    return Signed(served)
