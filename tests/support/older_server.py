"""An MLflow server of the last 2.x, in an environment of its own, because two versions of MLflow cannot live in one."""

import subprocess
import sys
from pathlib import Path

from tests.support.browser import Process, free_port, start

VERSION = "2.22.5"
NEEDS = (f"mlflow=={VERSION}", "sqlalchemy<2.1", "setuptools<81")
"""The last two are the newest that this MLflow can still be imported with."""


def serve_older(folder: Path) -> Process:
    """Install it below `folder` and run it on a free port with everything below `folder`. Needs a package registry."""
    folder.mkdir(parents=True, exist_ok=True)
    python, port = folder / "venv" / "bin" / "python", free_port()
    _uv("venv", "--python", sys.executable, str(folder / "venv"))
    _uv("pip", "install", "--python", str(python), *NEEDS)
    store_options = [f"--backend-store-uri=sqlite:///{folder / 'server.db'}", f"--artifacts-destination={folder / 'mlartifacts'}"]
    server = start(
        [str(python), "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", *store_options],
        f"http://127.0.0.1:{port}",
        folder / "mlflow.log",
        {"MLFLOW_TRACKING_URI": "", "PATH": f"{python.parent}:/usr/bin:/bin", "PYTHONPATH": ""},
    )
    server.wait_for("/health")
    return server


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True, timeout=600)
