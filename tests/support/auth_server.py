"""A real MLflow server with users, and people on it: each acts in a process of its own, signed in by its environment.

Users are `ana`, `ben` and `rae`, with the password `password()` gives; `admin` administers. Everybody may read what others make.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lib.backends.backend import Backend
from lib.backends.credentials import create_credential
from lib.errors import PodiumError
from tests.support.browser import Process, free_port, start
from tests.support.ledger_workers import processes

PEOPLE = ("ana", "ben", "rae")
ADMIN = "admin"
_CONFIG = """[mlflow]
default_permission = {default}
database_uri = sqlite:///{folder}/users.db
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""


@dataclass
class Signed:
    """A running server that asks for a sign-in."""

    process: Process

    @property
    def backend(self) -> Backend:
        """The server, asked by nobody yet."""
        return Backend(self.process.url, "server")


def password(name: str) -> str:
    """The password of a user, different for each."""
    return f"{name}-likes-@:/%-and-long-passwords"


def serve_with_users(folder: Path, default: str = "READ") -> Process:
    """Run `mlflow server --app-name basic-auth` on a free port, with its users made."""
    folder.mkdir(parents=True, exist_ok=True)
    config, port = folder / "auth.ini", free_port()
    config.write_text(_CONFIG.format(folder=folder, default=default))
    server = start(
        [
            *(
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--app-name=basic-auth",
                "--host=127.0.0.1",
                f"--port={port}",
                "--workers=1",
            ),
            f"--backend-store-uri=sqlite:///{folder / 'server.db'}",
            f"--artifacts-destination={folder / 'mlartifacts'}",
        ],
        f"http://127.0.0.1:{port}",
        folder / "mlflow.log",
        {
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only-for-tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_TRACKING_URI": "",
        },
    )
    server.wait_for("/health")
    acting(ADMIN, make_users, server.url)
    return server


def make_users(uri: str) -> None:
    """Make the users; to be done by the administrator."""
    from mlflow.server.auth.client import AuthServiceClient

    for name in PEOPLE:
        AuthServiceClient(uri).create_user(name, password(name))


def run_code(code: str) -> None:
    """Run Python as somebody pasted it."""
    exec(code, {})


def acting(name: str, action, *args):
    """Let a person do something in a process of their own; gives what it returned, and raises what it raised."""
    answers = processes.Queue()
    child = processes.Process(target=_act, args=(name, action, args, answers))
    child.start()
    kind, value = answers.get(timeout=120)
    child.join()
    if kind == "error":
        raise value
    assert kind == "done", value
    return value


def _act(name, action, args, answers) -> None:
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = name, password(name)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    credentials = [create_credential(argument, name, password(name)) for argument in args if isinstance(argument, Backend)]
    signed_arguments = [
        argument.with_principal(credentials[0].principal) if isinstance(argument, Backend) else argument for argument in args
    ]
    try:
        answers.put(("done", action(*signed_arguments)))
    except PodiumError as error:
        answers.put(("error", error))
    except BaseException as error:
        answers.put(("crash", repr(error)))
        raise
