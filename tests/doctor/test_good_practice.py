"""Stores with deliberate bad practice: each is reported, none after its fix, and secrets are never shown."""

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.doctor import fix_runner
from lib.doctor.check_runner import run_checks
from lib.doctor.checks import git_commits, good_practice, ledger, model_versions, other_stores, run_metadata, secrets, stale_runs
from lib.doctor.checks.good_practice import is_vague
from lib.doctor.fixes import mlflow_gc
from lib.doctor.secret_detection import find_secret, mask_secrets
from lib.doctor.types import CONFIRMATION_INPUT, offer_fix
from lib.errors import ActionRefused, BadInput
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.runs.reading.run_reader import read_run
from lib.ui.app.session import now
from tests.support.doctor_stores import KEY, PASSWORD, TOKEN, log_secrets, run_gc_here
from tests.support.ledger_stores import DECISION, book_id_of, make_trained_run, make_writer
from tests.support.run_factories import log_run, make_experiment


def findings_by_check(store, *checks, clock=now):
    return {finding.check_id: finding for finding in run_checks(store, clock, checks=checks).findings}


def finding_of(store, check, clock=now):
    return findings_by_check(store, check, clock=clock)[check.id]


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
    finding = finding_of(fresh_store, good_practice.EXPERIMENT_NAMES_CHECK)
    assert (finding.level, finding.summary, finding.evidence[0][0]) == ("notice", "1 of 2 vague", "Experiment1")


def test_everything_in_default_is_reported_but_a_few_runs_there_are_not(fresh_store):
    for n in range(3):
        log_run(fresh_store, "0", f"run-{n}")
    assert finding_of(fresh_store, good_practice.DEFAULT_EXPERIMENT_CHECK).title == "All runs are in the Default experiment"
    experiment_id = make_experiment(fresh_store, "Wine-Forest")
    for n in range(5):
        log_run(fresh_store, experiment_id, f"run-{n}")
    assert finding_of(fresh_store, good_practice.DEFAULT_EXPERIMENT_CHECK).level == "fine"


def test_what_runs_do_not_tell_is_counted_by_what_is_missing(fresh_store):
    experiment_id, mlflow_client = make_experiment(fresh_store, "Wine-Forest"), client(fresh_store)
    run_id = mlflow_client.create_run(experiment_id, run_name="bare").info.run_id
    mlflow_client.set_terminated(run_id)
    finding = finding_of(fresh_store, run_metadata.RUN_METADATA_CHECK)
    assert {row[0] for row in finding.evidence} == {"Parameters", "Metrics", "Data", "Environment", "Source", "Author"}
    assert finding.summary == "0 of 1 complete"
    mlflow_client.log_param(run_id, "trees", 5)
    mlflow_client.log_metric(run_id, "accuracy", 0.9)
    for key, value in {"author": "ana", "mlflow.source.name": "train.py", "dataset": "wine", "python": "3.11"}.items():
        mlflow_client.set_tag(run_id, key, value)
    assert finding_of(fresh_store, run_metadata.RUN_METADATA_CHECK).level == "fine"


def test_metadata_of_a_parent_counts_for_its_children_unless_it_is_specific_to_each(fresh_store):
    experiment_id, mlflow_client = make_experiment(fresh_store, "Wine-Search"), client(fresh_store)
    tags = {"author": "ana", "mlflow.source.name": "search.py", "dataset": "wine", "python": "3.11"}
    parent_id = mlflow_client.create_run(experiment_id, run_name="search", tags=tags).info.run_id
    child_id = mlflow_client.create_run(experiment_id, run_name="trial", tags={"mlflow.parentRunId": parent_id}).info.run_id
    grandchild_id = mlflow_client.create_run(experiment_id, tags={"mlflow.parentRunId": child_id}).info.run_id
    for run_id in (parent_id, child_id):
        mlflow_client.log_param(run_id, "trees", 5)
        mlflow_client.log_metric(run_id, "accuracy", 0.9)
    for run_id in (parent_id, child_id, grandchild_id):
        mlflow_client.set_terminated(run_id)
    finding = finding_of(fresh_store, run_metadata.RUN_METADATA_CHECK)
    assert finding.summary == "2 of 3 complete"
    assert {row[0] for row in finding.evidence} == {"Parameters", "Metrics"}


def test_a_champion_without_description_is_reported_until_it_has_one(fresh_store):
    register(make_writer(fresh_store), make_trained_run(fresh_store), "wine")
    assert finding_of(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).summary == "none in Production"
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    client(fresh_store).update_registered_model("wine", "")
    client(fresh_store).update_model_version("wine", "1", "")
    assert finding_of(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).evidence == (("wine", "v1"),)
    client(fresh_store).update_registered_model("wine", "Sorts wines by cultivar; ask Ana.")
    assert finding_of(fresh_store, good_practice.MODEL_DESCRIPTIONS_CHECK).level == "fine"


def test_a_run_tagged_production_without_a_version_is_reported(fresh_store):
    run_id = make_trained_run(fresh_store)
    client(fresh_store).set_tag(run_id, "environment", "Production")
    assert finding_of(fresh_store, good_practice.PRODUCTION_RUNS_CHECK).evidence[0][1:] == ("environment", "yes")
    register(make_writer(fresh_store), run_id, "wine")
    assert finding_of(fresh_store, good_practice.PRODUCTION_RUNS_CHECK).level == "fine"


def test_a_silent_run_is_marked_and_one_that_still_logs_is_left_alone(context):
    mlflow_client = client(context.backend)
    stale_id, active_id = (
        make_trained_run(context.backend, "forest-5-dead", status="RUNNING"),
        make_trained_run(context.backend, "forest-9-alive", status="RUNNING"),
    )
    later = now() + timedelta(days=2)
    mlflow_client.log_metric(active_id, "loss", 0.1, timestamp=int((later - timedelta(minutes=5)).timestamp() * 1000))
    assert finding_of(context.backend, stale_runs.STALE_RUNS_CHECK).level == "fine"
    finding = finding_of(context.backend, stale_runs.STALE_RUNS_CHECK, clock=lambda: later)
    assert [row[0] for row in finding.evidence] == [f"forest-5-dead ({stale_id[:8]})"]
    later_context = replace(context, clock=lambda: later)
    with pytest.raises(BadInput):
        fix_runner.preview_fix(later_context, offer_fix("end_failed", runs=active_id))
    assert stale_id in fix_runner.preview_fix(later_context, finding.fix_offers[0]).snippets[0].text
    fix_runner.apply_fix(later_context, finding.fix_offers[0], lambda _: None)
    assert (read_run(context.backend, stale_id).status, read_run(context.backend, active_id).status) == ("FAILED", "RUNNING")
    with pytest.raises(ActionRefused, match="any longer"):
        fix_runner.apply_fix(later_context, finding.fix_offers[1], lambda _: None)


def test_all_silent_runs_are_named_however_many_and_whatever_they_logged(fresh_store):
    mlflow_client, experiment_id = client(fresh_store), make_experiment(fresh_store, "many")
    later = now() + timedelta(days=2)
    lively_id = mlflow_client.create_run(experiment_id).info.run_id
    for number in range(8):
        mlflow_client.log_metric(lively_id, f"metric_{number}", 1.0, timestamp=0)
    mlflow_client.log_metric(lively_id, "zeta", 1.0, timestamp=int(later.timestamp() * 1000))
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.executemany(
            "insert into runs (run_uuid, experiment_id, status, start_time, lifecycle_stage, user_id)"
            " values (?, ?, 'RUNNING', 1, 'active', 'ana')",
            [(f"{number:032x}", experiment_id) for number in range(205)],
        )
    stale_ids = {run.run_id for run in stale_runs.find_stale_runs(fresh_store, later)}
    assert len(stale_ids) == 205
    assert lively_id not in stale_ids


def test_a_version_that_lost_its_run_its_files_or_both_is_named(context):
    first_id, second_id, third_id = (make_trained_run(context.backend, f"forest-{n}-trees") for n in (5, 10, 15))
    for run_id in (first_id, second_id, third_id):
        register(make_writer(context.backend), run_id, "wine")
    assert finding_of(context.backend, model_versions.MODEL_VERSIONS_CHECK).summary == "3 of 3"
    client(context.backend).delete_run(first_id)
    model_folder = Path(
        client(context.backend).get_logged_model(read_run(context.backend, second_id).model_ids[0]).artifact_location
    )
    (model_folder / "MLmodel").unlink()
    finding = finding_of(context.backend, model_versions.MODEL_VERSIONS_CHECK)
    assert {(row[0], row[2]) for row in finding.evidence} == {("wine v1", "the run, deleted"), ("wine v2", "the files")}
    fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert {row[0] for row in finding_of(context.backend, model_versions.MODEL_VERSIONS_CHECK).evidence} == {"wine v2"}


def test_a_version_with_unreachable_files_does_not_count_as_complete(fresh_store):
    register(make_writer(fresh_store), make_trained_run(fresh_store), "wine")
    client(fresh_store).create_model_version("wine", "s3://bucket/model")
    finding = finding_of(fresh_store, model_versions.MODEL_VERSIONS_CHECK)
    assert (finding.level, finding.summary) == ("fine", "1 of 2; the files of 1 cannot be reached from here")


@pytest.mark.slow
def test_versions_are_looked_at_through_a_server_too(mlflow_server):
    run_id = make_trained_run(mlflow_server, "forest-77-served")
    register(make_writer(mlflow_server), run_id, "doctor-served")
    finding = finding_of(mlflow_server, model_versions.MODEL_VERSIONS_CHECK)
    assert not [row for row in finding.evidence if row[0] == "doctor-served v1"]
    client(mlflow_server).delete_run(run_id)
    finding = finding_of(mlflow_server, model_versions.MODEL_VERSIONS_CHECK)
    assert [row[2] for row in finding.evidence if row[0] == "doctor-served v1"] == ["the run, deleted"]


def test_secrets_are_found_and_masked_in_every_finding_and_fix(context, monkeypatch):
    monkeypatch.setattr(mlflow_gc, "_run_gc", run_gc_here)
    first_id, _ = log_secrets(context.backend)
    report = run_checks(context.backend, now)
    finding = next(candidate for candidate in report.findings if candidate.check_id == "secrets")
    assert (finding.level, finding.summary) == ("problem", "4 in 2 of 2 runs")
    previews = [fix_runner.preview_fix(context, offer) for offer in finding.fix_offers]
    for secret in (KEY, PASSWORD, TOKEN):
        assert secret not in repr(report)
        assert secret not in repr(previews)
        assert secret[4:12] not in repr(report)
    fix_runner.apply_fix(context, finding.fix_offers[0], lambda _: None)
    assert "db" not in read_run(context.backend, first_id).tags
    for offer in finding.fix_offers[1:]:
        result = fix_runner.apply_fix(
            context,
            offer.with_inputs({CONFIRMATION_INPUT: fix_runner.preview_fix(context, offer).confirmation_text}),
            lambda _: None,
        )
        assert TOKEN not in repr(result)
    assert finding_of(context.backend, secrets.SECRETS_CHECK).level == "fine"


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
def test_a_secret_is_described_by_kind_and_length_only(name, value):
    description = find_secret(name, value).description
    assert "not shown" in description
    assert value[:6] not in description


def test_neighbouring_stores_and_a_variable_set_to_another_one_are_reported(fresh_store, empty_database, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fresh_store.uri)
    assert finding_of(fresh_store, other_stores.OTHER_STORES_CHECK).level == "fine"
    from tests.conftest import copy_store

    other_store = copy_store(empty_database, tmp_path / "other")
    make_trained_run(other_store)
    other_store.path.rename(fresh_store.path.with_name("second.db"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ana:{PASSWORD}@tracking.example:5000")
    finding = finding_of(fresh_store, other_stores.OTHER_STORES_CHECK)
    assert [row[1] for row in finding.evidence] == ["set to http://tracking.example:5000", "an MLflow database with 1 runs"]
    assert PASSWORD not in repr(finding)


def test_podiums_own_default_database_is_a_second_place_only_for_a_store_beside_it(
    fresh_store, empty_database, monkeypatch, tmp_path
):
    """Trying out Podium creates its default database, while the team's store is elsewhere."""
    from tests.conftest import copy_store

    project = tmp_path / "podium"
    default_store = copy_store(empty_database, project)
    make_trained_run(default_store)
    monkeypatch.setattr(other_stores, "PROJECT_FOLDER", project)
    monkeypatch.chdir(project)
    assert finding_of(fresh_store, other_stores.OTHER_STORES_CHECK).level == "fine"
    neighbour = project / "team.db"
    shutil.copy(empty_database, neighbour)
    finding = finding_of(sqlite_backend(neighbour), other_stores.OTHER_STORES_CHECK)
    assert [row[0] for row in finding.evidence] == [str(default_store.path)]


def git(folder, *arguments):
    identity = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    process = subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return process.stdout.strip()


def test_commits_without_a_run_and_versions_without_their_commit_are_reported(fresh_store, tmp_path, monkeypatch):
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
    assert finding_of(fresh_store, git_commits.COMMITS_CHECK).level == "skipped"
    run_ids = [make_trained_run(fresh_store, f"forest-{n}-trees") for n in (5, 9)]
    client(fresh_store).set_tag(run_ids[0], "git_commit", hashes[0])
    client(fresh_store).set_tag(run_ids[1], "git_commit", "f" * 40)
    register(make_writer(fresh_store), run_ids[1], "wine")
    finding = finding_of(fresh_store, git_commits.COMMITS_CHECK)
    assert [row[1] for row in finding.evidence] == ["try 2 trees", "try 1 trees"]
    versions_finding = finding_of(fresh_store, model_versions.MODEL_VERSIONS_CHECK)
    assert versions_finding.evidence[0][:3] == ("wine v1", "None", f"commit {'f' * 10}")
    monkeypatch.chdir(tmp_path)
    assert finding_of(fresh_store, model_versions.MODEL_VERSIONS_CHECK).level == "fine"


def test_the_record_is_verified_and_an_external_change_is_reported(fresh_store):
    assert [finding.summary for finding in findings_by_check(fresh_store, *ledger.CHECKS).values()] == [
        "none yet",
        "none recorded yet",
    ]
    register(make_writer(fresh_store), make_trained_run(fresh_store), "wine")
    move_version(make_writer(fresh_store), MoveRequest("wine", "1", "Production"), DECISION)
    assert {finding.level for finding in findings_by_check(fresh_store, *ledger.CHECKS).values()} == {"fine"}
    client(fresh_store).transition_model_version_stage("wine", "1", "Archived")
    assert finding_of(fresh_store, ledger.DRIFT_CHECK).title == "wine was changed outside Podium"
    client(fresh_store).set_model_version_tag("wine", "1", "podium.head", f"99 {'a' * 64} {book_id_of(fresh_store)}")
    assert finding_of(fresh_store, ledger.LEDGER_CHECK).level == "problem"
