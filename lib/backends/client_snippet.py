"""Plain MLflow calls as a runnable script: imports, a client with both URIs, and any setup the address needs. Pure."""

from collections.abc import Iterable


def client_snippet(uri: str, calls: Iterable[str], *, imports: Iterable[str] = ()) -> str:
    """Return a script that creates a client for a backend and runs these calls, one per line. `imports` are extra import lines."""
    lines = [
        *file_store_lines(uri),
        *imports,
        "from mlflow import MlflowClient",
        "",
        f"client = MlflowClient(tracking_uri={uri!r}, registry_uri={uri!r})",
        *calls,
    ]
    return "\n".join(lines) + "\n"


def file_store_lines(uri: str) -> list[str]:
    """Return the setup lines for a file store, which MLflow opens only on request; empty for any other address."""
    return ["import os", "", 'os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"'] if uri.startswith("file:") else []
