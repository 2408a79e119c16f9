"""The commands keys …: list, trust, distrust and rotate the keys that sign the record."""

import os
from typing import TYPE_CHECKING, Any

import click

from lib.cli.context import CommandContext, clock, command
from lib.errors import NotFound

if TYPE_CHECKING:
    from lib.ledger.chain.signatures import KnownKey


@click.group("keys")
def keys() -> None:
    """The keys that sign the record: this Podium's own, and those of others that are trusted here."""


@command("list")
def list_keys(context: CommandContext) -> None:
    """List the known keys, starting with the one this Podium signs with."""
    from lib.ledger.storage.key_trust import read_trusted_keys

    _print_keys(context, read_trusted_keys(os.environ).keys)


@command("show")
@click.argument("fingerprint", required=False)
def show(context: CommandContext, fingerprint: str | None) -> None:
    """Show the key with this FINGERPRINT, or the one this Podium signs with."""
    from lib.ledger.chain.signatures import parse_fingerprint
    from lib.ledger.storage.key_trust import find_current_key, read_trusted_keys

    if not fingerprint:
        return _print_keys(context, (find_current_key(os.environ),))
    key = read_trusted_keys(os.environ).find(parse_fingerprint(fingerprint))
    if key is None:
        raise NotFound("No key with this fingerprint is known here.", means="", next="Run keys list to see the known keys.")
    return _print_keys(context, (key,))


@command("trust")
@click.argument("fingerprint")
@click.option("--name", required=True, help="Display name of the owner of the key.")
def trust(context: CommandContext, fingerprint: str, name: str) -> None:
    """Trust the key with this FINGERPRINT: names it vouches for are shown as verified."""
    from lib.ledger.storage.key_trust import trust_key

    _print_keys(context, (trust_key(os.environ, fingerprint, name, clock()),))


@command("distrust")
@click.argument("fingerprint")
def distrust(context: CommandContext, fingerprint: str) -> None:
    """Distrust this key: every name it signed is shown as a claim, no matter when it was written."""
    from lib.ledger.storage.key_trust import distrust_key

    _print_keys(context, (distrust_key(os.environ, fingerprint, clock()),))


@command("rotate")
def rotate(context: CommandContext) -> None:
    """Create a new key for this Podium. Entries signed with earlier keys stay trusted."""
    from lib.ledger.storage.key_trust import find_current_key
    from lib.ledger.storage.signing_keys import create_signer, rotate_key

    rotate_key(create_signer(os.environ, clock))
    _print_keys(context, (find_current_key(os.environ),))


for _command in (list_keys, show, trust, distrust, rotate):
    keys.add_command(_command)
COMMANDS = (keys,)


def _print_keys(context: CommandContext, known_keys: "tuple[KnownKey, ...]") -> None:
    lines = [_key_line(key) for key in known_keys] or ["No key yet. This Podium creates one with its first entry."]
    context.print_result({"keys": [_key_to_json(key) for key in known_keys]}, lines)


def _key_to_json(key: "KnownKey") -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "name": key.name,
        "own": key.is_own,
        "trusted": key.is_trusted,
        "since": key.since or None,
    }


def _key_line(key: "KnownKey") -> str:
    since = f", since {key.since[:16]}Z" if key.since else ""
    return f"{key.fingerprint}  {key.name}{'' if key.is_trusted else ', not trusted'}{since}"
