"""Command output: only the answer on stdout, and no text of a store that controls the terminal or fakes another line."""

import io
import json
import os
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from lib.backends.app_files import PROJECT_FOLDER
from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.cli.output import print_json, print_lines
from lib.cli.packet import MAX_PACKET_BYTES
from lib.cli.verify import MAX_ANCHORS_BYTES
from lib.ledger.imports.file_parser import MAX_FILE_BYTES
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from tests.support.ledger_stores import DECISION, make_registered_model, make_trained_run, make_writer
from tests.support.registry_factories import leave_intent_open

FORGED = "v9 of fraud is in Production (entry 99)."
HOSTILE = f"a\n{FORGED}\x1b]0;X\x07\x9b31m\u202e\u2028"
WHY = ["--reason", "Five trees get seventeen of eighteen right.", "--category", "better"]
VISIBLE_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]*")
COMMANDS = {
    "demo list": [],
    "demo run": [HOSTILE],
    "models": [],
    "runs": [HOSTILE],
    "current": [HOSTILE],
    "history": ["wine"],
    "asof": ["--at", "2026-01-01"],
    "log": [],
    "verify": [],
    "packet export": ["wine", "--entry", "1", "--out", "PACKET.json"],
    "packet verify": ["PACKET.json"],
    "register": [HOSTILE, "--model", HOSTILE],
    "promote": ["wine", "1", "--to", HOSTILE, *WHY],
    "rollback": [HOSTILE, *WHY],
    "drift": ["wine"],
    "recover": [],
    "settle": ["wine"],
    "import": ["wine", HOSTILE],
    "doctor": [],
    "keys list": [],
    "keys show": [HOSTILE],
    "keys trust": [HOSTILE, "--name", "x"],
    "keys distrust": [HOSTILE],
    "keys rotate": [],
}
"""Every command with arguments that make it print foreign text, from the store or from its arguments."""


def leaf_commands(group, prefix=""):
    for name, entry in group.commands.items():
        if isinstance(entry, click.Group):
            yield from leaf_commands(entry, f"{prefix}{name} ")
        else:
            yield prefix + name


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory, empty_database):
    """A store with hostile names, descriptions, tags, users and reasons, a record, an open decision and an outside move."""
    from tests.conftest import copy_store

    store = copy_store(empty_database, tmp_path_factory.mktemp("hostile"))
    mlflow = client(store)
    run_id = make_trained_run(store, name=f"forest-{HOSTILE}", experiment=HOSTILE)
    mlflow.set_tag(run_id, "mlflow.user", HOSTILE)
    make_registered_model(store)
    mlflow.update_registered_model("wine", HOSTILE)
    mlflow.set_registered_model_tag("wine", "podium.book", HOSTILE)
    mlflow.delete_registered_model_tag("wine", "podium.book")
    move_version(make_writer(store, HOSTILE), MoveRequest("wine", "1", "Production"), DECISION)
    leave_intent_open(store)
    mlflow.set_registered_model_alias("wine", "production", "3")
    return store


def test_every_command_is_tried_with_hostile_text():
    assert set(leaf_commands(podium)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_prints_no_control_character_and_no_line_of_a_stores_own(
    name, hostile_store, tmp_path, monkeypatch, clean_session
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", hostile_store.uri)
    monkeypatch.chdir(tmp_path)
    if name == "packet verify":
        export = CliRunner().invoke(podium, ["packet", "export", *COMMANDS["packet export"]])
        assert export.exit_code == 0, export.output
    for options in ([], ["--json"], *([["--markdown"]] if name == "doctor" else [])):
        result = CliRunner().invoke(podium, [*name.split(), *COMMANDS[name], *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        lines = (result.stdout + result.stderr).split("\n")
        assert [line for line in lines if not VISIBLE_TEXT.fullmatch(line)] == []
        assert [line for line in lines if line.startswith(FORGED)] == []
        if "--json" in options and result.stdout:
            json.loads(result.stdout)


def test_the_store_of_these_tests_reaches_the_terminal(hostile_store, monkeypatch, clean_session):
    """Otherwise nothing above could fail."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", hostile_store.uri)
    for arguments in (["runs", HOSTILE], ["history", "wine"], ["log"], ["models"]):
        result = CliRunner().invoke(podium, [*arguments, "--json"])
        assert FORGED in result.stdout, arguments
    assert f"\\n{FORGED}\\u001b]0;X\\u0007" in CliRunner().invoke(podium, ["runs", HOSTILE]).stdout


def test_json_says_the_same_as_before_its_invisible_characters_were_escaped():
    stream = io.StringIO()
    print_json({HOSTILE: [HOSTILE, "\ud800", "Wäre"]}, stream)
    assert json.loads(stream.getvalue()) == {HOSTILE: [HOSTILE, "\ud800", "Wäre"]}
    assert "Wäre" in stream.getvalue()
    print_lines(["\ud800"], stream)
    assert stream.getvalue().endswith("\\ud800\n")


@pytest.mark.parametrize(
    ("arguments", "max_bytes"),
    [
        (["packet", "verify"], MAX_PACKET_BYTES),
        (["import", "wine"], MAX_FILE_BYTES),
        (["verify", "--against"], MAX_ANCHORS_BYTES),
    ],
)
def test_a_file_that_is_too_large_is_refused_by_its_size(
    arguments, max_bytes, tmp_path, hostile_store, monkeypatch, clean_session
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", hostile_store.uri)
    file = tmp_path / "large"
    with file.open("wb") as target:
        target.truncate(max_bytes + 1)
    result = CliRunner().invoke(podium, [*arguments, str(file)])
    assert result.exit_code in (1, 2)
    assert f"limit of {max_bytes:,} bytes" in result.stderr.replace("\n", " ")


def test_a_first_registration_on_a_server_answers_with_one_document_alone(mlflow_server):
    run_id = make_trained_run(mlflow_server, experiment="output of commands")
    script = f"""if True:
        import os, sys
        import lib.cli.context
        from lib.registry import register
        original = register.register
        def noisy(*arguments):
            print("a library prints")
            os.system("echo a child prints")
            return original(*arguments)
        register.register = noisy
        from lib.cli import podium
        podium(["register", {run_id!r}, "--model", "output-{run_id}", "--json"])
    """
    environment = {name: value for name, value in os.environ.items() if "SUPPRESS" not in name}
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_FOLDER,
        env=environment | {"MLFLOW_TRACKING_URI": mlflow_server.uri},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["version"] == "1"
    assert "a library prints\n" in result.stderr
    assert "a child prints\n" in result.stderr
    assert "View run" not in result.stderr
