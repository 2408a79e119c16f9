"""The command verify with heads stored elsewhere, in files and git tags, and with an index that was tampered with."""

import json
import subprocess

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.cli import podium
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from tests.support.git_repository import git
from tests.support.git_repository import repository as repository  # noqa: PLC0414 - a fixture
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_writer


@pytest.fixture
def two_books(run, fresh_store):
    """Two books on the backend of the commands."""
    for name in ("wine", "red wine"):
        make_registered_model(fresh_store, name)
        move_version(make_writer(fresh_store), MoveRequest(name, "1", "Production"), DECISION)
    return fresh_store


def heads():
    result = CliRunner().invoke(podium, ["verify", "--heads"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_printed_heads_are_what_a_later_verify_compares_with(run, two_books, tmp_path):
    heads_file = tmp_path / "heads.txt"
    heads_file.write_text(heads())
    assert [line.split(" ", 1)[1] for line in heads_file.read_text().splitlines()] == ["red wine", "wine"]
    assert [verdict["findings"] for verdict in run("verify", "--against", str(heads_file))[0]["models"]] == [[], []]
    heads_file.write_text(f"9:{'a' * 64} wine\n3:{'b' * 64} red wine\n1:{'c' * 64} gone")
    document, _ = run("verify", "--against", str(heads_file), code=3)
    assert {verdict["model"]: [finding["what"] for finding in verdict["findings"]] for verdict in document["models"]} == {
        "wine": ["head behind its anchor"],
        "red wine": ["differs from its anchor"],
        "gone": ["book missing"],
    }
    assert [
        finding["what"] for finding in run("verify", "wine", "--against", str(heads_file), code=3)[0]["models"][0]["findings"]
    ] == ["head behind its anchor"]
    heads_file.write_text("wine")
    assert CliRunner().invoke(podium, ["verify", "--against", str(heads_file)]).exit_code == 2


def test_an_anchor_of_a_model_whose_record_is_gone_is_a_finding_and_no_error(run, two_books):
    assert run("verify", "nope", code=1)[1]
    document, _ = run("verify", "nope", "--anchor", f"3:{'a' * 64}", code=3)
    assert [(verdict["model"], verdict["findings"][0]["what"]) for verdict in document["models"]] == [("nope", "book missing")]


def test_heads_are_noted_as_git_tags_unless_something_does_not_fit(run, two_books, repository):
    run("verify")  # the first run reports that it is the first one
    document, _ = run("verify", "--tag", str(repository))
    assert sorted(git(repository, "tag").splitlines()) == sorted(verdict["tag"] for verdict in document["models"])
    assert json.dumps(run("verify", "--tag", str(repository))[0]) == json.dumps(document)
    client(two_books).log_param(book_id_of(two_books), "000042", "hello")
    _, notes = run("verify", "--tag", str(repository), code=3)
    assert "No tag was created" in notes
    assert run("verify", "red wine", "--tag", str(repository / "nowhere"), code=1)[1].startswith("podium: ")


def test_a_tampered_index_is_a_finding_with_exit_3_for_one_model_and_for_all(run, two_books):
    mlflow_client = client(two_books)
    mlflow_client.rename_experiment(mlflow_client.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, "elsewhere")
    assert [verdict["model"] for verdict in run("verify", code=3)[0]["models"]] == [INDEX_EXPERIMENT, "red wine", "wine"]
    document, _ = run("verify", "wine", code=3)
    assert [verdict["model"] for verdict in document["models"]] == [INDEX_EXPERIMENT, "wine"]
    assert "Rename the experiment" in document["models"][0]["findings"][0]["means"]


def test_help_of_verify_imports_nothing_heavy():
    code = "import sys; from lib.cli import podium; podium(['verify', '--help'], standalone_mode=False); print('mlflow' in sys.modules)"
    import sys

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("False")
