"""Every check on a healthy store, on hostile names, and on parts that cannot be read: these are reported, never passed over as fine."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from mlflow.exceptions import MlflowException

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.doctor.check_runner import CHECKS, QUICK_CHECKS, run_checks
from lib.doctor.checks import (
    artifact_locations,
    backend,
    deleted_items,
    git_commits,
    good_practice,
    ledger,
    model_versions,
    other_stores,
    run_metadata,
    secrets,
    stale_runs,
)
from lib.doctor.report import evidence_rows, report_document, report_lines, report_markdown
from lib.doctor.types import Check
from lib.errors import Busy, LedgerBroken
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.ui.app.session import now
from tests.conftest import copy_store
from tests.support.doctor_stores import KEY, TOKEN, insert_stale_runs, make_run
from tests.support.hostile_text import HOSTILE, fill_hostile_store
from tests.support.ledger_stores import DECISION, make_trained_run, make_writer

NOT_APPLICABLE = {"clock", "commits", "damaged_files"}
"""Checks that have nothing to look at in a local database outside a repository."""


@pytest.fixture(scope="module")
def healthy_store(tmp_path_factory, empty_database):
    """A store with a described model in Production, made by good practice throughout. Only read."""
    store = copy_store(empty_database, tmp_path_factory.mktemp("healthy"))
    run_id = make_trained_run(store, "forest-5-trees", experiment="Wine-Classification-RandomForest")
    for key, value in {"author": "ana", "mlflow.source.name": "train.py", "dataset": "wine", "python": "3.11"}.items():
        client(store).set_tag(run_id, key, value)
    register(make_writer(store), run_id, "wine")
    move_version(make_writer(store), MoveRequest("wine", "1", "Production"), DECISION)
    client(store).update_registered_model("wine", "Sorts wines by cultivar; ask Ana.")
    return store


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory, empty_database):
    """A store in which every name is an attack and every check has something to report. Only read."""
    store = copy_store(empty_database, tmp_path_factory.mktemp("hostile"))
    fill_hostile_store(store)
    mlflow_client = client(store)
    for name in (f"x {HOSTILE[:150]}", f"line\nBROKEN    forged\x1b[31m {TOKEN}"):
        run_id = make_run(store, name, experiment=name)
        mlflow_client.delete_run(run_id)
        mlflow_client.set_tag(make_run(store, name, experiment=name), "note", f"{KEY} {name}")
        gone = mlflow_client.create_experiment(f"gone {name}", str(store.artifact_folder / "gone"))
        mlflow_client.delete_experiment(gone)
    mlflow_client.create_experiment(f"\u202eproxy\n{TOKEN}", artifact_location=f"mlflow-artifacts:/9?token={TOKEN}")
    model = f"model {TOKEN}"
    mlflow_client.create_registered_model(model)
    mlflow_client.create_model_version(model, str(store.artifact_folder / "nothing"))
    insert_stale_runs(store, 2)
    return store


def finding_of(store, check, clock=now):
    (finding,) = [finding for finding in run_checks(store, clock, checks=[check]).findings if finding.check_id == check.id]
    return finding


def levels_by_check(report):
    return {finding.check_id: finding.level for finding in report.findings}


# Healthy


def test_on_a_healthy_store_every_check_passes_or_does_not_apply(healthy_store, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    report = run_checks(healthy_store, now)
    assert [(finding.check_id, finding.title, finding.means) for finding in report.problems_and_notices] == []
    assert {check for check, level in levels_by_check(report).items() if level == "skipped"} == NOT_APPLICABLE
    assert len(levels_by_check(report)) == len(CHECKS) == len({check.id for check in CHECKS})
    assert report_lines(report)[-1] == f"ok        {len(CHECKS) - len(NOT_APPLICABLE)} of {len(CHECKS)} checks"


def test_looking_changes_no_file(hostile_store):
    bytes_before = hostile_store.path.read_bytes()
    names_before = sorted(path.name for path in hostile_store.path.parent.iterdir())
    run_checks(hostile_store, now)
    assert hostile_store.path.read_bytes() == bytes_before
    assert [name for name in sorted(path.name for path in hostile_store.path.parent.iterdir()) if "-" not in name] == [
        name for name in names_before if "-" not in name
    ]


def test_the_checks_of_a_card_are_the_quick_ones(healthy_store):
    report = run_checks(healthy_store, now, checks=QUICK_CHECKS)
    assert {finding.check_id for finding in report.findings} >= {"schema", "answers", "intact", "agrees", "unfinished"}
    assert not {"secrets", "locations", "commits"} & {finding.check_id for finding in report.findings}


# Hostile names


@pytest.fixture(scope="module")
def hostile_report(hostile_store):
    return run_checks(hostile_store, lambda: now() + timedelta(days=2))


@pytest.mark.parametrize(
    "check_id", ["locations", "secrets", "unfinished", "deleted_runs", "deleted_experiments", "complete", "versions_whole"]
)
def test_a_hostile_name_stops_no_check_and_is_reported_by_it(hostile_report, check_id):
    findings = [finding for finding in hostile_report.findings if finding.check_id == check_id]
    assert findings
    assert {finding.level for finding in findings} <= {"problem", "notice"}
    assert "check failed" not in {finding.summary for finding in findings}


def test_no_secret_of_a_name_or_location_reaches_the_report(hostile_report):
    outputs = (
        repr(hostile_report.findings),
        json.dumps(report_document(hostile_report)),
        report_markdown(hostile_report),
        "\n".join(report_lines(hostile_report)),
    )
    for secret in (KEY, TOKEN):
        assert [output[:60] for output in outputs if secret in output] == []
    assert "•••" in outputs[0]


def test_a_name_with_line_breaks_forges_no_line_of_the_report(hostile_report):
    lines = report_lines(hostile_report)
    assert len(lines) == 3 + len(hostile_report.problems_and_notices)
    assert all(line.isprintable() for line in lines)
    assert "\nBROKEN    forged" not in report_markdown(hostile_report)


def test_the_report_stays_a_table_whatever_the_names(hostile_report):
    rows = [line for line in report_markdown(hostile_report).splitlines() if line.startswith("|")]
    assert len(rows) > 20
    assert [row for row in rows if re.search(r"(?<!\\)[<`\[]", row)] == []
    document = report_document(hostile_report)
    assert all(row for finding in document["findings"] for row in finding["evidence"])


def test_a_long_list_says_how_many_more_there_are():
    rows = evidence_rows([(f"run-{n}", "x") for n in range(1051)])
    assert (len(rows), rows[-1]) == (51, ("and 1,001 more", ""))
    assert evidence_rows([("a", "b")] * 50)[-1] == ("a", "b")


# What cannot be read


BROKEN_READERS = {
    "intact": (ledger, "verify_all"),
    "agrees": (ledger, "survey_models"),
    "versions_whole": (model_versions, "read_all_snapshots"),
    "described": (good_practice, "read_all_snapshots"),
    "names": (good_practice, "read_active_runs"),
    "in_default": (good_practice, "read_active_runs"),
    "registered": (good_practice, "read_active_runs"),
    "complete": (run_metadata, "read_active_runs"),
    "secrets": (secrets, "read_active_runs"),
    "commits": (git_commits, "read_active_runs"),
    "unfinished": (stale_runs, "read_experiments"),
    "deleted_runs": (deleted_items, "read_experiments"),
    "deleted_experiments": (deleted_items, "read_deleted_experiments"),
    "locations": (artifact_locations, "read_inventory"),
    "answers": (backend, "probe"),
    "mixed": (other_stores, "_database_files"),
    "file_store": (backend, "_candidate_folders"),
    "schema": (backend, "read_schema_status"),
    "writable": (backend, "can_write"),
}


@pytest.mark.parametrize("error", [Busy("It is locked by pid 7."), PermissionError(13, "Permission denied", "/a/file")])
@pytest.mark.parametrize("check_id", BROKEN_READERS)
def test_a_check_that_cannot_read_is_no_passed_check_and_gives_the_reason(healthy_store, monkeypatch, check_id, error):
    def refuse(*_, **__):
        raise error

    module, name = BROKEN_READERS[check_id]
    monkeypatch.setattr(module, name, refuse)
    (check,) = [check for check in CHECKS if check.id == check_id]
    findings = run_checks(healthy_store, now, checks=[check]).findings
    assert [finding.level for finding in findings] == ["problem"]
    assert ("pid 7" if isinstance(error, Busy) else "Permission denied") in f"{findings[0].title} {findings[0].means}"


def test_every_check_of_a_database_is_covered_above():
    assert {check.id for check in CHECKS} - set(BROKEN_READERS) == {"versions", "clock", "damaged_files"}


def test_a_store_that_locks_between_the_checks_is_reported_by_each(healthy_store, tmp_path, monkeypatch):
    """A real lock. Only the checks that need no row pass."""
    monkeypatch.setattr("lib.backends.sqlite_schema.BUSY_TIMEOUT_SECONDS", 0.05)
    copy = tmp_path / "mlflow.db"
    copy.write_bytes(healthy_store.path.read_bytes())
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("begin exclusive")
        report = run_checks(sqlite_backend(copy), now, checks=backend.CHECKS)
        db.execute("rollback")
    levels = levels_by_check(report)
    assert levels["schema"] == "problem"
    assert "fine" not in {levels["answers"], levels["writable"]}
    assert any("locked" in f"{finding.title} {finding.means}" for finding in report.findings)


def test_mlflows_own_error_in_a_check_is_translated(healthy_store):
    def fail(*_):
        raise MlflowException("(sqlite3.OperationalError) disk I/O error")

    finding = finding_of(healthy_store, Check("x", "This", "?", fail))
    assert (finding.level, finding.title) == ("problem", "This: check failed")
    assert "I/O" in finding.means or "disk" in finding.means


def test_a_broken_ledger_is_no_agreement(healthy_store, monkeypatch):
    def refuse(*_):
        raise LedgerBroken("The book of wine is cut.")

    monkeypatch.setattr(ledger, "survey_models", refuse)
    finding = finding_of(healthy_store, ledger.DRIFT_CHECK)
    assert (finding.level, finding.means) == ("skipped", "The book of wine is cut.")
