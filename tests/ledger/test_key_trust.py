"""Trusted keys: the own key and earlier ones, those in the file, and no distrusted one."""

import os

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lib.backends import signing_secret
from lib.backends.app_files import PROJECT_FOLDER, podium_home
from lib.errors import ActionRefused, BadInput, NotFound
from lib.ledger.chain.signatures import NO_KEYS
from lib.ledger.storage.key_trust import (
    distrust_key,
    find_current_key,
    read_trusted_keys,
    read_trusted_keys_or_none,
    trust_key,
)
from lib.ledger.storage.signing_keys import rotate_key
from tests.support.entry_signing import fingerprint_of, make_private_key, make_signer
from tests.support.ledger_stores import make_writer

BEN = fingerprint_of(make_private_key("ben"))


@pytest.fixture
def home(tmp_path):
    return tmp_path / "podium"


@pytest.fixture
def environment(home):
    return {"PODIUM_HOME": str(home)}


@pytest.fixture
def now():
    return make_writer(None).clock()


def test_a_podium_that_has_written_nothing_trusts_nobody_and_makes_no_key(environment, home):
    assert read_trusted_keys(environment) == NO_KEYS
    with pytest.raises(NotFound, match="no key yet"):
        find_current_key(environment)
    assert not home.exists()


def test_own_keys_are_trusted_the_present_one_first(environment, home):
    signer = make_signer(home)
    fingerprints = [fingerprint_of(signer.load_key())]
    for _ in range(2):
        fingerprints.insert(0, rotate_key(signer).fingerprint)
    keys = read_trusted_keys(environment).keys
    assert {key.fingerprint for key in keys} == set(fingerprints)
    assert keys[0] == find_current_key(environment)
    assert (keys[0].fingerprint, keys[0].name) == (fingerprints[0], "this Podium")
    assert all(key.is_own and key.is_trusted and key.since for key in keys)


def test_a_key_that_was_lost_is_trusted_for_what_it_signed(environment, home):
    fingerprint = fingerprint_of(make_signer(home).load_key())
    (home / "keys" / "signing.pem").unlink()
    assert read_trusted_keys(environment).trusts(fingerprint)
    assert fingerprint_of(make_signer(home).load_key()) != fingerprint
    assert read_trusted_keys(environment).trusts(fingerprint)


def test_a_key_that_cannot_be_read_leaves_the_others_trusted(environment, home):
    fingerprint = fingerprint_of(make_signer(home).load_key())
    (home / "keys" / "signing.pem").write_text("nonsense")
    assert [key.fingerprint for key in read_trusted_keys(environment).keys] == [fingerprint]


def test_a_given_key_is_trusted_though_it_was_recorded_nowhere(environment, home):
    key = make_private_key("given")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signing_secret.take_from_environment({"PODIUM_SIGNING_KEY": pem})
    assert find_current_key(environment).fingerprint == fingerprint_of(key)
    assert read_trusted_keys(environment).trusts(fingerprint_of(key))
    assert not home.exists()


def test_others_are_trusted_by_the_fingerprint_in_the_file(environment, now):
    key = trust_key(environment, BEN.rstrip("="), " ben's\u202elaptop ", now)
    assert (key.fingerprint, key.name, key.is_own, key.is_trusted) == (BEN, "ben's laptop", False, True)
    assert read_trusted_keys(environment).trusts(BEN)
    assert not distrust_key(environment, BEN, now).is_trusted
    assert not read_trusted_keys(environment).trusts(BEN)
    assert read_trusted_keys(environment).find(BEN).name == "ben's laptop"
    assert trust_key(environment, BEN, "ben", now).is_trusted


def test_a_key_under_anything_but_its_whole_fingerprint_is_not_trusted(environment, home):
    home.mkdir()
    lines = [f'"{BEN[:-2]}" = "short"', f'"{BEN.lower()}" = "small"', '"*" = "all"', '"" = "none"']
    (home / "backends.toml").write_text("[keys]\n" + "\n".join(lines))
    assert not read_trusted_keys(environment).trusts(BEN)
    assert [key.fingerprint for key in read_trusted_keys(environment).keys if key.is_trusted and "*" in key.fingerprint] == []


def test_an_earlier_key_of_ones_own_can_be_distrusted_the_present_one_only_after_a_new_one(environment, home, now):
    signer = make_signer(home)
    fingerprint = fingerprint_of(signer.load_key())
    with pytest.raises(ActionRefused, match="signs with that key") as caught:
        distrust_key(environment, fingerprint, now)
    assert "keys rotate" in caught.value.next
    rotate_key(signer)
    distrust_key(environment, fingerprint, now)
    keys = read_trusted_keys(environment)
    assert (keys.trusts(fingerprint), keys.trusts(find_current_key(environment).fingerprint)) == (False, True)
    assert keys.find(fingerprint).is_own


def test_a_shared_podium_is_trusted_by_its_file_alone(environment, home, now):
    home.mkdir()
    (home / "backends.toml").write_text(f'shared = true\n[keys]\n"{BEN}" = "ben"\n')
    assert read_trusted_keys(environment).trusts(BEN)
    for change in (lambda: trust_key(environment, BEN, "x", now), lambda: distrust_key(environment, BEN, now)):
        with pytest.raises(ActionRefused, match="shared"):
            change()
    assert read_trusted_keys(environment).trusts(BEN)


def test_while_the_file_cannot_be_read_nobody_is_trusted(environment, home, now):
    fingerprint = fingerprint_of(make_signer(home).load_key())
    (home / "backends.toml").write_text("keys = [")
    with pytest.raises(BadInput):
        read_trusted_keys(environment)
    assert not read_trusted_keys_or_none(environment).trusts(fingerprint)


@pytest.mark.parametrize("text", ["", "SHA256:", "ana", BEN[7:]])
def test_what_is_no_fingerprint_is_refused(environment, now, text):
    with pytest.raises(BadInput, match="fingerprint"):
        trust_key(environment, text, "ana", now)
    with pytest.raises(BadInput, match="fingerprint"):
        distrust_key(environment, text, now)


def test_no_test_works_in_the_folder_of_the_person_who_runs_it():
    home = podium_home(os.environ)
    assert (home.name.startswith("podium-tests-"), PROJECT_FOLDER in home.parents) == (True, False)
    assert signing_secret.given_value("PODIUM_SIGNING_KEY") == ""
