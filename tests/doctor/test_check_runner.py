"""Basic checks: response, schema, write access and clock; and a failing check becomes a finding instead of aborting."""

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from lib.backends.backend import Backend, sqlite_backend
from lib.cli import podium
from lib.doctor.artifacts.rules import Machine, diagnose
from lib.doctor.check_runner import CHECKS, run_checks
from lib.doctor.report import report_document, report_lines, report_markdown
from lib.doctor.symptoms import SYMPTOMS, findings_for_symptom
from lib.doctor.types import Check, Finding, FixResult
from lib.errors import Busy, NoAnswer
from tests.support.browser import free_port


def clock():
    return datetime.now(UTC)


def finding_of(backend, check, at=clock):
    return next(finding for finding in run_checks(backend, at).findings if finding.check_id == check)


def test_a_fresh_store_is_well(fresh_store):
    report = run_checks(fresh_store, clock)
    assert {
        finding.level for finding in report.findings if finding.check_id in ("schema", "answers", "writable", "locations")
    } == {"fine"}


def test_an_older_database_is_named_and_not_opened(fresh_store):
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update alembic_version set version_num = '0584bdc529eb'")
    bytes_before = fresh_store.path.read_bytes()
    report = run_checks(fresh_store, clock)
    assert fresh_store.path.read_bytes() == bytes_before
    (problem,) = report.findings_with_level("problem")
    assert "older than the installed MLflow" in problem.title
    assert [offer.fix_id for offer in problem.fix_offers] == ["upgrade_database"]
    assert {finding.level for finding in report.findings if finding.check_id not in ("schema", "answers")} == {"skipped"}


def test_a_missing_database_is_reported_and_not_created(tmp_path):
    report = run_checks(sqlite_backend(tmp_path / "none.db"), clock)
    assert "There is no database none.db" in [finding.title for finding in report.findings_with_level("problem")]
    assert list(tmp_path.iterdir()) == []


def test_a_dead_server_is_reported_within_seconds_and_skips_the_rest():
    report = run_checks(Backend(f"http://127.0.0.1:{free_port()}", "server"), clock)
    assert report.seconds < 5
    assert finding_in(report, "answers").level == "problem"
    assert finding_in(report, "locations").level == "skipped"


def finding_in(report, check):
    return next(finding for finding in report.findings if finding.check_id == check)


def test_a_server_that_leaves_one_request_unanswered_is_not_queried_again(fresh_store):
    asked_checks = list[str]()

    def check(name, error=None):
        def run(*_):
            asked_checks.append(name)
            if error:
                raise error
            return (Finding(name, "fine", name, ""),)

        return Check(name, name, f"Is {name} well?", run)

    silence = NoAnswer("The server did not answer runs/search within 20 s.", next="Check that it runs.")
    checks = (check("runs", Busy("It is locked.")), check("models"), check("ledger", silence), check("drift"))
    report = run_checks(fresh_store, clock, checks=checks)
    assert asked_checks == ["runs", "models", "ledger"]
    assert [finding.level for finding in report.findings] == ["problem", "fine", "problem", "skipped"]
    assert finding_in(report, "ledger").means == "The server did not answer runs/search within 20 s."
    assert finding_in(report, "drift").means == "Skipped because of: ledger."


def test_a_locked_database_is_reported_as_not_writable(fresh_store):
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        assert finding_of(fresh_store, "writable").level == "problem"


@pytest.mark.parametrize(("hours", "level"), [(0, "fine"), (-1, "problem"), (1, "problem")])
def test_a_servers_clock_is_compared_with_ours(mlflow_server, hours, level):
    finding = finding_of(mlflow_server, "clock", lambda: datetime.now(UTC) + timedelta(hours=hours))
    assert finding.level == level
    assert ("behind" in finding.title) == (hours > 0)
    assert ("ahead" in finding.title) == (hours < 0)


def test_an_old_file_store_beside_the_database_is_found(fresh_store):
    folder = fresh_store.path.parent / "mlruns" / "1" / "8b3e"
    folder.mkdir(parents=True)
    (folder.parent / "meta.yaml").write_text("name: old")
    (folder / "meta.yaml").write_text("run_id: 8b3e")
    finding = finding_of(fresh_store, "file_store")
    assert finding.level == "notice"
    assert ("Runs in it", "1") in finding.evidence
    assert [offer.fix_id for offer in finding.fix_offers] == ["migrate_file_store"]


def test_files_that_bypass_the_server_are_reported_with_a_fix(mlflow_server, tmp_path):
    client = MlflowClient(mlflow_server.uri, mlflow_server.uri)
    name = f"past-{tmp_path.name}"
    client.create_experiment(name, artifact_location=str(tmp_path / "elsewhere"))
    finding = finding_of(mlflow_server, "locations")
    assert "bypass the server" in finding.title
    assert name in [row[0] for row in finding.evidence]
    assert finding.level == "notice", "it works on this machine, so it is only a notice"
    assert finding.fix_offers[0].fix_id == "fresh_experiment"


class NoProxy(BaseHTTPRequestHandler):
    """Responds like a server started with --no-serve-artifacts; only one endpoint is needed here."""

    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"Endpoint: x disabled due to the mlflow server running with `--no-serve-artifacts`.")

    def log_message(self, *_):
        pass


def test_a_server_that_does_not_serve_artifacts_is_recognized():
    from lib.doctor.artifacts.inventory import describe_machine

    server = HTTPServer(("127.0.0.1", 0), NoProxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    backend = Backend(f"http://127.0.0.1:{server.server_port}", "server")
    assert diagnose("mlflow-artifacts:/1", backend, describe_machine(backend)) == "no_proxy"
    server.shutdown()


@pytest.mark.parametrize(
    ("place", "windows", "trouble"),
    [
        ("/srv/mlruns/1", True, "posix"),
        ("C:/mlruns/1", True, None),
        (r"\\nas\share\1", False, "windows"),
        ("file:///srv/1", False, None),
        ("mlruns/1", False, "relative"),
        ("s3://bucket/1", False, "sign_in"),
        ("gs://bucket/1", False, "package"),
        ("", False, "odd"),
    ],
)
def test_a_place_is_judged_by_its_address_and_the_machine(place, windows, trouble, fresh_store):
    machine = Machine(windows, lambda _: "fine", {"s3": "sign_in", "gs": "package"}.get)
    assert diagnose(place, fresh_store, machine) == trouble


def test_a_check_that_fails_is_a_finding_and_the_next_one_is_asked(fresh_store):
    def fails(*_):
        raise Busy("The database is locked by another program.", next="Wait.")

    def works(*_):
        return (Finding("works", "fine", "It works"),)

    report = run_checks(fresh_store, clock, checks=(Check("fails", "This", "?", fails), Check("works", "That", "?", works)))
    assert [finding.level for finding in report.findings] == ["problem", "fine"]
    assert report.findings[0].means == "The database is locked by another program."


def test_the_report_is_text_for_people_and_json_for_programs(fresh_store):
    MlflowClient(fresh_store.uri).create_experiment("a|b`c<i>", artifact_location="mlflow-artifacts:/9")
    report = run_checks(fresh_store, clock)
    fix_results = (FixResult("It is well", (("Test file", "written"),)),)
    assert any(line.startswith("BROKEN    Files cannot be saved in a|b`c<i>") for line in report_lines(report))
    text = report_markdown(report, fix_results)
    assert r"a\|b\`c\<i\>" in text
    assert "## Fixed: It is well" in text
    document = json.loads(json.dumps(report_document(report, fix_results)))
    (problem,) = [finding for finding in document["findings"] if finding["level"] == "problem"]
    assert problem["evidence"][0] == {
        "Experiment": "a|b`c<i>",
        "Files belong at": "mlflow-artifacts:/9",
        "Concerns": "the experiment itself",
    }


def test_every_symptom_leads_to_an_existing_check(fresh_store):
    report = run_checks(fresh_store, clock)
    assert all(
        findings_for_symptom(symptom, report) for symptom in SYMPTOMS if {check.id for check in CHECKS} & set(symptom.check_ids)
    )
    assert len({symptom.id for symptom in SYMPTOMS}) == len(SYMPTOMS)


def test_podium_doctor_exits_3_on_findings_and_0_without(fresh_store):
    runner = CliRunner()
    healthy_result = runner.invoke(podium, ["doctor", "--backend", fresh_store.uri, "--json", "--check", "locations"])
    assert healthy_result.exit_code == 0, healthy_result.output
    assert {finding["check"] for finding in json.loads(healthy_result.stdout)["findings"]} == {"schema", "answers", "locations"}
    MlflowClient(fresh_store.uri).create_experiment("wine-remote", artifact_location="mlflow-artifacts:/9")
    problem_result = runner.invoke(podium, ["doctor", "--backend", fresh_store.uri])
    assert problem_result.exit_code == 3
    assert "BROKEN    Files cannot be saved in wine-remote" in problem_result.stdout
    assert "Fix: Start a server on this database and use it" in problem_result.stdout
    dead_server_result = runner.invoke(podium, ["doctor", "--backend", f"http://127.0.0.1:{free_port()}"])
    assert dead_server_result.exit_code == 3
    assert runner.invoke(podium, ["doctor", "--check", "nonsense"]).exit_code == 2
