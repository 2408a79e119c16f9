"""The signing key that whoever runs Podium gives it: taken out of the environment at the start of the app and of every command.

From then on the environment can be shown and inherited: no demo, server, git or other child of Podium gets the key, or is told where
it is. What the key is for, and what stands in for one that was not given, is left to `lib.ledger.storage.signing_keys`.
"""

from collections.abc import MutableMapping

KEY_VARIABLE, KEY_FILE_VARIABLE = "PODIUM_SIGNING_KEY", "PODIUM_SIGNING_KEY_FILE"
_HIDDEN_VALUES: dict[str, str] = {}


def take_from_environment(environment: MutableMapping[str, str]) -> None:
    """Take the key, and the name of its file, out of an environment, to be had by `given_value` only."""
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE):
        if value := environment.pop(name, "").strip():
            _HIDDEN_VALUES[name] = value


def given_value(name: str) -> str:
    """What one of the two variables held; empty when it was not set. `PODIUM_SIGNING_KEY` is a secret: never to be shown."""
    return _HIDDEN_VALUES.get(name, "")
