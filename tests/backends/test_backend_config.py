"""The file of named backends: read despite errors, edited around existing text, and free of secrets."""

import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.backends import backend_config, config_file, key_config
from lib.backends.app_files import lock_file
from lib.backends.backend import Backend
from lib.backends.backend_config import add_backend, parse_configured_backend, read_config, remove_backend
from lib.backends.key_config import ConfiguredKey, read_configured_keys, write_configured_key
from lib.errors import ActionRefused, BadInput, Busy, NotFound, NotWritable
from tests.support.ledger_workers import processes

TEXT = """# ours
shared = false   # one person

[backends.team]
uri = "https://mlflow.example.org"  # the big one

[backends.fraud]
kind = "dagshub"
repository = "team/fraud"

# last
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "backends.toml").write_text(TEXT)
    return tmp_path / "backends.toml"


def test_the_file_names_backends_in_its_order(file):
    config = read_config(file)
    assert [(backend.name, backend.kind) for backend in config.backends] == [("team", "server"), ("fraud", "dagshub")]
    assert config.find("fraud").backend == Backend("https://dagshub.com/team/fraud.mlflow", "server")
    assert not config.is_shared
    assert read_config(file.with_name("none.toml")).backends == ()


def test_adding_and_removing_leaves_the_rest_to_the_letter(file):
    add_backend(file, parse_configured_backend("books", "postgresql://podium:${BOOKS}@db/mlflow", folder=file.parent))
    text_with_backend = file.read_text()
    assert text_with_backend.startswith(TEXT.rstrip())
    assert read_config(file).find("books").backend == Backend("postgresql://podium@db/mlflow", "database")
    removed_backend = remove_backend(file, "books")
    assert file.read_text().rstrip() == TEXT.rstrip()
    add_backend(file, removed_backend)
    assert file.read_text() == text_with_backend


def test_a_name_is_taken_once_and_found_or_not(file):
    with pytest.raises(ActionRefused, match="already"):
        add_backend(file, parse_configured_backend("team", "http://localhost:1", folder=file.parent))
    with pytest.raises(NotFound):
        remove_backend(file, "nobody")
    with pytest.raises(NotFound):
        read_config(file).find("nobody")


@pytest.mark.parametrize("name", ["", "Team", "a b", "default", "x" * 41, "a]\n[b", "ä", "../x"])
def test_a_name_that_could_be_misread_is_refused(name, tmp_path):
    with pytest.raises(BadInput):
        parse_configured_backend(name, "http://localhost:1", folder=tmp_path)


@pytest.mark.parametrize(
    "uri",
    [
        "https://anna:s3cret@example.org",
        "https://s3cret@example.org",
        "postgresql://u:s3cret@h/db",
        "postgresql://u:${A}s3cret@h/db",
        "mssql://u@h/db?odbc_connect=s3cret",
    ],
)
def test_a_password_is_never_written(uri, file):
    with pytest.raises(BadInput) as error:
        add_backend(file, parse_configured_backend("leak", uri, folder=file.parent))
    assert "s3cret" not in str(error.value) + file.read_text()


def test_a_token_in_a_query_is_left_out(file):
    add_backend(file, parse_configured_backend("query", "https://example.org/x?token=s3cret", folder=file.parent))
    assert "s3cret" not in file.read_text()


def test_a_shared_podium_changes_nothing(file):
    file.write_text("shared = true\n" + TEXT.replace("shared = false", ""))
    before = file.read_text()
    with pytest.raises(ActionRefused, match="shared"):
        add_backend(file, parse_configured_backend("mine", "http://localhost:1", folder=file.parent))
    with pytest.raises(ActionRefused):
        remove_backend(file, "team")
    assert file.read_text() == before


def test_one_wrong_entry_says_so_and_spoils_no_other(file):
    file.write_text(TEXT + '[backends.bad]\nuri = "htp://x"\n[backends.both]\nuri = "http://x"\nrepository = "a/b"\n')
    config = read_config(file)
    assert [bool(backend.problem) for backend in config.backends] == [False, False, True, True]
    with pytest.raises(BadInput, match="htp"):
        config.find("bad")


@pytest.mark.parametrize("text", ["[backends", "backends = 3", 'shared = "yes"', "\x00"])
def test_a_file_that_cannot_be_read_says_why(text, file):
    file.write_text(text)
    with pytest.raises(BadInput, match=r"backends\.toml"):
        read_config(file)


def test_an_entry_written_inline_is_left_alone(file):
    file.write_text('backends = { one = { uri = "http://localhost:1" } }\n')
    with pytest.raises(ActionRefused, match="by hand"):
        remove_backend(file, "one")


def test_what_is_written_is_toml_whatever_a_path_holds(tmp_path):
    path = tmp_path / 'a "quoted" \\ path\u00e9'
    add_backend(tmp_path / "b.toml", parse_configured_backend("odd", f"sqlite:///{path}", folder=tmp_path))
    assert tomllib.loads((tmp_path / "b.toml").read_text())["backends"]["odd"]["uri"] == f"sqlite:///{path}"


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable):
        add_backend(tmp_path / "file" / "backends.toml", parse_configured_backend("x", "http://localhost:1", folder=tmp_path))


def test_an_entry_that_would_make_the_file_invalid_is_refused(file):
    """A table cannot be added to one that is written inline."""
    text = 'backends = { one = { uri = "http://localhost:1" } }\n'
    file.write_text(text)
    with pytest.raises(ActionRefused, match="by hand"):
        add_backend(file, parse_configured_backend("two", "http://localhost:2", folder=file.parent))
    assert file.read_text() == text


def change_often(file, name):
    """What one of several processes does: adds backends, removes every other one, and trusts keys."""
    for number in range(10):
        add_backend(file, parse_configured_backend(f"{name}{number}", f"http://localhost:{number + 1}", folder=file.parent))
        write_configured_key(file, ConfiguredKey(f"SHA256:{name}{number}", name))
        if number % 2:
            remove_backend(file, f"{name}{number}")


def test_two_processes_that_change_the_file_at_once_lose_nothing(file):
    workers = [processes.Process(target=change_often, args=(file, name)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    names = {backend.name for backend in read_config(file).backends}
    assert names == {"team", "fraud", *(f"{name}{number}" for name in ("a", "b") for number in range(0, 10, 2))}
    assert {key.fingerprint for key in read_configured_keys(file)} == {
        f"SHA256:{name}{number}" for name in ("a", "b") for number in range(10)
    }
    assert "# ours" in file.read_text()
    assert [path.name for path in file.parent.iterdir() if path.suffix not in (".toml", ".lock")] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda file: add_backend(file, parse_configured_backend("new", "http://localhost:1", folder=file.parent)),
        lambda file: remove_backend(file, "team"),
        lambda file: write_configured_key(file, ConfiguredKey("SHA256:x", "ana")),
    ],
    ids=["add", "remove", "trust"],
)
def test_a_change_by_hand_in_the_middle_of_ours_is_kept_and_ours_refused(change, file, monkeypatch):
    """An editor takes no lock. It saves after Podium has read the file and before it writes."""
    by_hand = '\n[backends.by-hand]\nuri = "http://localhost:4711"\n'
    read_text, calls = config_file.read_config_text, []

    def read_and_edit(path):
        text = read_text(path)
        if not calls:
            path.write_text(text + by_hand)
        calls.append(path)
        return text

    for module in (backend_config, key_config):
        monkeypatch.setattr(module, "read_config_text", read_and_edit)
    with pytest.raises(Busy, match="changed by another program"):
        change(file)
    assert file.read_text() == TEXT + by_hand
    change(file)
    assert read_config(file).find("by-hand").uri == "http://localhost:4711"
    assert file.read_text() != TEXT + by_hand


@pytest.mark.slow
def test_a_change_waits_for_another_process_and_says_so(file):
    with lock_file(file), ThreadPoolExecutor(1) as pool, pytest.raises(Busy, match="another process"):
        pool.submit(remove_backend, file, "team").result()
    assert file.read_text() == TEXT
