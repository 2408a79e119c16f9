"""Plain MLflow calls as a script that runs as it is shown: the import, a client with both URIs, and what the address needs. Pure."""

from collections.abc import Iterable


def client_snippet(uri: str, calls: Iterable[str]) -> str:
    """A script that makes a client for a backend and sends these calls through it, one a line."""
    file_store_lines = ["import os", "", 'os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"'] if uri.startswith("file:") else []
    lines = [
        *file_store_lines,
        "from mlflow import MlflowClient",
        "",
        f"client = MlflowClient(tracking_uri={uri!r}, registry_uri={uri!r})",
        *calls,
    ]
    return "\n".join(lines) + "\n"
