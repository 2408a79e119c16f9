"""Plain MLflow calls as a script that runs as it is shown: the import, a client with both URIs, and what the address needs. Pure."""

from collections.abc import Iterable


def client_snippet(uri: str, calls: Iterable[str], *, imports: Iterable[str] = ()) -> str:
    """A script that makes a client for a backend and sends these calls through it, one a line. `imports` are what the calls need."""
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
    """What a script needs first on a file store, which MLflow opens only on request; nothing for any other address."""
    return ["import os", "", 'os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"'] if uri.startswith("file:") else []
