"""The key of a Podium: created once at the first signature, never half-written, read from a mounted secret, never in any text."""

import json
import os
import stat
import subprocess
import threading
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from lib.backends import signing_secret
from lib.backends.credentials import CredentialStore, use_store
from lib.errors import ActionRefused, NotWritable
from lib.ledger.chain.entry_signatures import entry_fingerprint, signature_findings
from lib.ledger.state.book_lookup import ModelIncarnation
from lib.ledger.storage import signing_keys
from lib.ledger.storage.book import Writer, append, read_book
from lib.ledger.storage.book_index import ensure_book
from lib.ledger.storage.signing_keys import create_signer, read_current_key, read_own_keys, rotate_key
from tests.support.entry_signing import fingerprint_of, key_text_of, make_private_key, make_signer
from tests.support.ledger_factories import make_opened
from tests.support.ledger_stores import make_writer
from tests.support.ledger_workers import load_signing_key, run_together

KEY = make_private_key("a mounted secret")


def to_pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path):
    """The folder of a Podium that has written nothing yet; it does not exist."""
    return tmp_path / "podium"


@pytest.fixture
def key_file(home):
    """The file of the key created by this Podium."""
    make_signer(home).load_key()
    return home / "keys" / "signing.pem"


def give_key(**variables):
    signing_secret.take_from_environment(dict(variables))


def test_a_key_is_made_at_the_first_signature_for_this_login_alone(home):
    signer = make_signer(home)
    assert read_current_key(home) == ""
    assert not home.exists()
    key = signer.load_key()
    assert (mode_of(home / "keys"), mode_of(home / "keys" / "signing.pem")) == (0o700, 0o600)
    assert fingerprint_of(make_signer(home).load_key()) == fingerprint_of(key)
    assert [own_key.public_key for own_key in read_own_keys(home)] == [key_text_of(key)]


def test_of_several_processes_that_sign_first_at_once_one_makes_the_key_and_the_others_read_it(home):
    fingerprints = run_together(load_signing_key, [(str(home),)] * 8)
    assert set(fingerprints) == {fingerprint_of(make_signer(home).load_key())}
    assert sorted(file.suffix for file in (home / "keys").iterdir() if not file.name.startswith(".")) == [".json", ".pem"]


def test_of_several_threads_too(home):
    fingerprints = []
    threads = [
        threading.Thread(target=lambda: fingerprints.append(fingerprint_of(make_signer(home).load_key()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(fingerprints), len(set(fingerprints))) == (8, 1)


def test_a_key_that_could_not_be_written_whole_is_not_there(home, monkeypatch):
    def fill_the_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill_the_disk)
    with pytest.raises(NotWritable, match="No space left"):
        make_signer(home).load_key()
    assert [file.name for file in (home / "keys").iterdir()] == [".lock"]
    monkeypatch.undo()
    assert make_signer(home).load_key()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda file: file.chmod(0o644), "read by other users"),
        (lambda file: file.chmod(0o660), "read by other users"),
        (lambda file: file.write_bytes(b""), "not an unencrypted Ed25519 key"),
        (lambda file: file.write_bytes(file.read_bytes()[:70]), "not an unencrypted Ed25519 key"),
        (lambda file: file.write_bytes(os.urandom(200)), "not an unencrypted Ed25519 key"),
        (lambda file: file.write_bytes(b"x" * 20_000), "not a key file"),
        (lambda file: file.write_bytes(to_pem(generate_private_key(65537, 2048))), "not an unencrypted Ed25519 key"),
        (lambda file: file.write_bytes(to_pem(KEY, BestAvailableEncryption(b"pw"))), "not an unencrypted Ed25519 key"),
        (lambda file: (file.rename(file.with_name("x")), file.symlink_to(file.with_name("x"))), "cannot be read"),
        (lambda file: (file.unlink(), file.mkdir()), "not a key file"),
        (lambda file: (file.unlink(), os.mkfifo(file, 0o600)), "not a key file"),
    ],
    ids=["readable", "group", "empty", "cut", "noise", "huge", "RSA", "encrypted", "link", "folder", "pipe"],
)
def test_a_key_that_cannot_be_used_is_said_and_nothing_is_written(fresh_store, home, key_file, damage, problem):
    damage(key_file)
    book_id = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id
    with pytest.raises(NotWritable, match=problem) as caught:
        append(
            Writer(fresh_store, make_writer(fresh_store).actor, make_writer(fresh_store).clock, make_signer(home)),
            book_id,
            lambda _: make_opened(),
        )
    assert "writes nothing" in str(caught.value)
    assert read_book(fresh_store, book_id).book.head == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_without_a_right_to_read_it_is_said(key_file, home):
    key_file.chmod(0)
    with pytest.raises(NotWritable, match="Permission denied"):
        make_signer(home).load_key()


@pytest.mark.parametrize(
    "prepare",
    [
        lambda home: home.write_text("a file"),
        lambda home: (home.mkdir(), (home / "keys").write_text("a file")),
        lambda home: (home.mkdir(), (home / "keys").mkdir(), (home / "keys").chmod(0o777)),
        lambda home: (home.mkdir(), home.with_name("x").mkdir(), (home / "keys").symlink_to(home.with_name("x"))),
    ],
    ids=["home is a file", "keys is a file", "anybody may write", "keys is a link"],
)
def test_a_folder_that_is_none_of_this_login_gets_no_key(home, prepare):
    prepare(home)
    with pytest.raises(NotWritable):
        make_signer(home).load_key()
    assert not (home / "keys" / "signing.pem").exists() or home.is_file()


# Provided keys


def test_a_mounted_secret_is_used_through_its_link_and_makes_no_key(home, tmp_path):
    secret = tmp_path / "..data.pem"
    secret.write_bytes(to_pem(KEY))
    secret.chmod(0o644)
    (tmp_path / "key.pem").symlink_to(secret)
    give_key(PODIUM_SIGNING_KEY_FILE=str(tmp_path / "key.pem"), PODIUM_SIGNING_KEY="not asked")
    assert fingerprint_of(make_signer(home, is_ci=True).load_key()) == fingerprint_of(KEY)
    assert not (home / "keys" / "signing.pem").exists()
    assert [key.fingerprint for key in read_own_keys(home)] == [fingerprint_of(KEY)]


@pytest.mark.parametrize("text", [to_pem(KEY).decode(), to_pem(KEY).decode().replace("\n", "\\n")], ids=["lines", "one line"])
def test_a_key_in_a_variable_is_used_and_is_gone_from_the_environment(home, text):
    environment = {"PODIUM_SIGNING_KEY": text, "PODIUM_SIGNING_KEY_FILE": "", "PODIUM_HOME": str(home)}
    signing_secret.take_from_environment(environment)
    assert environment == {"PODIUM_HOME": str(home)}
    assert fingerprint_of(make_signer(home).load_key()) == fingerprint_of(KEY)


def test_a_given_key_signs_also_where_nothing_can_be_kept(tmp_path):
    give_key(PODIUM_SIGNING_KEY=to_pem(KEY).decode())
    (tmp_path / "home").write_text("no folder")
    assert fingerprint_of(make_signer(tmp_path / "home").load_key()) == fingerprint_of(KEY)


@pytest.mark.parametrize("name", ["nowhere.pem", "empty.pem", "open.pem", "."])
def test_a_given_file_that_is_no_key_never_makes_podium_take_another(home, tmp_path, name):
    (tmp_path / "empty.pem").write_bytes(b"")
    (tmp_path / "open.pem").write_bytes(to_pem(KEY))
    (tmp_path / "open.pem").chmod(0o666)
    give_key(PODIUM_SIGNING_KEY_FILE=str(tmp_path / name), PODIUM_SIGNING_KEY=to_pem(KEY).decode())
    with pytest.raises(NotWritable, match="PODIUM_SIGNING_KEY_FILE"):
        make_signer(home).load_key()
    assert not (home / "keys" / "signing.pem").exists()


@pytest.mark.parametrize("ending", ["", "\udcff"], ids=["another label", "no UTF-8"])
def test_no_error_holds_any_of_the_key_that_was_given(home, ending):
    secret = to_pem(KEY).decode().replace("PRIVATE KEY", "PUBLIC KEY") + ending
    body = secret.splitlines()[1]
    for name in ("PODIUM_SIGNING_KEY", "PODIUM_SIGNING_KEY_FILE"):
        with use_store(CredentialStore()):
            give_key(**{name: secret})
            with pytest.raises(NotWritable) as caught:
                make_signer(home).load_key()
        assert body not in "".join(traceback.format_exception(caught.value))
    give_key(PODIUM_SIGNING_KEY=to_pem(KEY).decode())
    signer = make_signer(home)
    assert body[-20:] not in repr(signer) + repr(signer.load_key()) + repr(vars(signer))


def test_in_ci_without_a_key_nothing_is_signed_and_none_is_thrown_away(fresh_store, home, monkeypatch, capsys):
    monkeypatch.setattr(signing_keys, "_UNSIGNED_NOTE_PRINTED", threading.Event())
    book_id = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id
    signer = create_signer({"CI": "true", "PODIUM_HOME": str(home)}, make_writer(fresh_store).clock)
    for _ in range(2):
        append(Writer(fresh_store, make_writer(fresh_store).actor, signer.clock, signer), book_id, lambda _: make_opened())
    assert capsys.readouterr().err.count("PODIUM_SIGNING_KEY_FILE") == 1
    assert not home.exists()
    assert [entry_fingerprint(entry) for entry in read_book(fresh_store, book_id).book.entries] == ["", ""]


@pytest.mark.parametrize(("text", "is_ci"), [("", False), ("false", False), ("0", False), ("1", True), ("yes", True)])
def test_ci_is_what_its_variable_says(home, text, is_ci):
    assert create_signer({"CI": text, "PODIUM_HOME": str(home)}, None).is_ci is is_ci


# A new key


def test_a_new_key_signs_from_then_on_and_the_earlier_one_stays_known(home):
    signer = make_signer(home)
    earlier_key = signer.load_key()
    new_key = rotate_key(signer)
    assert fingerprint_of(signer.load_key()) == new_key.fingerprint != fingerprint_of(earlier_key)
    assert {key.fingerprint for key in read_own_keys(home)} == {new_key.fingerprint, fingerprint_of(earlier_key)}
    assert mode_of(home / "keys" / "signing.pem") == 0o600


def test_a_key_that_cannot_be_used_is_replaced_by_a_new_one(home, key_file):
    key_file.write_bytes(b"nonsense")
    rotate_key(make_signer(home))
    assert fingerprint_of(make_signer(home).load_key()) in {key.fingerprint for key in read_own_keys(home)}
    assert len(read_own_keys(home)) == 2


def test_a_key_that_was_given_is_not_replaced_here(home):
    give_key(PODIUM_SIGNING_KEY=to_pem(KEY).decode())
    with pytest.raises(ActionRefused, match="PODIUM_SIGNING_KEY"):
        rotate_key(make_signer(home))
    assert not home.exists()


def test_every_signature_fits_while_the_key_is_replaced_again_and_again(fresh_store, home):
    book_id = ensure_book(fresh_store, ModelIncarnation("wine", "a")).book_id
    writer = Writer(fresh_store, make_writer(fresh_store).actor, make_writer(fresh_store).clock, make_signer(home))
    append(writer, book_id, lambda _: make_opened())
    is_over = threading.Event()

    def rotate_until_the_end():
        while not is_over.is_set():
            rotate_key(make_signer(home))

    thread = threading.Thread(target=rotate_until_the_end)
    thread.start()
    for _ in range(8):
        append(writer, book_id, lambda _: make_opened(why="re-created"))
    is_over.set()
    thread.join()
    book = read_book(fresh_store, book_id).book
    assert list(signature_findings(book)) == []
    fingerprints = {entry_fingerprint(entry) for entry in book.entries}
    assert len(fingerprints) > 1
    assert fingerprints <= {key.fingerprint for key in read_own_keys(home)}


def test_a_file_that_is_no_public_key_is_passed_over(home, key_file):
    for name, text in {"a": "", "b": "[]", "c": '{"key": 7}', "d": "[" * 9_999, "e": json.dumps({"key": "A" * 42})}.items():
        (home / "keys" / f"{name}.json").write_text(text)
    assert [key.public_key for key in read_own_keys(home)] == [read_current_key(home)]


def test_openssl_makes_a_key_that_podium_reads(tmp_path, home):
    file = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(file)], check=True, capture_output=True)
    give_key(PODIUM_SIGNING_KEY_FILE=str(file))
    assert make_signer(home).load_key()
