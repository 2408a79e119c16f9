"""A server that accepts a request but does not answer: every command ends, says what is certain, and leaves a recoverable state."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from ulid import ULID

from lib.backends import capabilities
from lib.backends.call_deadline import call_seconds
from lib.backends.mlflow_client import client
from lib.cli import podium
from lib.ledger.storage.book_index import find_book_id
from lib.ledger.storage.signing_keys import create_signer
from lib.registry import lineage
from lib.registry.change_recorder import append_registered
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import incarnation_of, read_book_state, read_snapshot
from lib.registry.reconcile import sync_model_status
from lib.ui.app.page_links import PROJECT_ROOT
from tests.support.faulty_proxy import SLOW_SECONDS, serve_faulty_proxy
from tests.support.ledger_stores import DECISION, make_trained_run, make_writer
from tests.support.registry_factories import check_at_rest, entry_types, finish_open_decisions

WHY = ["--reason", "Five trees get seventeen of eighteen right.", "--category", "better"]
MODEL = "MODEL"
"""Placeholder for the model of the test."""
LOG_PARAMETER, MOVE_STAGE = "POST runs/log-parameter", "POST model-versions/transition-stage"
READS = (
    "GET experiments/get-by-name",
    "GET model-versions/search",
    "GET registered-models/get",
    "GET runs/get",
)
PROMOTE = (
    *READS,
    "GET experiments/search",
    "POST model-versions/set-tag",
    "POST registered-models/alias",
    LOG_PARAMETER,
    MOVE_STAGE,
)
"""The calls of a promotion on a known server."""
CAPABILITIES = (
    "GET /version",
    "GET logged-models/ID",
    "GET registered-models/alias",
    "GET registered-models/search",
    "GET users/current",
    "POST experiments/create",
)
"""The calls on a server not known yet, besides the stages."""
REGISTER = (
    *READS,
    "GET experiments/search",
    "GET logged-models/ID",
    "GET mlflow-artifacts/FILE",
    "GET mlflow-artifacts/artifacts",
    "GET model-versions/get-download-uri",
    "GET registered-models/search",
    "POST experiments/search",
    "POST model-versions/create",
    "POST registered-models/create",
    "POST registered-models/set-tag",
    "POST runs/create",
    "POST runs/search",
    "POST runs/update",
    LOG_PARAMETER,
)
"""The calls for the first version of a model if there is a ledger: a record begins, so the complete store is searched first."""
LOOKS = {
    "current": ["current", MODEL],
    "history": ["history", MODEL],
    "asof": ["asof", MODEL, "--at", "2024-01-01"],
    "log": ["log"],
    "drift": ["drift", MODEL],
    "verify one": ["verify", MODEL],
    "verify all": ["verify"],
    "recover": ["recover", MODEL],
    "recover all": ["recover"],
    "models": ["models"],
    "runs": ["runs", "wine"],
}
LOOK = (
    *READS,
    "GET experiments/search",
    "GET registered-models/search",
    "GET users/current",
    "POST experiments/search",
    "POST runs/search",
)
"""The calls of the read-only commands."""
RECOVER = (
    *READS,
    "GET experiments/search",
    "POST model-versions/set-tag",
    "POST registered-models/alias",
    LOG_PARAMETER,
    MOVE_STAGE,
)
"""The calls to finish an open decision, or to give it up."""
DONE_CODES = (0, 3)
"""Reading all models may find what other tests left on the server."""
KINDS = ("hang", "hang after", "drop", "drop after", "dribble")


@pytest.fixture
def proxy_of(mlflow_server, clean_session, monkeypatch):
    """A server behind a proxy that can make it fail: (backend, proxy)."""
    monkeypatch.setenv("PODIUM_CALL_SECONDS", "1")
    monkeypatch.setenv("PODIUM_USER", "pipeline")
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    monkeypatch.setattr(lineage, "_UNANSWERED_AT", {})
    with serve_faulty_proxy(mlflow_server) as (backend, proxy):
        capabilities.read_capabilities(backend)
        yield backend, proxy


@pytest.fixture(scope="module")
def model(mlflow_server):
    """A model on the real server with three versions, fully recorded. Each test leaves it settled, with one version in Production."""
    name, writer = f"unanswered-{ULID()}", signing_writer(mlflow_server)
    registry = client(mlflow_server)
    registry.create_registered_model(name)
    for n in (1, 2, 3):
        registry.create_model_version(name, f"s3://nowhere/{n}")
    status = sync_model_status(writer, name)
    for version in status.snapshot.versions.values():
        append_registered(writer, status, version)
    move_version(writer, MoveRequest(name, "1", "Production"), DECISION)
    return name


def command(backend, *arguments):
    """Run a command on a backend. Returns exit code, JSON document and the only line on stderr."""
    result = CliRunner().invoke(podium, [*arguments, "--backend", backend.uri, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    if result.exit_code == 1 and arguments[0] != "recover":
        assert result.stdout == ""
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr.strip()


def promote(backend, model, version):
    return command(backend, "promote", model, version, "--to", "Production", *WHY)


def challenger(backend, model):
    """A version that is not in Production, to be promoted by a test."""
    return next(number for number in read_snapshot(backend, model).versions if number not in holders(backend, model))


def signing_writer(backend):
    """A writer that signs like the commands: an unsigned entry among theirs would be a finding."""
    return replace(make_writer(backend), signer=create_signer(os.environ, lambda: datetime.now(UTC)))


def settle(backend, model):
    """Do what the messages advise: finish open decisions."""
    finish_open_decisions(signing_writer(backend), model)


def look_arguments(look, model):
    """The read-only command for this model."""
    return [model if argument is MODEL else argument for argument in LOOKS[look]]


def holders(backend, model):
    return read_snapshot(backend, model).slot_states["production"].holders


def count_decisions(backend, model):
    return entry_types(backend, model).count("DECIDED")


def leave_open(mlflow_server, proxy_of, model):
    """A decision with its alias moved but not its stage, because an answer was lost. Returns the version."""
    backend, proxy = proxy_of
    version = challenger(mlflow_server, model)
    proxy.fail("drop", MOVE_STAGE)
    assert promote(backend, model, version)[0] == 1
    proxy.heal()
    (intent,) = read_book_state(mlflow_server, model).open_intents
    assert intent.body.version == version
    return version


def check_settled(backend, model):
    """Once it is settled, one version is in Production, and the next decision is carried out."""
    settle(backend, model)
    assert len(holders(backend, model)) == 1
    check_at_rest(backend, model)
    version = challenger(backend, model)
    assert move_version(signing_writer(backend), MoveRequest(model, version, "Production"), DECISION).outcome == "applied"
    assert holders(backend, model) == (version,)
    check_at_rest(backend, model)


def test_a_promotion_ends_when_the_ledger_gives_no_answer_and_says_what_is_certain(mlflow_server, proxy_of, model):
    """Attack R7, in a separate process: it ends although one of its calls still hangs."""
    backend, proxy = proxy_of
    champions, version, decisions = (
        holders(mlflow_server, model),
        challenger(mlflow_server, model),
        count_decisions(mlflow_server, model),
    )
    proxy.fail("hang", LOG_PARAMETER)
    arguments = ["promote", model, version, "--to", "Production", *WHY, "--backend", backend.uri, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", "lib", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines() == [
        (
            "podium: The server did not answer runs/log-parameter within 1 s. The entry DECIDED may or may not be recorded. "
            "No version was moved. If the decision was recorded, it stays open until you finish it or give it up with recover. "
            "Check the history of this model before you try again."
        )
    ]
    assert proxy.requests.count(LOG_PARAMETER) == 2
    assert holders(mlflow_server, model) == champions
    assert count_decisions(mlflow_server, model) == decisions
    check_settled(mlflow_server, model)


@pytest.mark.slow
def test_a_decision_that_arrives_after_the_command_was_told_counts_once_and_stays_open(mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    champions, version = holders(mlflow_server, model), challenger(mlflow_server, model)
    proxy.fail("late", LOG_PARAMETER, count=2)
    code, _, note = promote(backend, model, version)
    assert code == 1
    assert "may or may not be recorded" in note
    assert sorted(proxy.release(2)) == [200, 400]
    assert [entry.body.version for entry in read_book_state(mlflow_server, model).open_intents] == [version]
    assert holders(mlflow_server, model) == champions
    settle(mlflow_server, model)
    assert holders(mlflow_server, model) == (version,)
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
def test_a_move_that_gets_no_answer_is_told_as_a_decision_that_stands(mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    version = challenger(mlflow_server, model)
    proxy.fail("hang", MOVE_STAGE)
    code, _, note = promote(backend, model, version)
    assert code == 1
    assert "did not answer model-versions/transition-stage within 1 s. The decision is in the ledger" in note
    assert "recover" in note
    assert proxy.requests.count(MOVE_STAGE) == 1
    settle(mlflow_server, model)
    assert holders(mlflow_server, model) == (version,)
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
def test_a_version_whose_making_was_not_confirmed_is_made_once(mlflow_server, proxy_of):
    backend, proxy = proxy_of
    name, run_id = f"unanswered-{ULID()}", make_trained_run(mlflow_server)
    proxy.fail("drop after", "POST model-versions/create")
    code, _, note = command(backend, "register", run_id, "--model", name)
    assert code == 1
    assert f"The model {name} exists, and the version may be registered. Check the versions of {name}" in note
    assert list(read_snapshot(mlflow_server, name).versions) == ["1"]


@pytest.mark.slow
def test_a_decision_that_was_recorded_and_never_confirmed_is_carried_out(mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    proxy.fail("hang after", LOG_PARAMETER)
    assert promote(backend, model, challenger(mlflow_server, model))[1]["outcome"] == "applied"
    assert proxy.requests.count(LOG_PARAMETER) == 2
    assert entry_types(mlflow_server, model)[-2:] == ["DECIDED", "APPLIED"]
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
def test_an_entry_that_arrives_late_has_lost_its_place_to_the_second_try(mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    decisions = count_decisions(mlflow_server, model)
    proxy.fail("late", LOG_PARAMETER, count=1)
    assert promote(backend, model, challenger(mlflow_server, model))[1]["outcome"] == "applied"
    assert proxy.release(1) == [400]
    assert count_decisions(mlflow_server, model) == decisions + 1
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
def test_files_that_do_not_come_in_hold_up_no_version_and_are_asked_for_once(mlflow_server, proxy_of):
    backend, proxy = proxy_of
    name = f"unanswered-{ULID()}"
    first_run, second_run = make_trained_run(mlflow_server), make_trained_run(mlflow_server)
    proxy.fail("dribble", "GET mlflow-artifacts/FILE")
    for run_id in (first_run, second_run):
        version = command(backend, "register", run_id, "--model", name)[1]
        body = read_book_state(mlflow_server, name).book.entries[version["place"] - 1].body
        assert body.lineage.missing == "the server did not answer the request for the model's files"
    assert proxy.requests.count("GET mlflow-artifacts/FILE") == 1


@pytest.mark.slow
def test_these_are_all_endpoints_that_the_commands_ask(mlflow_server, proxy_of, model, monkeypatch):
    backend, proxy = proxy_of

    def endpoints(*arguments):
        proxy.requests.clear()
        assert command(backend, *arguments)[0] in DONE_CODES
        return set(proxy.requests)

    assert endpoints("promote", model, challenger(mlflow_server, model), "--to", "Production", *WHY) == set(PROMOTE)
    run_id = make_trained_run(mlflow_server)
    assert set().union(*(endpoints(*look_arguments(look, model)) for look in LOOKS)) == set(LOOK)
    recovering = set()
    for choice in ("--finish", "--give-up"):
        leave_open(mlflow_server, proxy_of, model)
        recovering |= endpoints("recover", model, choice, *WHY)
    assert recovering == set(RECOVER)
    assert endpoints("register", run_id, "--model", f"{model}-new") - {"GET server-info"} == set(REGISTER)
    monkeypatch.setattr(capabilities, "_CACHE", {})
    assert endpoints("models") - {"GET experiments/search", "GET model-versions/search", MOVE_STAGE} == set(CAPABILITIES)


PROMOTION_FAULTS = [
    (kind, endpoint, first)
    for endpoint in PROMOTE
    for first in ((1, 5) if endpoint in READS else (1, 2) if endpoint in (LOG_PARAMETER, MOVE_STAGE) else (1,))
    for kind in (KINDS if endpoint.startswith("POST") else ("hang", "drop"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "endpoint", "first"), PROMOTION_FAULTS)
def test_a_promotion_ends_whatever_fails_and_one_version_is_in_production(mlflow_server, proxy_of, model, kind, endpoint, first):
    """The model is settled afterwards, so that the next case can decide about it again."""
    backend, proxy = proxy_of
    champions, version, decisions = (
        holders(mlflow_server, model),
        challenger(mlflow_server, model),
        count_decisions(mlflow_server, model),
    )
    proxy.fail(kind, endpoint, first)
    code, document, note = promote(backend, model, version)
    if code == 0:
        assert document["outcome"] == "applied"
        assert holders(mlflow_server, model) == (version,)
        check_at_rest(mlflow_server, model)
    else:
        is_decided = count_decisions(mlflow_server, model) > decisions
        assert is_decided == ("The decision is in the ledger" in note or "The entry DECIDED was recorded" in note)
        assert is_decided or holders(mlflow_server, model) == champions
        assert is_decided or "Nothing was changed" in note or "may or may not" in note
    settle(mlflow_server, model)
    assert len(holders(mlflow_server, model)) == 1
    check_at_rest(mlflow_server, model)


RECOVERY_FAULTS = [
    (kind, endpoint, 4 if endpoint in READS else 1)
    for endpoint in RECOVER
    for kind in (("hang", "drop after") if endpoint.startswith("POST") else ("hang",))
]


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["--finish", "--give-up"])
@pytest.mark.parametrize(("kind", "endpoint", "first"), RECOVERY_FAULTS)
def test_recovering_ends_whatever_fails_and_can_be_done_again(mlflow_server, proxy_of, model, choice, kind, endpoint, first):
    backend, proxy = proxy_of
    champions = holders(mlflow_server, model)
    version = leave_open(mlflow_server, proxy_of, model)
    proxy.fail(kind, endpoint, first)
    code, document, note = command(backend, "recover", model, choice, *WHY)
    if code == 0:
        assert [intent["outcome"] for intent in document["models"][0]["intents"]] in (["applied"], ["failed"])
    else:
        assert code == 1
        assert "gives no answer" in note or "gave no answer" in note or "not answer" in note
        assert "Nothing was changed" in note or "Decisions that were not closed are still open" in note
        outcomes = [intent["outcome"] for intent in document["models"][0]["intents"]] if document else []
        assert outcomes in ([], ["unknown"])
    proxy.heal()
    assert command(backend, "recover", model, choice, *WHY)[0] == 0
    assert holders(mlflow_server, model) == ((version,) if choice == "--finish" else champions)
    check_at_rest(mlflow_server, model)


@pytest.mark.slow
def test_recovering_that_gets_no_answer_says_what_it_does_not_know_and_asks_for_no_further_model(mlflow_server, proxy_of, model):
    backend, proxy = proxy_of
    leave_open(mlflow_server, proxy_of, model)
    proxy.fail("hang", MOVE_STAGE)
    code, document, note = command(backend, "recover", "--finish", *WHY)
    assert code == 1
    assert note.splitlines() == [
        (
            f"podium: {model}: The server did not answer model-versions/transition-stage within 1 s. "
            "The registry may have been changed only partly. Decisions that were not closed are still open. "
            "Check the current state before repeating it. Then look at the model again."
        )
    ]
    (row,) = [row for row in document["models"] if row["model"] == model]
    assert [intent["outcome"] for intent in row["intents"]] == ["unknown"]
    settle(mlflow_server, model)
    check_at_rest(mlflow_server, model)


def test_the_commands_of_keys_ask_no_server(proxy_of):
    """Keys are files of this Podium: a server that does not answer blocks none of their commands."""
    backend, proxy = proxy_of
    proxy.requests.clear()
    for arguments in (("rotate",), ("list",), ("show",)):
        assert command(backend, "keys", *arguments)[0] == 0
    assert proxy.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", [*CAPABILITIES, MOVE_STAGE])
@pytest.mark.parametrize("kind", ["hang", "drop"])
def test_a_server_that_does_not_tell_what_it_can_do_is_told_before_anything_is_written(
    mlflow_server, proxy_of, model, kind, endpoint, monkeypatch
):
    backend, proxy = proxy_of
    monkeypatch.setattr(capabilities, "_CACHE", {})
    monkeypatch.setattr("lib.backends.rest_request._REQUEST_TIMEOUT_SECONDS", 1)
    entries = entry_types(mlflow_server, model)
    proxy.fail(kind, endpoint)
    code, _, note = promote(backend, model, challenger(mlflow_server, model))
    assert code == 1
    assert "did not answer" in note
    assert "Nothing was changed." in note
    assert entry_types(mlflow_server, model) == entries


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hang", "hang after", "drop after"])
@pytest.mark.parametrize("endpoint", REGISTER)
def test_registering_ends_whatever_fails_and_makes_one_version_at_most(mlflow_server, proxy_of, kind, endpoint):
    backend, proxy = proxy_of
    name, run_id = f"unanswered-{ULID()}", make_trained_run(mlflow_server)
    proxy.fail(kind, endpoint)
    code, document, note = command(backend, "register", run_id, "--model", name)
    proxy.heal()
    snapshot = read_snapshot(mlflow_server, name)
    assert len(snapshot.versions) <= 1
    if code == 0:
        assert document["version"] == "1"
        assert entry_types(mlflow_server, name)[-1] == "REGISTERED"
    else:
        assert any(
            words in note
            for words in (
                "Nothing was changed",
                "not known",
                "unknown",
                "may or may not",
                "without this version",
                "may be",
                "is made",
            )
        )
    if not snapshot.versions:
        assert command(backend, "register", run_id, "--model", name)[0] == 0
    assert promote(backend, name, "1")[1]["outcome"] == "applied"
    check_at_rest(mlflow_server, name)
    assert find_book_id(mlflow_server, incarnation_of(read_snapshot(mlflow_server, name)))


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", ["hang", "dribble"])
def test_a_look_ends_whatever_fails_and_shows_nothing_half(mlflow_server, proxy_of, model, look, kind):
    backend, proxy = proxy_of
    make_trained_run(mlflow_server)
    arguments = look_arguments(look, model)
    proxy.requests.clear()
    assert command(backend, *arguments)[0] in DONE_CODES
    endpoints = set(proxy.requests)
    assert len(endpoints) >= 3
    for endpoint in endpoints:
        proxy.fail(kind, endpoint)
        code, document, note = command(backend, *arguments)
        assert (code, document) == (1, None), endpoint
        assert "Nothing was changed" in note


@pytest.mark.slow
def test_a_server_that_answers_every_call_late_is_not_given_up(mlflow_server, proxy_of, model):
    """All calls together take much longer than one may."""
    backend, proxy = proxy_of
    proxy.fail("slow", "GET registered-models/get")
    assert promote(backend, model, challenger(mlflow_server, model))[1]["outcome"] == "applied"
    assert proxy.requests.count("GET registered-models/get") * SLOW_SECONDS > 2 * call_seconds()
    check_at_rest(mlflow_server, model)
