"""Which artifact locations Podium reads: one rule for artifacts, models and lineage. Pure."""

from urllib.parse import urlsplit

from lib.backends.backend import Backend


def unreadable_scheme(location: str, backend: Backend) -> str:
    """Return the scheme of a location that Podium does not read; empty for folders and for artifacts served by this server.

    Storage like S3 needs credentials of its own. Other hosts are never contacted because MLflow would send them our credentials.
    Artifacts logged through a server are read only through it, not from its database alone.
    """
    try:
        parts, server = urlsplit(location), urlsplit(backend.uri)
    except ValueError:
        return "unreadable"
    if len(parts.scheme) < 2:  # a single letter is a Windows drive
        return ""
    if parts.scheme == "file":
        return "" if parts.netloc in ("", "localhost") else "file"
    is_proxied = parts.scheme == "mlflow-artifacts" and parts.netloc in ("", server.netloc)
    is_same_server = backend.kind == "server" and (is_proxied or parts[:2] == server[:2])
    return "" if is_same_server else parts.scheme
