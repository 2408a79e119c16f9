"""Sources of DagsHub tokens: the environment and, on request, the token file of DagsHub's client.

The file is read and never changed. Typed tokens and Streamlit secrets are left to the pages,
and which of them is used to `backend_resolution`.
"""

import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lib.backends import dagshub
from lib.backends.backend import Backend
from lib.backends.credentials import credential_store
from lib.errors import BadInput, NotFound

DAGSHUB_TOKEN_VARIABLE = "DAGSHUB_USER_TOKEN"
_TOKEN_CACHE_VARIABLE = "DAGSHUB_CLIENT_TOKENS_CACHE"
_TOKEN_TYPES = ("app-token", "bearer")
"""The client's own order: tokens for programs before those of a browser sign-in."""


def hide_token_variable(environment: MutableMapping[str, str]) -> None:
    """Remove the token from an environment. From then on it is sent to DagsHub's host only and not inherited by child processes."""
    credential_store().hide_variables(environment, [f"${{{DAGSHUB_TOKEN_VARIABLE}}}"])


def read_environment_token(backend: Backend) -> str:
    """Return the environment's token for a DagsHub repository; empty for any other backend, or if it is not set."""
    if dagshub.repository_of(backend):
        with suppress(BadInput):  # not set
            return credential_store().expand_variables(f"${{{DAGSHUB_TOKEN_VARIABLE}}}").strip()
    return ""


def read_cached_token(at: datetime, environment: Mapping[str, str] = os.environ) -> str:
    """Return the token that DagsHub's client has stored on this machine for this host and would use itself.

    Raises NotFound if none is valid at `at`, BadInput if the file cannot be read.
    """
    host = dagshub.host_url(environment)
    rows = _read_token_cache(_token_cache_path(environment)).get(host)
    valid = [row for row in rows if _is_valid(row, at)] if isinstance(rows, list) else []
    valid.sort(key=lambda row: _TOKEN_TYPES.index(row["token_type"]))
    if not valid:
        raise NotFound(
            f"The dagshub client has no valid token for {host} on this machine.",
            next="Run dagshub login once, or paste a token here.",
        )
    return str(valid[0]["access_token"])


def _token_cache_path(environment: Mapping[str, str]) -> Path:
    from dagshub.common import config

    return Path(environment.get(_TOKEN_CACHE_VARIABLE, "").strip() or config.DEFAULT_TOKENS_CACHE_LOCATION)


def _read_token_cache(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(
            f"The token file of the dagshub client cannot be read ({type(error).__name__}).", next="Paste a token instead."
        ) from None  # its content could be shown
    return document if isinstance(document, dict) else {}


def _is_valid(row: object, at: datetime) -> bool:
    """Whether a token is of a known kind and not expired. If the expiry cannot be parsed, DagsHub decides."""
    if not isinstance(row, dict) or row.get("token_type") not in _TOKEN_TYPES or not row.get("access_token"):
        return False
    try:
        expires_at = datetime.fromisoformat(str(row.get("expiry")))
    except ValueError:  # "never"
        return True
    return (expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)) > at
