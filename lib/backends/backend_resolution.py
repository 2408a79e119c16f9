"""Which backend is used, and with which credential: the one order of precedence for pages, command line and jobs.

    backend      a choice: a name in `backends.toml`, an address, or a known store
                 then the address in MLFLOW_TRACKING_URI
                 then mlflow.db in the project folder

    credential   typed in this browser session for the address
                 then the secrets listed for the name; without a name, those already used for the address
                 then the environment: user and password variables, user and password in the address, the token variable
                 (for a database: the password in the chosen address, then in MLFLOW_TRACKING_URI)
                 then for a DagsHub repository the token in DAGSHUB_USER_TOKEN

What the environment holds belongs to one address: that of MLFLOW_TRACKING_URI, or without it that of the backend the process starts
with. Checking that the backend answers is left to `connectivity`.
"""

import os
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from lib.backends import backend_config, dagshub, dagshub_tokens
from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.backend import Backend, backend_from_environment, credentials_in, parse_backend, password_in
from lib.backends.backend_config import OWN_NAME, ConfiguredBackend
from lib.backends.credentials import (
    PASSWORD_VARIABLE,
    TOKEN_VARIABLE,
    USER_VARIABLE,
    Credential,
    create_credential,
    credential_store,
)
from lib.errors import BadInput, PodiumError

BackendOrigin = Literal["choice", "environment", "project"]
UserAndSecret = tuple[str, str]
_URI_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class SessionCredentials:
    """What only a page knows: the credentials typed in its browser session, by address, and the secrets listed for a backend's name.

    `read_secret` returns user and secret, with an empty user for a token, or None.
    """

    typed: Mapping[str, Credential] = field(default_factory=dict, hash=False)
    read_secret: Callable[[str], UserAndSecret | None] = lambda _: None


@dataclass(frozen=True)
class ResolvedBackend:
    """A backend, what named it (`origin`), and its credential, whose `user` and `source` may be shown; None without a sign-in.

    Holding this value keeps a typed credential alive.
    """

    backend: Backend
    origin: BackendOrigin
    credential: Credential | None = None


def resolve_backend(
    choice: str | ConfiguredBackend | Backend,
    environment: MutableMapping[str, str] | None = None,
    session: SessionCredentials | None = None,
) -> ResolvedBackend:
    """Return the backend of a choice with its credential, by the order of this module.

    `choice` is a name or an address as typed, empty or `default` for the process's own backend; an entry of `backends.toml`; or a store
    such as a job's. Credentials are removed from `environment`, which may be shown and inherited afterwards; without one, they have been
    taken before. The registry and the ledger are not touched, but DagsHub is asked for the owner of a token, for at most a few seconds.

    Raises BadInput if the address or its entry is invalid, a variable in it is not set or a credential cannot be sent, NotFound for an
    unknown name.
    """
    configured_backend, origin = _choose_backend(choice, os.environ if environment is None else environment)
    if configured_backend.backend is None:
        raise BadInput(configured_backend.problem, next="Fix backends.toml, or choose another backend.")
    backend = configured_backend.backend.with_principal("")
    if environment is not None:
        _take_credentials(environment, backend, configured_backend.uri)
    credential = _choose_credential(configured_backend, backend, session or SessionCredentials())
    if credential is None:
        return ResolvedBackend(backend, origin)
    credential = dagshub.identify_token_owner(backend.with_principal(credential.principal)) or credential
    return ResolvedBackend(backend.with_principal(credential.principal), origin, credential)


def _choose_backend(
    choice: str | ConfiguredBackend | Backend, environment: MutableMapping[str, str]
) -> tuple[ConfiguredBackend, BackendOrigin]:
    """Return the chosen backend with its name and its address as written, and what named it."""
    if isinstance(choice, ConfiguredBackend):
        return choice, "choice"
    if isinstance(choice, Backend):
        return ConfiguredBackend("", backend=choice), "choice"
    _hide_variables(environment)
    if choice in ("", OWN_NAME):
        origin: BackendOrigin = "environment" if environment.get(_URI_VARIABLE, "").strip() else "project"
        return ConfiguredBackend(OWN_NAME, backend=backend_from_environment(environment, PROJECT_FOLDER)), origin
    if backend_config.NAME_PATTERN.fullmatch(choice):
        config = backend_config.read_config(backend_config.config_path(environment, PROJECT_FOLDER))
        return config.find(choice), "choice"
    return ConfiguredBackend("", uri=choice, backend=parse_backend(choice, Path.cwd())), "choice"


def _hide_variables(environment: MutableMapping[str, str]) -> None:
    """Remove the DagsHub token and each ${NAME} of an address from an environment."""
    texts = [environment.get(_URI_VARIABLE, "")]
    with suppress(PodiumError):  # an unreadable file is reported where it is needed
        config = backend_config.read_config(backend_config.config_path(environment, PROJECT_FOLDER))
        texts += [configured_backend.uri for configured_backend in config.backends]
    credential_store().hide_variables(environment, texts)
    dagshub_tokens.hide_token_variable(environment)


def _take_credentials(environment: MutableMapping[str, str], chosen: Backend, chosen_address: str) -> None:
    """Remove the credentials from an environment and hold them for the one address that they belong to."""
    own_address = environment.get(_URI_VARIABLE, "").strip()
    own_backend = parse_backend(own_address, Path.cwd()) if own_address else chosen
    is_own = own_backend.is_same_store(chosen) and bool(credentials_in(chosen_address) or password_in(chosen_address))
    user_and_secret = _read_user_and_secret(environment, own_backend, chosen_address if is_own else own_address)
    for name in (USER_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE):
        environment.pop(name, None)
    if own_address:
        environment[_URI_VARIABLE] = own_backend.address
    if user_and_secret:
        credential_store().hold(create_credential(own_backend, *user_and_secret, "environment"), OWN_NAME)


def _read_user_and_secret(environment: Mapping[str, str], backend: Backend, address: str) -> UserAndSecret | None:
    """Return user and secret for a backend from the variables of an environment and an address of this backend."""
    if backend.kind != "server":
        return _sign_in_of_address(backend, address)
    if environment.get(USER_VARIABLE) and environment.get(PASSWORD_VARIABLE):
        return environment[USER_VARIABLE], environment[PASSWORD_VARIABLE]
    token = environment.get(TOKEN_VARIABLE, "")
    return _sign_in_of_address(backend, address) or (("", token) if token else None)


def _sign_in_of_address(backend: Backend, address: str) -> UserAndSecret | None:
    """Return user and secret in an address; the password of a database may be ${NAME}. Raises BadInput if that is not set."""
    if backend.kind == "database" and (password := password_in(address)):
        secret = credential_store().expand_variables(password)
        return unquote(urlsplit(backend.uri).username or ""), secret if secret != password else unquote(password)
    user_and_secret = credentials_in(address) if backend.kind == "server" else None
    return user_and_secret if user_and_secret and user_and_secret[1] else None


def _choose_credential(chosen: ConfiguredBackend, backend: Backend, session: SessionCredentials) -> Credential | None:
    """Return the credential for a backend, the first of: typed, secrets, environment, DagsHub token."""
    store = credential_store()
    if typed_credential := session.typed.get(backend.uri):
        return typed_credential
    secret = session.read_secret(chosen.name) if chosen.name and backend.kind in ("server", "database") else None
    if secret:
        credential: Credential | None = store.hold(create_credential(backend, *secret, "secrets"), chosen.name)
    elif not chosen.name:
        credential = _choose_environment_credential(chosen, backend, store.find_held_for_address(backend.uri))
    else:
        credential = _choose_environment_credential(chosen, backend, store.find_held(backend.uri, "environment", OWN_NAME))
    if credential is None and (token := dagshub_tokens.read_environment_token(backend)):
        credential = store.hold(create_credential(backend, "", token, "environment"), chosen.name)
    return store.with_known_user(credential) if credential else None


def _choose_environment_credential(
    chosen: ConfiguredBackend, backend: Backend, held_credential: Credential | None
) -> Credential | None:
    """Return the credential held for a backend, or the one in its chosen address: for a database the address comes first."""
    if held_credential and backend.kind != "database":
        return held_credential
    user_and_secret = _sign_in_of_address(backend, chosen.uri)
    if user_and_secret is None:
        return held_credential
    return credential_store().hold(create_credential(backend, *user_and_secret, "environment"), chosen.name)
