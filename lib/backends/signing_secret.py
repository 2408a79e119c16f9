"""The signing key set by Podium's operator: removed from the environment at the start of the app and of every command.

After that the environment is safe to show and to inherit: no demo, server, git or other child process gets the key or its location.
The use of the key, and the default if none is set, is left to `lib.ledger.storage.signing_keys`.
"""

from collections.abc import MutableMapping

from lib.backends.credentials import credential_store

KEY_VARIABLE, KEY_FILE_VARIABLE = "PODIUM_SIGNING_KEY", "PODIUM_SIGNING_KEY_FILE"


def take_from_environment(environment: MutableMapping[str, str]) -> None:
    """Remove the key and the name of its file from an environment; only `given_value` returns them then."""
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE):
        if value := environment.pop(name, "").strip():
            credential_store().hold_signing_value(name, value)


def given_value(name: str) -> str:
    """Return the value of one of the two variables; empty if it was not set. `PODIUM_SIGNING_KEY` is a secret: never show it."""
    return credential_store().signing_value(name)
