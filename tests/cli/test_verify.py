"""The command verify with heads noted elsewhere, in files and git tags, and with an index that was tampered with."""

import json
import subprocess

import pytest
from click.testing import CliRunner

from lib.backends.mlflow_client import client
from lib.backends.reserved_names import INDEX_EXPERIMENT
from lib.cli import podium
from lib.registry.promote import MoveRequest, move_version
from tests.cli.test_ledger_commands import run as run  # noqa: PLC0414 - a fixture
from tests.registry.test_git_anchor import git
from tests.registry.test_git_anchor import repository as repository  # noqa: PLC0414 - a fixture
from tests.support.ledger_stores import REASON, book_id_of, make_registered_model, make_writer


@pytest.fixture
def two(run, fresh_store):
    """Two books on the backend of the commands."""
    for name in ("wine", "red wine"):
        make_registered_model(fresh_store, name)
        move_version(make_writer(fresh_store), MoveRequest(name, "1", "Production", REASON))
    return fresh_store


def heads():
    done = CliRunner().invoke(podium, ["verify", "--heads"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_printed_heads_are_what_a_later_verify_compares_with(run, two, tmp_path):
    noted = tmp_path / "heads.txt"
    noted.write_text(heads())
    assert [line.split(" ", 1)[1] for line in noted.read_text().splitlines()] == ["red wine", "wine"]
    assert [one["findings"] for one in run("verify", "--against", str(noted))[0]["models"]] == [[], []]
    noted.write_text(f"9:{'a' * 64} wine\n3:{'b' * 64} red wine\n1:{'c' * 64} gone")
    told, _ = run("verify", "--against", str(noted), code=3)
    assert {one["model"]: [f["what"] for f in one["findings"]] for one in told["models"]} == {
        "wine": ["head behind its anchor"],
        "red wine": ["differs from its anchor"],
        "gone": ["book missing"],
    }
    assert [f["what"] for f in run("verify", "wine", "--against", str(noted), code=3)[0]["models"][0]["findings"]] == [
        "head behind its anchor"
    ]
    noted.write_text("wine")
    assert CliRunner().invoke(podium, ["verify", "--against", str(noted)]).exit_code == 2


def test_an_anchor_of_a_model_whose_record_is_gone_is_a_finding_and_no_error(run, two):
    assert run("verify", "nope", code=1)[1]
    told, _ = run("verify", "nope", "--anchor", f"3:{'a' * 64}", code=3)
    assert [(one["model"], one["findings"][0]["what"]) for one in told["models"]] == [("nope", "book missing")]


def test_heads_are_noted_as_git_tags_unless_something_does_not_fit(run, two, repository):
    told, _ = run("verify", "--tag", str(repository))
    assert sorted(git(repository, "tag").splitlines()) == sorted(one["tag"] for one in told["models"])
    assert json.dumps(run("verify", "--tag", str(repository))[0]) == json.dumps(told)
    client(two).log_param(book_id_of(two), "000042", "hello")
    _, notes = run("verify", "--tag", str(repository), code=3)
    assert "No tag was made" in notes
    assert run("verify", "red wine", "--tag", str(repository / "nowhere"), code=1)[1].startswith("podium: ")


def test_a_tampered_index_is_a_finding_with_exit_3_for_one_model_and_for_all(run, two):
    mlflow = client(two)
    mlflow.rename_experiment(mlflow.get_experiment_by_name(INDEX_EXPERIMENT).experiment_id, "elsewhere")
    assert [one["model"] for one in run("verify", code=3)[0]["models"]] == [INDEX_EXPERIMENT, "red wine", "wine"]
    told, _ = run("verify", "wine", code=3)
    assert [one["model"] for one in told["models"]] == [INDEX_EXPERIMENT, "wine"]
    assert "Rename the experiment" in told["models"][0]["findings"][0]["means"]


def test_help_of_verify_imports_nothing_heavy():
    code = "import sys; from lib.cli import podium; podium(['verify', '--help'], standalone_mode=False); print('mlflow' in sys.modules)"
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
