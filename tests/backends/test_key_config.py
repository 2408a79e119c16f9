"""The table of trusted keys in backends.toml: read leniently, edited without touching anything else, unchanged if shared."""

import base64
import hashlib
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backends.backend_config import add_backend, parse_configured_backend, read_config, remove_backend
from lib.backends.key_config import ConfiguredKey, read_configured_keys, write_configured_key
from lib.errors import ActionRefused, BadInput

FIRST, SECOND = (f"SHA256:{base64.b64encode(hashlib.sha256(name).digest()).decode()}" for name in (b"first", b"second"))
AT = "2026-11-30T09:00:00.000Z"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "backends.toml"


def test_a_key_is_written_into_a_new_file_and_read_again(file):
    key = ConfiguredKey(FIRST, "the CI", since=AT)
    write_configured_key(file, key)
    assert read_configured_keys(file) == (key,)
    assert read_config(file).backends == ()


BACKENDS = '# ours\n[backends.a]\nuri = "https://a.example.org"  # the first\n'
TABLE = f'[keys]\n# whom we trust\n"{SECOND}" = "ben"\n'


@pytest.mark.parametrize(
    "text",
    [
        BACKENDS,
        TABLE,
        BACKENDS + "\n" + TABLE,
        TABLE + "\n" + BACKENDS,
        TABLE.rstrip(),
        "\n\n",
        "[keys]",
        "[ keys ]\r\n\r\n" + BACKENDS,
    ],
    ids=["backends", "keys", "keys last", "keys first", "no line end", "blank", "empty table", "CRLF"],
)
def test_whatever_else_stands_in_the_file_stays(file, text):
    file.write_text(text, newline="")
    document = tomllib.loads(text)
    write_configured_key(file, ConfiguredKey(FIRST, "ana", since=AT))
    write_configured_key(file, ConfiguredKey(FIRST, "ana's new one", is_trusted=False, since=AT))
    changed_text = file.read_bytes().decode()
    assert all(line.strip() in changed_text for line in text.splitlines())
    assert changed_text.count(FIRST) == 1
    changed_document = tomllib.loads(changed_text)
    assert changed_document["keys"].pop(FIRST) == {"name": "ana's new one", "trusted": False, "since": AT}
    assert changed_document == {"keys": {}, **document}


def test_backends_are_added_and_removed_beside_the_keys(file, tmp_path):
    write_configured_key(file, ConfiguredKey(FIRST, "ana", since=AT))
    add_backend(file, parse_configured_backend("team", "https://mlflow.example.org", folder=tmp_path))
    write_configured_key(file, ConfiguredKey(SECOND, "ben", since=AT))
    remove_backend(file, "team")
    assert [key.name for key in read_configured_keys(file)] == ["ana", "ben"]
    assert read_config(file).backends == ()


@settings(deadline=None, max_examples=40)
@given(name=st.text(min_size=1, max_size=40))
def test_no_name_of_a_key_becomes_toml(tmp_path_factory, name):
    file = tmp_path_factory.mktemp("names") / "backends.toml"
    file.write_text(BACKENDS)
    try:
        write_configured_key(file, ConfiguredKey(FIRST, name, since=AT))
    except BadInput:  # it cannot be parsed at all
        return
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert set(document) == {"backends", "keys"}
    assert list(document["keys"]) == [FIRST]


def test_on_a_shared_podium_the_error_shows_the_line_for_the_operator(file):
    file.write_text("shared = true\n")
    with pytest.raises(ActionRefused) as caught:
        write_configured_key(file, ConfiguredKey(FIRST, "the CI", since=AT))
    assert file.read_text() == "shared = true\n"
    line = caught.value.next.split(": ", 1)[1]
    file.write_text(f"shared = true\n[keys]\n{line}\n")
    assert read_configured_keys(file) == (ConfiguredKey(FIRST, "the CI", since=AT),)


def test_a_table_that_is_written_otherwise_is_left_alone(file):
    text = f'keys = {{ "{SECOND}" = "ben" }}\n'
    file.write_text(text)
    with pytest.raises(ActionRefused, match="cannot edit the table of keys safely"):
        write_configured_key(file, ConfiguredKey(FIRST, "ana", since=AT))
    assert file.read_text() == text
    assert [key.name for key in read_configured_keys(file)] == ["ben"]


def test_a_line_that_makes_no_sense_gives_no_trust(file):
    lines = ["= 7", "= true", "= []", '= { name = "x", trusted = "yes" }', "= { trusted = false }"]
    file.write_text("[keys]\n" + "\n".join(f"k{n} {line}" for n, line in enumerate(lines)))
    assert [key.is_trusted for key in read_configured_keys(file)] == [False] * 5
    file.write_text(f'[keys]\n"{FIRST}" = {{ name = "ana", since = 2026-11-30T09:00:00Z }}\n"{SECOND}" = {{}}')
    assert read_configured_keys(file) == (ConfiguredKey(FIRST, "ana", since="2026-11-30T09:00:00+00:00"), ConfiguredKey(SECOND))


@pytest.mark.parametrize("text", ["keys = 1", "[[keys]]\na = 1", "keys ="])
def test_an_invalid_file_is_reported(file, text):
    file.write_text(text)
    with pytest.raises(BadInput):
        read_configured_keys(file)


@pytest.mark.parametrize("name", ["", "   ", "\u202e", "x" * 61])
def test_a_key_needs_a_name_that_can_be_read(file, name):
    with pytest.raises(BadInput, match="name"):
        write_configured_key(file, ConfiguredKey(FIRST, name))
    assert not file.exists()
