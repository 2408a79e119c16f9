"""Which artifact locations Podium reads at all: one answer for artifacts, models and lineage. Pure."""

from urllib.parse import urlsplit

from lib.backends.backend import Backend


def unreadable_scheme(location: str, backend: Backend) -> str:
    """The scheme of a location that is not read; empty for folders and for what this very server serves.

    Storage like S3 needs credentials of its own. Another host is never asked: MLflow would send it our credentials. What was logged
    through a server is read only through it, not from its database alone.
    """
    try:
        parts, server = urlsplit(location), urlsplit(backend.uri)
    except ValueError:
        return "unreadable"
    if len(parts.scheme) < 2:  # a single letter is a drive
        return ""
    if parts.scheme == "file":
        return "" if parts.netloc in ("", "localhost") else "file"
    is_proxied = parts.scheme == "mlflow-artifacts" and parts.netloc in ("", server.netloc)
    is_same_server = backend.kind == "server" and (is_proxied or parts[:2] == server[:2])
    return "" if is_same_server else parts.scheme
