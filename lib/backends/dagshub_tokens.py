"""Where DagsHub's tokens come from: the environment, and, when somebody asks for it, the file in which DagsHub's client keeps them.

The file is read and never changed. What is typed or stands in Streamlit's secrets is left to the pages.
"""

import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lib.backends import credentials, dagshub
from lib.backends.backend import Backend
from lib.errors import BadInput, NotFound

DAGSHUB_TOKEN_VARIABLE = "DAGSHUB_USER_TOKEN"
_TOKEN_CACHE_VARIABLE = "DAGSHUB_CLIENT_TOKENS_CACHE"
_TOKEN_TYPES = ("app-token", "bearer")
"""The client's own order: tokens made for programs before those of a browser sign-in."""


def hide_token_variable(environment: MutableMapping[str, str]) -> None:
    """Take the token out of an environment. From then on it goes to DagsHub's host only, and no child inherits it."""
    credentials.hide_variables(environment, [f"${{{DAGSHUB_TOKEN_VARIABLE}}}"])


def attach_credential_or_token(backend: Backend) -> Backend:
    """The backend, asked with what this process holds: for a repository of DagsHub also with the token of the environment.

    A token alone becomes user and token as soon as DagsHub says whose it is. Raises BadInput for a token that cannot be sent.
    """
    attached_backend = credentials.attach_credential(backend)
    if not attached_backend.principal and dagshub.repository_of(backend) and (token := _read_environment_token()):
        credentials.store_credential(credentials.create_credential(backend, "", token, "environment"))
        attached_backend = credentials.attach_credential(backend)
    credential = dagshub.identify_token_owner(attached_backend)
    return attached_backend.with_principal(credential.principal) if credential else attached_backend


def read_cached_token(at: datetime, environment: Mapping[str, str] = os.environ) -> str:
    """The token that DagsHub's client keeps on this machine for this host, the one it would take itself.

    Raises NotFound when there is none that is still valid at `at`, BadInput when the file cannot be read.
    """
    host = dagshub.host_url(environment)
    rows = _read_token_cache(_token_cache_path(environment)).get(host)
    valid = [row for row in rows if _is_valid(row, at)] if isinstance(rows, list) else []
    valid.sort(key=lambda row: _TOKEN_TYPES.index(row["token_type"]))
    if not valid:
        raise NotFound(
            f"The dagshub client keeps no valid token for {host} on this machine.",
            next="Sign in with it once (dagshub login), or paste a token here.",
        )
    return str(valid[0]["access_token"])


def _read_environment_token() -> str:
    with suppress(BadInput):  # not set
        return credentials.expand_variables(f"${{{DAGSHUB_TOKEN_VARIABLE}}}").strip()
    return ""


def _token_cache_path(environment: Mapping[str, str]) -> Path:
    from dagshub.common import config

    return Path(environment.get(_TOKEN_CACHE_VARIABLE, "").strip() or config.DEFAULT_TOKENS_CACHE_LOCATION)


def _read_token_cache(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(
            f"The file in which dagshub keeps tokens cannot be read ({type(error).__name__}).", next="Paste a token instead."
        ) from None  # what stands in it could be shown
    return document if isinstance(document, dict) else {}


def _is_valid(row: object, at: datetime) -> bool:
    """A token of a kind we know that has not run out. A time that cannot be read is left for DagsHub to judge."""
    if not isinstance(row, dict) or row.get("token_type") not in _TOKEN_TYPES or not row.get("access_token"):
        return False
    try:
        expires_at = datetime.fromisoformat(str(row.get("expiry")))
    except ValueError:  # "never"
        return True
    return (expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)) > at
