"""Data written by commit 533b392 is read today as that commit read it, and that commit can read what today's code adds.

The folder tests/support/written_by_533b392 was written by that commit's own code; see its `make.py`. Everything in it, and the names
in `OLD_COMMAND` and `OLD_LOOK` below, belong to that commit and stay unchanged whatever is renamed in the project.
"""

import gzip
import html
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from lib.backends.backend import sqlite_backend
from lib.backends.backend_config import add_backend, parse_configured_backend, read_config
from lib.cli import podium
from lib.jobs import job_queue
from lib.jobs.job_folder import read_job, read_log_tail, read_progress
from lib.jobs.job_runs import find_job_runs
from lib.jobs.job_settings import read_job_settings
from lib.ledger.entry.schema_2_types import PolicySet
from lib.ledger.entry.vocabulary import Actor, make_reason
from lib.ledger.state import volumes
from lib.ledger.storage.book import Writer, append
from lib.ledger.storage.book_index import find_book_id
from lib.ledger.storage.signing_keys import create_signer
from lib.registry.git_anchor import tag_name
from lib.registry.reader import incarnation_of, read_snapshot
from lib.runs.edit import saved_views
from lib.runs.filters import facets
from lib.runs.plots.axes import build_axis
from lib.runs.plots.axis_ranges import format_range, parse_ranges
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.view import ViewState
from tests.support.variants import thin

FOLDER = Path(__file__).parents[1] / "support" / "written_by_533b392"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
LINKS = json.loads((FOLDER / "links.json").read_text(encoding="utf-8"))
COMPARE_LINKS = [link for link in LINKS if link["page"] == "compare"]
PAGE_LINKS = [COMPARE_LINKS[0], *(link for link in LINKS if link["page"] != "compare")]
"""Opening a page takes half a second, so all links to Compare are parsed, but the page is opened with the first only."""
CONTINUED_MODELS = {
    "card-fraud": "1",
    "churn": "3",
    "every-kind": "2",
    "latter": "2",
    "new-name": "2",
    "restored": "2",
    "wine-forest": "1",
}
"""Models, and the version of each that is moved today."""
REASON = ["--by", "zoe", "--category", "better", "--reason", "Measured better on the same rows, twice."]
OLD_COMMAND = [sys.executable, "-m", "lib"]
OLD_LOOK = """
import json, sys
from pathlib import Path
from click.testing import CliRunner
from lib.backends.named import read
from lib.backends.uri import sqlite_backend
from lib.cli import podium
from lib.launch import job
from lib.runs.saved import saved

store, experiment, backends, folder, *promote = sys.argv[1:]
here, done = sqlite_backend(Path(store)), job.read(Path(folder))

def asked(*words):
    return json.loads(CliRunner().invoke(podium, [*words, "--json", "--backend", here.uri]).stdout)

print(json.dumps({
    "log": asked("log"),
    "views": [[one.name, one.query, one.by] for one in saved(here, experiment).views],
    "backends": [[one.name, one.kind, one.uri, one.repository] for one in read(Path(backends)).entries],
    "job": [done.title, done.state, done.code, job.tail(done)],
    "outcome": asked(*promote)["outcome"],
}))
"""


def case_id(case):
    """The test id: a command line, or a page with the query of its link."""
    return case["line"] if "line" in case else f"{case['page']} {' '.join(case['query'])}"[:80]


def unpack_store(folder):
    """Unpack the store into a separate folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlflow.db").write_bytes(gzip.decompress((FOLDER / "mlflow.db.gz").read_bytes()))
    return sqlite_backend(folder / "mlflow.db")


def replay_command_line(line, *options):
    """The answer of a command line in the format of expected.json."""
    result = CliRunner().invoke(podium, [*shlex.split(line)[3:], *options])
    document = json.loads(result.stdout) if result.stdout else None
    for answer in document.get("answers", ()) if isinstance(document, dict) else ():
        for gap in answer["unknown"]:
            gap["until"] = "now" if gap["until"] and gap["until"] > document["at"] else gap["until"]
    for report in document.get("models", ()) if isinstance(document, dict) else ():
        report.pop("first_seen", None)  # that commit remembered nothing
        assert report.pop("signatures") == {
            "trusted": 0,
            "unknown": 0,
            "none": report["entries"],
        }  # what that commit did not count
    return {"line": line, "code": result.exit_code, "answer": document}


def without_explanations(command):
    """A command line and its answer; of the explanations for users, only whether they are there: their wording may change."""
    answer = command["answer"]
    if not isinstance(answer, dict) or "findings" not in answer:
        return command
    findings = [
        {name: bool(value) if name in ("means", "next") else value for name, value in finding.items()}
        for finding in answer["findings"]
    ]
    return command | {"answer": answer | {"findings": findings}}


def run_command(store, *arguments, code=0):
    """The document printed by a command, which must succeed."""
    result = CliRunner().invoke(podium, [*arguments, "--json", "--backend", store.uri])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)


def ledger_findings(verification):
    """The findings of `verify` for all reported models."""
    assert verification["models"]
    return [(report["model"], finding) for report in verification["models"] for finding in report["findings"]]


def expected_entries(model):
    """The entries of a book as printed by that commit."""
    return next(command["answer"]["entries"] for command in EXPECTED["commands"] if f" history {model} " in command["line"])


@pytest.fixture(scope="module")
def original_store(tmp_path_factory):
    """A read-only copy of the store."""
    return unpack_store(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def store(tmp_path):
    """A copy of the store for one test."""
    return unpack_store(tmp_path / "written")


@pytest.fixture(scope="module")
def continued_store(tmp_path_factory):
    """A copy in which today's code continued these books; that of churn continues in another volume."""
    store = unpack_store(tmp_path_factory.mktemp("continued"))
    for model, version in CONTINUED_MODELS.items():
        stage = "Staging" if model == "wine-forest" else "Production"
        run_command(store, "promote", model, version, "--to", stage, *REASON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", 4)
        run_command(store, "promote", "churn", "1", "--to", "Production", *REASON)
    return store


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory):
    """The project at that commit."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(FOLDER / "podium.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "podium"


@pytest.fixture(scope="module")
def run_old_code(old_tree):
    """A function that runs a program with the code of that commit and returns its output."""
    inherited_env = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PODIUM_"))}
    env = inherited_env | {
        "PYTHONPATH": str(old_tree),
        "PODIUM_HOME": str(old_tree / ".podium"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }

    def run_program(*command, code=0):
        process = subprocess.run(command, cwd=old_tree, env=env, capture_output=True, text=True, check=False)
        assert process.returncode == code, process.stdout + process.stderr
        return json.loads(process.stdout)

    return run_program


@pytest.mark.parametrize("command", EXPECTED["commands"], ids=case_id)
def test_a_command_answers_as_it_did(original_store, command):
    replayed = replay_command_line(command["line"], "--backend", original_store.uri)
    assert without_explanations(replayed) == without_explanations(command)


@pytest.mark.parametrize("command", EXPECTED["packets"], ids=case_id)
def test_a_packet_is_whole(monkeypatch, command):
    monkeypatch.chdir(FOLDER)
    assert command["answer"]["findings"] == []
    assert replay_command_line(command["line"]) == command


def test_the_backends_in_the_file_are_the_same():
    backends = [
        {
            "name": entry.name,
            "kind": entry.kind,
            "uri": entry.uri,
            "repository": entry.repository,
            "trouble": entry.problem,
            "backend": {"uri": entry.backend.uri, "kind": entry.backend.kind, "principal": entry.backend.principal},
        }
        for entry in read_config(FOLDER / "backends.toml").backends
    ]
    assert backends == EXPECTED["backends"]


def test_a_job_is_read_from_its_folder_with_state_log_and_parameters():
    (folder,) = (FOLDER / "job").iterdir()
    job, progress = read_job(folder), read_progress(read_job(folder))
    job_values = {
        "id": job.id,
        "demo": job.task,
        "title": job.title,
        "arguments": list(job.arguments),
        "state": job.state,
        "created": str(job.created_at),
        "started": str(job.started_at),
        "ended": str(job.ended_at),
        "code": job.exit_code,
        "stopping": job.is_stopping,
        "runs_open": job.cleanup_attempted_at,
        "uri": job.backend.uri,
        "kind": job.backend.kind,
        "progress": {"done": progress.done, "total": progress.total, "unit": progress.unit},
        "log": read_log_tail(job),
    }
    assert job_values == {name: value for name, value in EXPECTED["job"].items() if name != "runs"}


def test_the_runs_of_a_job_are_found_by_their_tag(original_store):
    runs = [
        {"run_id": run.run_id, "name": run.name, "status": run.status, "metrics": run.metrics, "params": run.params}
        for run in find_job_runs(original_store, EXPECTED["job"]["id"])
    ]
    assert runs == EXPECTED["job"]["runs"]


def read_compare_links():
    """Runs inside Streamlit: what Compare parses from each URL or saved view, and the URL it writes for it."""
    import streamlit as st

    from lib.ui.pages.compare.queries import search_runs
    from lib.ui.pages.compare.saved_views_menu import _open_saved_view
    from lib.ui.pages.compare.view_state import share_link, view_from_url

    st.session_state["read"] = []
    for source in st.session_state["sources"]:
        st.query_params.from_dict(source if isinstance(source, dict) else {})
        if not isinstance(source, dict):
            _open_saved_view(source)
        st.session_state["read"].append(
            (view_from_url(), search_runs(st.session_state["backend"], view_from_url()), share_link(""))
        )


@pytest.fixture(scope="module")
def parsed_links(original_store):
    """The parsed links of Compare, followed by the saved view; collected once, because starting a page is slow."""
    page = AppTest.from_function(read_compare_links)
    page.session_state["backend"] = original_store
    page.session_state["sources"] = [
        *(link["query"] for link in COMPARE_LINKS),
        *saved_views.read_saved_views(original_store, EXPECTED["views"][0]["experiment"]).views,
    ]
    page.run()
    assert not page.exception, [error.value for error in page.exception]
    return [values_by_parameter(*link_values) for link_values in page.session_state["read"]]


def values_by_parameter(view, result, address):
    """The values parsed from a link, under their URL parameter names, and the URL as written again."""
    axes = [build_axis(result.all_runs, text.partition(":")[0]) for text in view.range]
    selected_facets, ranges = [facets.parse_facet(text) for text in view.facet], parse_ranges(view.range, axes)
    values = {
        "view": {name: value for name, value in view_by_parameter(view).items() if value},
        "filter": [[clause.kind, clause.name, clause.comparator, clause.value] for clause in parse_filter(view.filter).clauses],
        "facet": [facet_as_list(facet) for facet in selected_facets],
        "range": [[axis_range.column, axis_range.low, axis_range.high] for axis_range in ranges],
        "runs": list(result.runs.ids),
    }
    formatted_values = {
        "facet": [facets.format_facet(facet) for facet in selected_facets],
        "range": [format_range(axis_range) for axis_range in ranges],
    }
    parameters = parse_qs(address.partition("?")[2])
    return values, parameters | {name: texts for name, texts in formatted_values.items() if texts}


def view_by_parameter(view):
    """The fields of a view under their URL parameter names, independent of the names in the code."""
    return {
        "experiment": list(view.experiment),
        "filter": view.filter,
        "facet": list(view.facet),
        "since": view.since,
        "until": view.until,
        "state": view.state,
        "children": view.children,
        "parent": view.parent,
        "limit": view.limit,
        "stat": view.stat,
        "color": view.color,
        "plot": view.plot,
        "x": view.x,
        "y": view.y,
        "z": view.z,
        "by": list(view.by),
        "axes": list(view.axes),
        "log": list(view.log),
        "range": list(view.range),
        "along": view.along,
        "smooth": view.smooth,
        "mark": list(view.mark),
        "path": view.path,
        "base": view.base,
        "sort": view.sort,
        "order": view.order,
        "columns": list(view.columns),
        "pin": list(view.pin),
        "only": view.only,
        "pick": list(view.pick),
    }


def facet_as_list(facet):
    """A condition as a list without class names."""
    match facet:
        case facets.RangeFacet():
            return ["range", facet.column, facet.least, facet.most]
        case facets.AnyOfFacet():
            return ["any of", facet.column, list(facet.values)]
        case facets.ContainsFacet():
            return ["holds", facet.column, facet.part]


def test_every_name_of_an_address_of_compare_is_in_one_of_the_links():
    assert {name for link in COMPARE_LINKS for name in link["query"]} == {*view_by_parameter(ViewState()), "backend"}


@pytest.mark.parametrize("number", range(len(COMPARE_LINKS)))
def test_compare_understands_a_link_as_it_did_and_writes_the_same(parsed_links, number):
    link = COMPARE_LINKS[number]
    address = {name: value for name, value in link["query"].items() if name != "backend"}
    assert parsed_links[number] == (link["understood"], address)


def test_a_saved_view_is_listed_and_opens(original_store, parsed_links):
    expected_views = EXPECTED["views"]
    result = saved_views.read_saved_views(original_store, expected_views[0]["experiment"])
    views = [
        {
            "key": view.key,
            "experiment": view.experiment_id,
            "name": view.name,
            "query": view.query,
            "by": view.by,
            "at": str(view.at),
        }
        for view in result.views
    ]
    assert (views, result.skipped_count) == (expected_views, 0)
    assert parsed_links[-1] == (COMPARE_LINKS[0]["understood"], parse_qs(expected_views[0]["query"]))


@pytest.mark.parametrize("link", thin(PAGE_LINKS, 4), ids=case_id)
def test_a_page_opens_by_a_link_and_shows_what_it_showed(app, store, tmp_path, link):
    """The default backend is empty, so everything shown comes from the backend in the link."""
    podium_home = tmp_path / "podium"
    shutil.copytree(FOLDER / "job", podium_home / "jobs")
    for spec_file in podium_home.glob("jobs/*/spec.json"):
        spec_file.write_text(spec_file.read_text().replace("/podium/mlflow.db", str(store.path)))
    add_backend(podium_home / "backends.toml", parse_configured_backend("bank", store.uri, folder=tmp_path))
    page = app(link["page"], f"sqlite:///{tmp_path}/nothing.db", **link["query"])
    widget_lists = (page.selectbox, page.multiselect, page.text_input, page.date_input, page.time_input)
    boxes = {box.key: json_value(box.value) for widgets in widget_lists for box in widgets if box.key in link["query"]}
    first_widgets = {"register": page.text_area, "demo": page.selectbox}
    boxes |= {name: widgets[0].value for name, widgets in first_widgets.items() if name in link["query"]}
    titles = [html.unescape(heading.value) for headings in (page.title, page.header) for heading in headings]
    titles = [title.replace("does not begin until", "begins only on") for title in titles]  # as 533b392 worded it
    final_query = {name: [value] if isinstance(value, str) else list(value) for name, value in page.query_params.items()}
    assert final_query == link["after"]
    assert {"titles": titles, "boxes": boxes, "rows": [len(table.value) for table in page.dataframe]} == link["shown"]


def json_value(value):
    """A widget value as JSON."""
    return [json_value(item) for item in value] if isinstance(value, list | tuple) else str(value)


@pytest.mark.parametrize("model", thin(CONTINUED_MODELS, 3))
def test_a_book_is_continued_and_whole(continued_store, model):
    old_entries = expected_entries(model)
    entries = run_command(continued_store, "history", model)["entries"]
    assert entries[: len(old_entries)] == old_entries
    assert [entry["type"] for entry in entries[len(old_entries) :]].count("APPLIED") >= 1
    assert ledger_findings(run_command(continued_store, "verify", model)) == []


@pytest.mark.parametrize(
    ("model", "note"),
    [
        ("latter", "The model was renamed from former to latter"),
        ("restored", "The book itself was deleted, and restored"),
    ],
)
def test_what_befell_a_book_since_that_commit_looked_is_recorded(continued_store, model, note):
    new_entries = run_command(continued_store, "history", model)["entries"][len(expected_entries(model)) :]
    assert [entry["note"] for entry in new_entries if entry["type"] == "OBSERVED"] == [note]


def test_a_head_that_is_noted_on_a_version_tells_that_the_end_of_a_book_was_cut_off(store):
    command = EXPECTED["cut"]
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(command["sql"])
    replayed = replay_command_line(command["line"], "--backend", store.uri) | {"sql": command["sql"]}
    for answer in (replayed["answer"], command["answer"]):
        for finding in answer["models"][0]["findings"]:
            assert finding.pop("means"), "what it means is said in other words now"
    assert replayed == command
    assert ledger_findings(command["answer"]) != []


def test_the_heads_that_were_noted_elsewhere_fit_the_books_that_went_on(continued_store):
    heads = (FOLDER / "heads.txt").read_text(encoding="utf-8")
    run_command(continued_store, "verify")  # the first run is reported once
    assert run_command(continued_store, "verify", "--against", str(FOLDER / "heads.txt")) == run_command(
        continued_store, "verify"
    )
    assert len(heads.splitlines()) == len(run_command(continued_store, "verify")["models"])


def test_a_head_is_noted_in_git_under_the_same_name():
    assert [[model, position, tag_name(model, position)] for model, position, _ in EXPECTED["git_tags"]] == EXPECTED["git_tags"]


def test_today_is_written_under_the_names_of_then(original_store, continued_store):
    """All tag names are known to that commit, and entries have at least the fields that all entries of their type had then."""
    assert podium_tags(continued_store) <= podium_tags(original_store)
    old_bodies, bodies = bodies_by_id(original_store), bodies_by_id(continued_store)
    assert len(bodies) > len(old_bodies)
    for entry_id in bodies.keys() - old_bodies.keys():
        old_fields = [set(body) for body in old_bodies.values() if body["type"] == bodies[entry_id]["type"]]
        assert set.intersection(*old_fields) <= set(bodies[entry_id])


def podium_tags(store):
    """The names of Podium's own tags, without trailing ids."""
    tables = ("tags", "experiment_tags", "registered_model_tags", "model_version_tags")
    with closing(sqlite3.connect(store.path)) as db:
        keys = [key for table in tables for (key,) in db.execute(f"select key from {table} where key like 'podium.%'")]
    return {".".join(key.split(".")[:2]) for key in keys}


def bodies_by_id(store):
    """Every entry as stored, by id; entries continued in a second parameter are left out."""
    with closing(sqlite3.connect(store.path)) as db:
        rows = db.execute("select value from params where length(key) = 6 and key > '0' and key < '1'").fetchall()
    entries = [value.split(" ", 3) for (value,) in rows]
    return {parts[0]: json.loads(parts[3]) for parts in entries if parts[3].endswith("}")}


def test_a_new_volume_follows_those_that_were_there(continued_store):
    old_count = [entry["type"] for entry in expected_entries("churn")].count("VOLUME")
    count = [entry["type"] for entry in run_command(continued_store, "history", "churn")["entries"]].count("VOLUME")
    assert (old_count, count > old_count) == (2, True)


def test_a_decision_that_was_left_open_is_carried_out(store):
    intent_id = expected_entries("wine")[-1]["id"]
    (model,) = run_command(store, "recover", "--finish", "--by", "zoe", *REASON)["models"]
    assert [(intent["id"], intent["outcome"]) for intent in model["intents"]] == [(intent_id, "applied")]
    assert run_command(store, "current", "wine")["version"] == "2"
    assert ledger_findings(run_command(store, "verify")) == []


def test_drift_that_nobody_had_seen_is_adopted(store):
    assert run_command(store, "drift", "pricing", "--adopt", *REASON)["findings"][0]["done"]["outcome"] == "applied"
    assert [entry["type"] for entry in run_command(store, "history", "pricing")["entries"]][-4:] == [
        "OBSERVED",
        "REGISTERED",
        "DECIDED",
        "APPLIED",
    ]
    assert ledger_findings(run_command(store, "verify")) == []


def test_lines_that_were_imported_are_known_again(store, old_tree):
    history_file = old_tree / "docs" / "examples" / "fraud-history.csv"
    result = run_command(store, "import", "card-fraud", str(history_file), "--by", "zoe")
    assert (result["added"], result["already_there"]) == ([], 15)


def test_a_run_that_was_logged_is_registered_as_a_further_version(store):
    run_id = EXPECTED["job"]["runs"][0]["run_id"]
    assert run_command(store, "register", run_id, "--model", "wine-forest", "--by", "zoe")["version"] == "2"
    assert ledger_findings(run_command(store, "verify")) == []


def test_the_old_code_reads_and_verifies_what_todays_code_continued(continued_store, run_old_code):
    verification = run_old_code(*OLD_COMMAND, "verify", "--backend", continued_store.uri, "--json")
    assert ledger_findings(verification) == []
    run_command(continued_store, "verify")  # the first run is reported once
    todays_verification = run_command(continued_store, "verify")
    counts = [report.pop("signatures") for report in todays_verification["models"]]
    assert verification == todays_verification
    assert sum(count["trusted"] for count in counts) > 20  # entries that commit can read although they are signed
    assert sum(count["unknown"] for count in counts) == 0


def test_the_old_code_reads_a_book_with_an_entry_of_schema_2_and_writes_nothing_into_it(continued_store, tmp_path, run_old_code):
    """It knows schema 1, used by all other entries, and does not write to what it cannot judge."""
    backend = sqlite_backend(Path(shutil.copy(continued_store.path, tmp_path)))
    writer = Writer(backend, Actor(name="zoe"), lambda: datetime.now(UTC), create_signer(os.environ, lambda: datetime.now(UTC)))
    book_id, fields = find_book_id(backend, incarnation_of(read_snapshot(backend, "churn"))), writer.common_fields("churn")
    reason = make_reason("compliance", "The board asks for reviews from here on.")
    policy = PolicySet(**fields, name="strict", sha="ab", text="review: required", require_review=True, reason=reason)
    append(writer, book_id, lambda _: policy)
    history = run_old_code(*OLD_COMMAND, "history", "churn", "--backend", backend.uri, "--json")
    assert (history["entries"][-1]["type"], history["entries"][-1]["schema"]) == ("POLICY", 2)
    assert [entry["schema"] for entry in history["entries"][:-1]] == [1] * (len(history["entries"]) - 1)
    with pytest.raises(AssertionError, match="newer schema"):
        run_old_code(*OLD_COMMAND, "promote", "churn", "2", "--to", "Production", *REASON, "--backend", backend.uri, "--json")
    assert run_command(backend, "history", "churn")["entries"][-1]["type"] == "POLICY"
    assert run_command(backend, "promote", "churn", "2", "--to", "Production", *REASON)["outcome"] == "applied"


@pytest.mark.parametrize("name", ["today.json", "today.html"])
def test_the_old_code_says_of_a_packet_of_today_that_it_cannot_read_this_format(continued_store, tmp_path, run_old_code, name):
    run_command(continued_store, "packet", "export", "churn", "--entry", "3", "--out", str(tmp_path / name), "--by", "zoe")
    findings = run_old_code(*OLD_COMMAND, "packet", "verify", str(tmp_path / name), "--json", code=3)["findings"]
    assert {"part": "packet", "what": "This is format 2; this Podium reads format 1."} in findings
    assert {finding["part"] for finding in findings} <= {"packet", "keys", "signatures"}


def test_the_old_code_reads_entries_views_backends_and_jobs_of_today_and_its_decision_is_read_today(
    continued_store, tmp_path, run_old_code
):
    backend = sqlite_backend(Path(shutil.copy(continued_store.path, tmp_path)))
    experiment_id = EXPECTED["views"][0]["experiment"]
    view = saved_views.save(backend, saved_views.SavedView("", experiment_id, "Of today", "plot=Box", "zoe", datetime.now(UTC)))
    backends_file = Path(shutil.copy(FOLDER / "backends.toml", tmp_path))
    add_backend(backends_file, parse_configured_backend("today", "https://today.example.org", folder=tmp_path))
    (tmp_path / "hello.py").write_text("print('run 1/1 hello')")
    settings = read_job_settings({**os.environ, "PODIUM_HOME": str(tmp_path / "home")}, tmp_path)
    job = job_queue.start_job(
        settings, job_queue.JobSpec("first-run", "Hello", tmp_path / "hello.py"), backend, datetime.now(UTC)
    )
    job = job_queue.wait(settings, job.id, 120)
    log = run_command(backend, "log")
    assert {entry.pop("signature") for entry in log["entries"] if "sig" in entry} == {"trusted"}  # not checked by that commit
    paths = (str(backend.path), experiment_id, str(backends_file), str(job.folder))
    answers = run_old_code(sys.executable, "-c", OLD_LOOK, *paths, "promote", "churn", "2", "--to", "Production", *REASON)
    assert answers == {
        "log": log,
        "views": [[entry.name, entry.query, entry.by] for entry in saved_views.read_saved_views(backend, experiment_id).views],
        "backends": [[entry.name, entry.kind, entry.uri, entry.repository] for entry in read_config(backends_file).backends],
        "job": ["Hello", "finished", 0, "run 1/1 hello"],
        "outcome": "applied",
    }
    assert [view.name, view.query, view.by] in answers["views"]
    assert run_command(backend, "current", "churn")["version"] == "2"
    findings = ledger_findings(run_command(backend, "verify", code=3))
    assert {(model, finding["what"]) for model, finding in findings} == {("churn", "unsigned after signed")}
