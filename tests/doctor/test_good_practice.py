"""Stores made sick on purpose: each bad habit is found, each cured one is not, and a secret is never shown."""

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks import git_commits, good_practice, ledger, model_versions, other_stores, run_metadata, secrets, stale_runs
from lib.doctor.checks.good_practice import is_vague
from lib.doctor.checks.secret_detection import find_secret, mask_secrets
from lib.doctor.types import CONFIRMATION_INPUT, FixContext, offer_fix
from lib.errors import ActionRefused, BadInput
from lib.registry.promote import MoveRequest, move_version
from lib.registry.register import register
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.runs.test_run_reader import log_run, make_experiment
from tests.support.ledger_stores import REASON, book_id_of, make_trained_run, make_writer

KEY = "AKIAIOSFODNN7" + "EXAMPLE"
PASSWORD = "hunter2-and-more"
TOKEN = "ghp_" + "aB3dE6gH9" * 4


@pytest.fixture
def room(fresh_store, tmp_path):
    return FixContext(fresh_store, now, tmp_path / "podium", "ana")


def asked(store, *checks, clock=now):
    return {one.check_id: one for one in run_checks(store, clock, checks=checks).findings}


def found(store, check, clock=now):
    return asked(store, check, clock=clock)[check.id]


@pytest.mark.parametrize("name", ["Experiment1", "test", "my_exp-2", "Test 3", "new model", "tmp", "exp", "untitled", "x1"])
def test_a_name_that_says_nothing_is_vague(name):
    assert is_vague(name)


@pytest.mark.parametrize(
    "name", ["Wine-Classification-RandomForest", "YT-MLOPS-Exp-2", "card-fraud", "model-zoo-vision", "testing-drift"]
)
def test_a_name_that_says_something_is_not(name):
    assert not is_vague(name)


def test_vague_experiments_are_named(fresh_store):
    make_experiment(fresh_store, "Experiment1")
    make_experiment(fresh_store, "Wine-Forest")
    one = found(fresh_store, good_practice.EXPERIMENT_NAMES_CHECK)
    assert (one.level, one.summary, one.evidence[0][0]) == ("notice", "1 of 2 vague", "Experiment1")


def test_everything_in_default_is_told_and_a_few_runs_there_are_not(fresh_store):
    for n in range(3):
        log_run(fresh_store, "0", f"run-{n}")
    assert found(fresh_store, good_practice.DEFAULT_EXPERIMENT_CHECK).title == "All runs lie in the Default experiment"
    home = make_experiment(fresh_store, "Wine-Forest")
    for n in range(5):
        log_run(fresh_store, home, f"run-{n}")
    assert found(fresh_store, good_practice.DEFAULT_EXPERIMENT_CHECK).level == "fine"


def test_what_runs_do_not_tell_is_counted_by_what_is_missing(fresh_store):
    home, there = make_experiment(fresh_store, "Wine-Forest"), client(fresh_store)
    bare = there.create_run(home, run_name="bare").info.run_id
    there.set_terminated(bare)
    one = found(fresh_store, run_metadata.RUN_METADATA_CHECK)
    assert {row[0] for row in one.evidence} == {"Parameters", "Metrics", "Data", "Environment", "Source", "Author"}
    assert one.summary == "0 of 1 whole"
    there.log_param(bare, "trees", 5)
    there.log_metric(bare, "accuracy", 0.9)
    for key, value in {"author": "ana", "mlflow.source.name": "train.py", "dataset": "wine", "python": "3.11"}.items():
        there.set_tag(bare, key, value)
    assert found(fresh_store, run_metadata.RUN_METADATA_CHECK).level == "fine"


def test_a_champion_without_description_is_told_until_it_has_one(fresh_store):
    register(make_writer(fresh_store), make_trained_run(fresh_store), "wine")
    assert found(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).summary == "none in Production"
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    client(fresh_store).update_registered_model("wine", "")
    client(fresh_store).update_model_version("wine", "1", "")
    assert found(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).evidence == (("wine", "v1"),)
    client(fresh_store).update_registered_model("wine", "Sorts wines by cultivar; ask Ana.")
    assert found(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).level == "fine"


def test_a_run_tagged_production_without_a_version_is_told(fresh_store):
    run_id = make_trained_run(fresh_store)
    client(fresh_store).set_tag(run_id, "environment", "Production")
    assert found(fresh_store, good_practice.PRODUCTION_RUNS_CHECK).evidence[0][1:] == ("environment", "yes")
    register(make_writer(fresh_store), run_id, "wine")
    assert found(fresh_store, good_practice.PRODUCTION_RUNS_CHECK).level == "fine"


def test_a_silent_run_is_marked_and_one_that_still_logs_is_left_alone(room):
    there = client(room.backend)
    dead, alive = (
        make_trained_run(room.backend, "forest-5-dead", status="RUNNING"),
        make_trained_run(room.backend, "forest-9-alive", status="RUNNING"),
    )
    later = now() + timedelta(days=2)
    there.log_metric(alive, "loss", 0.1, timestamp=int((later - timedelta(minutes=5)).timestamp() * 1000))
    assert found(room.backend, stale_runs.STALE_RUNS_CHECK).level == "fine"
    one = found(room.backend, stale_runs.STALE_RUNS_CHECK, clock=lambda: later)
    assert [row[0] for row in one.evidence] == [f"forest-5-dead ({dead[:8]})"]
    then = replace(room, clock=lambda: later)
    with pytest.raises(BadInput):
        fix_runner.preview_fix(then, offer_fix("end_failed", runs=alive))
    assert dead in fix_runner.preview_fix(then, one.fix_offers[0]).snippets[0].text
    fix_runner.apply_fix(then, one.fix_offers[0], lambda _: None)
    assert (read_run(room.backend, dead).status, read_run(room.backend, alive).status) == ("FAILED", "RUNNING")
    with pytest.raises(ActionRefused, match="any more"):
        fix_runner.apply_fix(then, one.fix_offers[1], lambda _: None)


def test_a_version_that_lost_its_run_its_files_or_both_is_named(room):
    first, second, third = (make_trained_run(room.backend, f"forest-{n}-trees") for n in (5, 10, 15))
    for one in (first, second, third):
        register(make_writer(room.backend), one, "wine")
    assert found(room.backend, model_versions.MODEL_VERSIONS_CHECK).summary == "3 of 3"
    client(room.backend).delete_run(first)
    place = Path(client(room.backend).get_logged_model(read_run(room.backend, second).model_ids[0]).artifact_location)
    (place / "MLmodel").unlink()
    one = found(room.backend, model_versions.MODEL_VERSIONS_CHECK)
    assert {(row[0], row[2]) for row in one.evidence} == {("wine v1", "the run, deleted"), ("wine v2", "the files")}
    fix_runner.apply_fix(room, one.fix_offers[0], lambda _: None)
    assert {row[0] for row in found(room.backend, model_versions.MODEL_VERSIONS_CHECK).evidence} == {"wine v2"}


def test_versions_are_looked_at_through_a_server_too(mlflow_server):
    run_id = make_trained_run(mlflow_server, "forest-77-served")
    register(make_writer(mlflow_server), run_id, "doctor-served")
    one = found(mlflow_server, model_versions.MODEL_VERSIONS_CHECK)
    assert not [row for row in one.evidence if row[0] == "doctor-served v1"]


def leaky(store):
    """Runs that hold a key, a password and a token, in a parameter, a tag, an address and a name."""
    home, there = make_experiment(store, "Wine-Forest"), client(store)
    first, second = (log_run(store, home, f"run-{n}") for n in (1, 2))
    there.log_param(first, "aws", KEY)
    there.set_tag(first, "db", f"postgresql://ana:{PASSWORD}@db/wine")
    there.log_param(second, "db_password", PASSWORD)
    there.update_run(second, name=f"run with {TOKEN}")
    return first, second


def test_secrets_are_found_and_masked_in_every_finding_and_cure(room):
    first, _ = leaky(room.backend)
    report = run_checks(room.backend, now)
    one = next(one for one in report.findings if one.check_id == "secrets")
    assert (one.level, one.summary) == ("problem", "4 in 2 of 2 runs")
    shown = [fix_runner.preview_fix(room, offered) for offered in one.fix_offers]
    for secret in (KEY, PASSWORD, TOKEN):
        assert secret not in repr(report)
        assert secret not in repr(shown)
        assert secret[4:12] not in repr(report)
    fix_runner.apply_fix(room, one.fix_offers[0], lambda _: None)
    assert "db" not in read_run(room.backend, first).tags
    for offered in one.fix_offers[1:]:
        done = fix_runner.apply_fix(
            room,
            offered.with_inputs({CONFIRMATION_INPUT: fix_runner.preview_fix(room, offered).confirmation_text}),
            lambda _: None,
        )
        assert TOKEN not in repr(done)
    assert found(room.backend, secrets.SECRETS_CHECK).level == "fine"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "512"),
        ("mlflow.source.git.commit", "0123456789abcdef0123456789abcdef01234567"),
        ("password_required", "true"),
        ("key_columns", "a,b,c,d"),
        ("primary_key", "customer_id"),
        ("secret", "none"),
        ("db_password", "${DB_PASSWORD}"),
        ("tokenizer", "bert-base-uncased"),
        ("url", "https://example.org/a/b?c=d"),
        ("model_uuid", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_what_only_sounds_like_a_secret_is_none(name, value):
    assert find_secret(name, value) is None
    assert mask_secrets(value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", KEY),
        ("x", TOKEN),
        ("x", f"postgresql://ana:{PASSWORD}@db/wine"),
        ("x", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow"),
        ("api_key", "0123456789abcdef0123456789abcdef01234567"),
        ("hf_token", "hf_aZ3kQp9LxW2mN8vB4tY6"),
        ("db_password", "hunter2!"),
        ("config", json.dumps({"password": PASSWORD})),
    ],
)
def test_a_secret_is_told_by_kind_and_length_only(name, value):
    said = find_secret(name, value).description
    assert "not shown" in said
    assert value[:6] not in said


def test_stores_beside_each_other_and_a_variable_elsewhere_are_told(fresh_store, empty_database, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    assert found(fresh_store, other_stores.OTHER_STORES_CHECK).level == "fine"
    from tests.conftest import copy_store

    other = copy_store(empty_database, tmp_path / "other")
    make_trained_run(other)
    other.path.rename(fresh_store.path.with_name("second.db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ana:{PASSWORD}@tracking.example:5000")
    one = found(fresh_store, other_stores.OTHER_STORES_CHECK)
    assert [row[1] for row in one.evidence] == ["names http://tracking.example:5000", "a database of MLflow with 1 runs"]
    assert PASSWORD not in repr(one)


def git(folder, *words):
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    done = subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commits_without_a_run_and_versions_without_their_commit_are_told(fresh_store, tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q")
    hashes = []
    for n in range(3):
        (project / "params.yaml").write_text(f"trees: {n}")
        git(project, "add", ".")
        git(project, "commit", "-q", "-m", f"try {n} trees")
        hashes.append(git(project, "rev-parse", "HEAD"))
    (project / "notes.md").write_text("words")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "words only")
    monkeypatch.chdir(project)
    assert found(fresh_store, git_commits.COMMITS_CHECK).level == "skipped"
    runs = [make_trained_run(fresh_store, f"forest-{n}-trees") for n in (5, 9)]
    client(fresh_store).set_tag(runs[0], "git_commit", hashes[0])
    client(fresh_store).set_tag(runs[1], "git_commit", "f" * 40)
    register(make_writer(fresh_store), runs[1], "wine")
    one = found(fresh_store, git_commits.COMMITS_CHECK)
    assert [row[1] for row in one.evidence] == ["try 2 trees", "try 1 trees"]
    lost = found(fresh_store, model_versions.MODEL_VERSIONS_CHECK)
    assert lost.evidence[0][:3] == ("wine v1", "None", f"commit {'f' * 10}")
    monkeypatch.chdir(tmp_path)
    assert found(fresh_store, model_versions.MODEL_VERSIONS_CHECK).level == "fine"


def test_the_record_is_judged_and_a_move_outside_is_told(fresh_store):
    assert [one.summary for one in asked(fresh_store, *ledger.CHECKS).values()] == ["none yet", "none recorded yet"]
    register(make_writer(fresh_store), make_trained_run(fresh_store), "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production", REASON))
    assert {one.level for one in asked(fresh_store, *ledger.CHECKS).values()} == {"fine"}
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    assert found(fresh_store, ledger.DRIFT_CHECK).title == "wine was moved outside Podium"
    client(fresh_store).set_model_version_tag("wine", "1", "podium.head", f"99 {'a' * 64} {book_id_of(fresh_store)}")
    assert found(fresh_store, ledger.LEDGER_CHECK).level == "problem"
