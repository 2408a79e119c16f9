"""The keys known to this Podium (its own, present and earlier, and those in `backends.toml`), and changes of trust."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lib.backends.app_files import PROJECT_FOLDER, podium_home
from lib.backends.backend_config import config_path
from lib.backends.key_config import ConfiguredKey, read_configured_keys, write_configured_key
from lib.errors import ActionRefused, BadInput, NotFound, NotWritable
from lib.ledger.chain.signatures import NO_KEYS, KnownKey, TrustedKeys, key_fingerprint, parse_fingerprint
from lib.ledger.entry.timestamps import format_timestamp
from lib.ledger.storage.signing_keys import OwnKey, read_current_key, read_own_keys

OWN_KEY_NAME, EARLIER_KEY_NAME = "this Podium", "this Podium, earlier"


def read_trusted_keys(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> TrustedKeys:
    """The known keys: the one this Podium signs with, its earlier ones, then others in the order of the file.

    Creates no key. Raises BadInput if `backends.toml` cannot be read.
    """
    home, configured_keys = podium_home(environment, project), _read_configured_keys(environment, project)
    current_key = ""
    with suppress(NotWritable):  # an unusable key signs nothing new; writers get the error
        current_key = read_current_key(home)
    own_keys = read_own_keys(home)
    if current_key and current_key not in {key.public_key for key in own_keys}:
        own_keys = (OwnKey(current_key), *own_keys)
    own_keys = tuple(sorted(own_keys, key=lambda key: key.public_key != current_key))
    own = [_known_own_key(key, current_key, configured_keys.get(key.fingerprint)) for key in own_keys]
    own_fingerprints = {key.fingerprint for key in own}
    others = [
        KnownKey(key.fingerprint, key.name, is_trusted=key.is_trusted, since=key.since)
        for fingerprint, key in configured_keys.items()
        if fingerprint not in own_fingerprints
    ]
    return TrustedKeys((*own, *others))


def read_trusted_keys_or_none(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> TrustedKeys:
    """The same for display: if `backends.toml` cannot be read, no key is trusted, because it may distrust any."""
    try:
        return read_trusted_keys(environment, project)
    except BadInput:
        return NO_KEYS


def read_process_keys() -> TrustedKeys:
    """The keys known to this process by its environment; none if `backends.toml` cannot be read."""
    return read_trusted_keys_or_none(os.environ)


def find_current_key(environment: Mapping[str, str], project: Path = PROJECT_FOLDER) -> KnownKey:
    """The key this Podium signs with. Raises NotFound if it has none yet, NotWritable if it cannot be used."""
    fingerprint = key_fingerprint(read_current_key(podium_home(environment, project)))
    key = read_trusted_keys(environment, project).find(fingerprint)
    if key is None:
        raise NotFound("This Podium has no key yet.", means="", next="It is created with the first entry, or by keys rotate.")
    return key


def trust_key(environment: Mapping[str, str], fingerprint: str, name: str, at: datetime) -> KnownKey:
    """Trust the key with this fingerprint from now on, whatever it signed and when. Returns it.

    Raises BadInput for an invalid fingerprint, ActionRefused if Podium is shared, NotWritable, Busy.
    """
    return _write_trust(environment, ConfiguredKey(parse_fingerprint(fingerprint), name, since=format_timestamp(at)))


def distrust_key(environment: Mapping[str, str], fingerprint: str, at: datetime) -> KnownKey:
    """Show everything under this key as a claim from now on, whenever it was written, because times are claims, too. Returns it.

    Raises ActionRefused for the key this Podium signs with and if Podium is shared, BadInput, NotWritable, Busy.
    """
    parsed_fingerprint = parse_fingerprint(fingerprint)
    with suppress(NotWritable):
        if parsed_fingerprint == key_fingerprint(read_current_key(podium_home(environment))):
            raise ActionRefused(
                "This Podium signs with that key.", next="First create a new one with keys rotate, then distrust this one."
            )
    key = read_trusted_keys(environment).find(parsed_fingerprint)
    name = (key.name if key else "") or "distrusted"
    return _write_trust(environment, ConfiguredKey(parsed_fingerprint, name, is_trusted=False, since=format_timestamp(at)))


def _write_trust(environment: Mapping[str, str], key: ConfiguredKey) -> KnownKey:
    write_configured_key(config_path(environment, PROJECT_FOLDER), key)
    known_key = read_trusted_keys(environment).find(key.fingerprint)
    assert known_key is not None
    return known_key


def _read_configured_keys(environment: Mapping[str, str], project: Path) -> dict[str, ConfiguredKey]:
    """Fingerprint → its entry in the file; entries without a valid fingerprint are skipped."""
    configured_keys = dict[str, ConfiguredKey]()
    for key in read_configured_keys(config_path(environment, project)):
        with suppress(BadInput):
            configured_keys[parse_fingerprint(key.fingerprint)] = ConfiguredKey(
                parse_fingerprint(key.fingerprint), key.name, key.is_trusted, key.since
            )
    return configured_keys


def _known_own_key(key: OwnKey, current_key: str, configured_key: ConfiguredKey | None) -> KnownKey:
    name = OWN_KEY_NAME if key.public_key == current_key else EARLIER_KEY_NAME
    is_trusted = configured_key is None or configured_key.is_trusted
    return KnownKey(key.fingerprint, name, is_own=True, is_trusted=is_trusted, since=key.since, public_key=key.public_key)
