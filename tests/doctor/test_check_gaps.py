"""Single checks at their edges: what they cannot see, count or reach is named and never counted as passed."""

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client
from lib.doctor.artifacts import inventory
from lib.doctor.artifacts.folder_search import guess_folder, sample_locations
from lib.doctor.artifacts.inventory import ArtifactInventory
from lib.doctor.artifacts.rules import RecordedLocation
from lib.doctor.check_runner import run_checks
from lib.doctor.checks import artifact_locations, backend, deleted_items, git_commits, model_versions, other_stores, stale_runs
from lib.doctor.run_cache import ActiveRuns, clear_run_cache, read_active_runs
from lib.doctor.types import offer_fix
from lib.errors import BadInput, Unreachable
from lib.runs.table.types import Search
from lib.ui.app.session import now
from tests.conftest import copy_store
from tests.support.doctor_stores import PASSWORD, TOKEN, insert_stale_runs, make_file_store, make_run
from tests.support.git_repository import git
from tests.support.run_factories import START, table_from_runs
from tests.support.run_factories import make_run as make_table_run

SERVER = Backend("http://mlflow.example:5000", "server")


def finding_of(store, check, clock=now):
    (finding,) = [finding for finding in run_checks(store, clock, checks=[check]).findings if finding.check_id == check.id]
    return finding


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder Podium is started in, without anything in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return folder


# Other stores


@pytest.fixture
def neighbour(fresh_store, empty_database, tmp_path):
    """Another database with a run, in the same folder."""
    other = copy_store(empty_database, tmp_path / "other")
    make_run(other, "elsewhere")
    return other.path.rename(fresh_store.path.with_name("second.db"))


def test_a_locked_neighbour_is_not_checked_and_not_passed_over(fresh_store, neighbour, project, monkeypatch):
    monkeypatch.setattr(other_stores, "LOCK_TIMEOUT_SECONDS", 0.01)
    assert finding_of(fresh_store, other_stores.OTHER_STORES_CHECK).summary == "1 besides this one"
    with closing(sqlite3.connect(neighbour, isolation_level=None)) as db:
        db.execute("pragma journal_mode = delete")
        db.execute("begin exclusive")
        finding = finding_of(fresh_store, other_stores.OTHER_STORES_CHECK)
        db.execute("rollback")
    assert (finding.level, finding.summary) == ("skipped", "1 file not checked")
    assert finding.evidence == ((str(neighbour), "not checked: database is locked"),)


def test_an_unreadable_neighbour_is_listed_beside_a_readable_one(fresh_store, neighbour, project):
    (neighbour.parent / "broken.db").symlink_to("nowhere.db")
    finding = finding_of(fresh_store, other_stores.OTHER_STORES_CHECK)
    assert finding.level == "notice"
    assert [row[1] for row in finding.evidence] == [
        "an MLflow database with 1 runs",
        "not checked: unable to open database file",
    ]


@pytest.mark.parametrize("content", [b"", b"this is no database, however long it may be" * 50, None])
def test_a_neighbour_that_is_no_mlflow_database_is_not_reported(fresh_store, project, content):
    other = fresh_store.path.with_name("notes.db")
    if content is None:
        with closing(sqlite3.connect(other)) as db, db:
            db.execute("create table runs (id integer)")
    else:
        other.write_bytes(content)
    assert finding_of(fresh_store, other_stores.OTHER_STORES_CHECK).level == "fine"


def test_a_file_store_in_the_current_folder_counts_as_another_store(fresh_store, project):
    make_file_store(project, runs=3)
    finding = finding_of(fresh_store, other_stores.OTHER_STORES_CHECK)
    assert finding.evidence == ((str(project / "mlruns"), "a file store with 3 runs"),)


def test_a_variable_with_an_address_that_nothing_can_open_is_named_without_its_value(fresh_store, project, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"gopher://ana:{PASSWORD}@host")
    finding = finding_of(fresh_store, other_stores.OTHER_STORES_CHECK)
    assert finding.evidence == (("MLFLOW_REGISTRY_URI", "set to an address that Podium cannot open"),)


def test_a_server_has_no_neighbours_on_this_machine(project):
    assert finding_of(SERVER, other_stores.OTHER_STORES_CHECK).level == "fine"


# Artifact locations


@pytest.fixture
def served_inventory(monkeypatch):
    """A server whose only experiment has files that it must serve itself."""
    location = RecordedLocation("experiment", "1", "1", "mlflow-artifacts:/1")
    monkeypatch.setattr(artifact_locations, "read_inventory", lambda *_: ArtifactInventory((location,), {"1": "wine"}))


@pytest.mark.parametrize(
    ("status", "text", "level"),
    [
        (200, "{}", "fine"),
        (503, "disabled due to the mlflow server running with `--no-serve-artifacts`", "problem"),
        (500, "Internal Server Error", "skipped"),
        (403, "Permission denied", "skipped"),
        (None, "", "skipped"),
    ],
)
def test_whether_a_server_serves_files_is_known_or_not_checked(served_inventory, monkeypatch, status, text, level):
    def answer(*_):
        if status is None:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(status, text=text)

    monkeypatch.setattr(inventory, "send_get", answer)
    finding = finding_of(SERVER, artifact_locations.ARTIFACT_LOCATIONS_CHECK)
    assert finding.level == level
    assert (finding.summary == "not checked") == (level == "skipped")


def test_credentials_in_a_location_are_not_shown(fresh_store):
    location = f"ftp://ana:{PASSWORD}@files.example/wine"
    for name in ("wine", "beer"):
        client(fresh_store).create_experiment(name, artifact_location=f"dbfs:/{name}?token={TOKEN}")
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update experiments set artifact_location = ? where name = 'wine'", (location,))
    finding = finding_of(fresh_store, artifact_locations.ARTIFACT_LOCATIONS_CHECK)
    assert "files.example" in repr(finding.evidence)
    assert TOKEN not in repr(finding)
    assert PASSWORD not in repr(finding)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{folder}", "fine"),
        ("{folder}/new/deeper", "absent"),
        ("/home-of-nobody/ana/mlruns", "elsewhere"),
        ("/a\0b", "elsewhere"),
    ],
)
def test_a_folder_is_there_can_be_made_or_belongs_to_another_machine(tmp_path, path, status):
    assert inventory._path_status(Path(path.format(folder=tmp_path)), None) == status


def test_a_folder_without_write_permission_is_named(tmp_path, fresh_store, monkeypatch):
    client(fresh_store).create_experiment("wine", artifact_location=str(tmp_path / "shared" / "wine"))
    (tmp_path / "shared").mkdir()
    access = inventory.os.access
    monkeypatch.setattr(inventory.os, "access", lambda path, mode: path != tmp_path / "shared" and access(path, mode))
    finding = finding_of(fresh_store, artifact_locations.ARTIFACT_LOCATIONS_CHECK)
    assert (finding.level, finding.title) == ("problem", "Files cannot be written in wine")


@pytest.mark.parametrize(
    ("module", "environment", "problem"),
    [(None, {}, "package"), (object(), {}, "sign_in"), (object(), {"AWS_PROFILE": "ana"}, "")],
)
def test_a_cloud_needs_its_package_and_a_sign_in(monkeypatch, tmp_path, module, environment, problem):
    monkeypatch.setattr(inventory.importlib.util, "find_spec", lambda _: module)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert inventory._missing_requirement("s3") == problem


def test_a_folder_is_guessed_by_the_run_folders_in_it_and_never_by_its_name(fresh_store, tmp_path, project):
    run_id = make_run(fresh_store, "old")
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update runs set artifact_uri = ?", (f"mlflow-artifacts:/1/{run_id}/artifacts",))
    offer = offer_fix("mapped_folder", place="mlflow-artifacts:/1")
    (fresh_store.path.parent / "mlartifacts").mkdir()
    assert guess_folder(fresh_store, sample_locations(fresh_store, offer)) is None
    (project / "copied" / "1" / run_id / "artifacts").mkdir(parents=True)
    sample = sample_locations(fresh_store, offer)
    assert (guess_folder(fresh_store, sample), sample.total) == (project / "copied", 1)
    assert sample_locations(fresh_store, offer.with_inputs({"experiment": "99"})).total == 0


# Clock, version, response


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, "fine"), (4, "fine"), (6, "notice"), (119, "notice"), (121, "problem"), (-5, "fine"), (-7, "notice"), (-200, "problem")],
)
def test_the_clock_thresholds(seconds, level):
    before = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
    (finding,) = backend._clock_findings(before + timedelta(seconds=seconds), before, before)
    assert finding.level == level


@pytest.mark.parametrize("date", ["", "yesterday", None])
def test_a_clock_that_the_server_does_not_tell_is_not_checked(monkeypatch, date):
    def answer(*_):
        if date is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, headers={"date": date} if date else {})

    monkeypatch.setattr(backend, "send_get", answer)
    (finding,) = backend.check_clock(SERVER, now, lambda _: None)
    assert (finding.level, finding.summary) == ("skipped", "unknown")


@pytest.mark.parametrize(("version", "level"), [("", "skipped"), ("2.22.0", "notice"), ("{local}", "fine"), ("10.0.0", "notice")])
def test_the_version_of_a_server_matches_differs_or_is_unknown(monkeypatch, version, level):
    local = backend.installed_mlflow_version()
    monkeypatch.setattr(backend, "read_server_version", lambda _: version.format(local=local))
    (finding,) = backend.check_mlflow_version(SERVER, now, lambda _: None)
    assert finding.level == level
    assert local in finding.title + finding.summary or level == "skipped"


def test_a_slow_answer_is_a_notice_with_its_duration(fresh_store, monkeypatch):
    times = iter([0.0, 2.34])
    monkeypatch.setattr(backend.time, "perf_counter", lambda: next(times))
    (finding,) = backend.check_response(fresh_store, now, lambda _: None)
    assert (finding.level, finding.title) == ("notice", "The database took 2.3 s for the smallest request")


def test_a_server_that_is_away_skips_everything_that_needs_it(monkeypatch):
    def refuse(_):
        raise Unreachable("mlflow.example cannot be reached.", next="Check the address.")

    monkeypatch.setattr(backend, "probe", refuse)
    report = run_checks(SERVER, now)
    (problem,) = report.problems_and_notices
    assert (problem.title, problem.next) == ("The server does not respond correctly", "Check the address.")
    assert {f.means for f in report.findings if f.check_id == "secrets"} == {"Skipped because of: Backend responds."}
    assert "fine" not in {finding.level for finding in report.findings}


@pytest.mark.parametrize(("content", "state"), [(b"", "empty"), (b"no database" * 100, None), ("tables", "foreign")])
def test_a_file_that_is_no_database_of_mlflow_is_named_and_left_alone(tmp_path, content, state):
    file = tmp_path / "x.db"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("create table customers (id integer)")
    bytes_before = file.read_bytes()
    report = run_checks(backend.Backend(f"sqlite:///{file}", "sqlite"), now)
    problem = report.findings[0]
    assert (problem.level, problem.fix_offers) == ("problem", ())
    assert state is None or problem.summary == state
    assert file.read_bytes() == bytes_before
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


# Git


@pytest.fixture
def repository(project, fresh_store, monkeypatch):
    """A repository with one commit, from which a run was logged."""
    for name, value in (("NAME", "ana"), ("EMAIL", "ana@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    git(project, "init", "-q")
    git(project, "commit", "-q", "--allow-empty", "-m", "\x1b[31m<img src=x> | first")
    make_run(fresh_store, "made-here", git_commit=git(project, "rev-parse", "HEAD"))
    return project


def test_commits_with_hostile_subjects_and_many_of_them_are_listed_up_to_a_limit(repository, fresh_store, monkeypatch):
    assert finding_of(fresh_store, git_commits.COMMITS_CHECK).summary == "1 of 1"
    monkeypatch.setattr(git_commits, "MAX_COMMITS", 3)
    for number in range(4):
        git(repository, "commit", "-q", "--allow-empty", "-m", f"--help {number} {'x' * 300}")
    finding = finding_of(fresh_store, git_commits.COMMITS_CHECK)
    assert (finding.title, finding.summary) == ("3 commits have no run", "0 of the latest 3")
    assert all(len(row[1]) == 120 for row in finding.evidence)


@pytest.mark.parametrize("command", ["rev-parse", "cat-file", "log"])
def test_a_git_that_fails_makes_the_check_skipped_and_not_passed(repository, fresh_store, monkeypatch, command):
    run = subprocess.run

    def fail(arguments, **options):
        if command in arguments:
            raise subprocess.TimeoutExpired(arguments, 20)
        return run(arguments, **options)

    monkeypatch.setattr(git_commits.subprocess, "run", fail)
    assert finding_of(fresh_store, git_commits.COMMITS_CHECK).level == "skipped"


def test_without_git_the_check_is_skipped(repository, fresh_store, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    finding = finding_of(fresh_store, git_commits.COMMITS_CHECK)
    assert (finding.level, finding.summary) == ("skipped", "no repository")


# Caps


def test_what_was_not_looked_at_is_said():
    table = table_from_runs(Search(("1",), limit=2), [make_table_run(f"r{n}") for n in range(2)], START)
    notes = [ActiveRuns((), replace(table, total=total)).scope_note for total in (2, None, 31_000)]
    assert notes == ["", "Checked the newest 2 runs.", "Checked the newest 2 of 31,000 runs."]


def test_only_so_many_versions_are_checked_and_the_rest_is_counted(fresh_store, monkeypatch):
    monkeypatch.setattr(model_versions, "MAX_VERSIONS", 2)
    client(fresh_store).create_registered_model("wine")
    for number in range(3):
        client(fresh_store).create_model_version("wine", str(fresh_store.artifact_folder / f"nothing-{number}"))
    finding = finding_of(fresh_store, model_versions.MODEL_VERSIONS_CHECK)
    assert finding.summary == "2 of 2, the first of 3 incomplete"


def test_deleted_runs_beyond_the_list_are_counted(fresh_store):
    insert_stale_runs(fresh_store, 60)
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update runs set lifecycle_stage = 'deleted', deleted_time = 1")
    finding = finding_of(fresh_store, deleted_items.DELETED_RUNS_CHECK)
    assert (finding.title, finding.evidence[-1][0]) == ("60 runs are deleted and can be restored", "and 10 more")
    assert [offer["runs"] for offer in finding.fix_offers] == ["", ""]


def test_a_decoy_of_a_removal_is_never_reported(fresh_store):
    experiment_id = client(fresh_store).create_experiment(f"{deleted_items.DECOY_PREFIX}01abc")
    client(fresh_store).delete_experiment(experiment_id)
    assert finding_of(fresh_store, deleted_items.DELETED_EXPERIMENTS_CHECK).level == "fine"


def test_a_run_scheduled_and_never_started_is_stale_too_and_exactly_at_twelve_hours(fresh_store):
    (run_id,) = insert_stale_runs(fresh_store, 1)
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("update runs set status = 'SCHEDULED'")
    started = datetime.fromtimestamp(0.001, UTC)
    assert stale_runs.find_stale_runs(fresh_store, started + timedelta(hours=11, minutes=59)) == ()
    (stale,) = stale_runs.find_stale_runs(fresh_store, started + timedelta(hours=12, seconds=1))
    assert (stale.run_id, stale.last_activity_at) == (run_id, started)


def test_the_runs_are_read_once_for_all_checks_and_again_after_a_change(fresh_store):
    make_run(fresh_store, "first")
    clear_run_cache()
    first = read_active_runs(fresh_store, now)
    assert read_active_runs(fresh_store, now) is first
    make_run(fresh_store, "second")
    assert len(read_active_runs(fresh_store, now).table) == len(first.table) + 1


def test_a_location_must_be_typed_as_an_absolute_path(fresh_store):
    from lib.doctor.artifacts.folder_search import parse_folder

    assert parse_folder("  /srv/files ") == Path("/srv/files")
    with pytest.raises(BadInput, match="An empty text is not an absolute path"):
        parse_folder(" ")
