"""What commit 533b392 has written is read today as that commit read it, and that commit reads on what today's code adds.

The folder beside this module was written by that commit's own code: its `make.py` says how. Everything in it, and the names in
`OLD_COMMAND` and `OLD_LOOK` below, are those of that commit and stay so whatever is renamed in the project.
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
from lib.ledger.state import volumes
from lib.registry.git_anchor import tag_name
from lib.runs.edit import saved_views
from lib.runs.filters import facets
from lib.runs.plots.axes import build_axis
from lib.runs.plots.axis_ranges import format_range, parse_ranges
from lib.runs.reading.filter_parser import parse_filter
from lib.ui.pages.compare.view_state import ViewState

FOLDER = Path(__file__).parents[1] / "support" / "written_by_533b392"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
LINKS = json.loads((FOLDER / "links.json").read_text(encoding="utf-8"))
COMPARE_LINKS = [link for link in LINKS if link["page"] == "compare"]
PAGE_LINKS = [COMPARE_LINKS[0], *(link for link in LINKS if link["page"] != "compare")]
"""Opening a page takes half a second: all links to Compare are read, and the page is opened by the first."""
CONTINUED_MODELS = {
    "card-fraud": "1",
    "churn": "3",
    "every-kind": "2",
    "latter": "2",
    "new-name": "2",
    "restored": "2",
    "wine-forest": "1",
}
"""Models and the version of each that is moved today."""
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
    """What a test is called after: a command line, or a page with what its link asks for."""
    return case["line"] if "line" in case else f"{case['page']} {' '.join(case['query'])}"[:80]


def unpack_store(folder):
    """The store, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlflow.db").write_bytes(gzip.decompress((FOLDER / "mlflow.db.gz").read_bytes()))
    return sqlite_backend(folder / "mlflow.db")


def answer_of(line, *more):
    """What a command line answers, told as in expected.json: see `answer` in make.py."""
    done = CliRunner().invoke(podium, [*shlex.split(line)[3:], *more])
    said = json.loads(done.stdout) if done.stdout else None
    for one in said.get("answers", ()) if isinstance(said, dict) else ():
        for gap in one["unknown"]:
            gap["until"] = "now" if gap["until"] and gap["until"] > said["at"] else gap["until"]
    return {"line": line, "code": done.exit_code, "answer": said}


def run_command(store, *words):
    """The document that a command prints, which must end well."""
    done = CliRunner().invoke(podium, [*words, "--json", "--backend", store.uri])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def ledger_findings(verified):
    """What `verify` found, of all the models that it tells of."""
    assert verified["models"]
    return [(one["model"], found) for one in verified["models"] for found in one["findings"]]


def entries_before(model):
    """The entries of a book as that commit told them."""
    return next(one["answer"]["entries"] for one in EXPECTED["commands"] if f" history {model} " in one["line"])


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A copy of the store that is only looked at."""
    return unpack_store(tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def store(tmp_path):
    """A copy of the store for one test."""
    return unpack_store(tmp_path / "written")


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """A copy in which today's code went on with these books; that of churn goes on in a further volume."""
    here = unpack_store(tmp_path_factory.mktemp("continued"))
    for model, version in CONTINUED_MODELS.items():
        stage = "Staging" if model == "wine-forest" else "Production"
        run_command(here, "promote", model, version, "--to", stage, *REASON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "VOLUME_CAPACITY", 4)
        run_command(here, "promote", "churn", "1", "--to", "Production", *REASON)
    return here


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory):
    """The project as that commit had it."""
    place = tmp_path_factory.mktemp("old")
    with tarfile.open(FOLDER / "podium.tar.gz") as archive:
        archive.extractall(place, filter="data")
    return place / "podium"


@pytest.fixture(scope="module")
def old_code(old_tree):
    """A function that runs a program in the code of that commit, and gives what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PODIUM_"))}
    env = kept | {"PYTHONPATH": str(old_tree), "PODIUM_HOME": str(old_tree / ".podium"), "MLFLOW_DISABLE_TELEMETRY": "true"}

    def run(*words):
        done = subprocess.run(words, cwd=old_tree, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("told", EXPECTED["commands"], ids=case_id)
def test_a_command_answers_as_it_did(untouched, told):
    assert answer_of(told["line"], "--backend", untouched.uri) == told


@pytest.mark.parametrize("told", EXPECTED["packets"], ids=case_id)
def test_a_packet_is_whole(monkeypatch, told):
    monkeypatch.chdir(FOLDER)
    assert told["answer"]["findings"] == []
    assert answer_of(told["line"]) == told


def test_the_backends_in_the_file_are_the_same():
    found = [
        {
            "name": one.name,
            "kind": one.kind,
            "uri": one.uri,
            "repository": one.repository,
            "trouble": one.problem,
            "backend": {"uri": one.backend.uri, "kind": one.backend.kind, "principal": one.backend.principal},
        }
        for one in read_config(FOLDER / "backends.toml").backends
    ]
    assert found == EXPECTED["backends"]


def test_a_job_is_read_from_its_folder_with_state_log_and_parameters():
    (folder,) = (FOLDER / "job").iterdir()
    job, progress = read_job(folder), read_progress(read_job(folder))
    found = {
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
    assert found == {name: value for name, value in EXPECTED["job"].items() if name != "runs"}


def test_the_runs_of_a_job_are_found_by_their_tag(untouched):
    found = [
        {"run_id": run.run_id, "name": run.name, "status": run.status, "metrics": run.metrics, "params": run.params}
        for run in find_job_runs(untouched, EXPECTED["job"]["id"])
    ]
    assert found == EXPECTED["job"]["runs"]


def read_compare_links():
    """Runs inside Streamlit: what Compare reads out of each address or saved view, and the address that it writes for it."""
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
def parsed_links(untouched):
    """What Compare makes of each link, and last of the saved view; starting a page takes longer than looking."""
    page = AppTest.from_function(read_compare_links)
    page.session_state["backend"] = untouched
    page.session_state["sources"] = [
        *(link["query"] for link in COMPARE_LINKS),
        *saved_views.read_saved_views(untouched, EXPECTED["views"][0]["experiment"]).views,
    ]
    page.run()
    assert not page.exception, [error.value for error in page.exception]
    return [values_by_parameter(*one) for one in page.session_state["read"]]


def values_by_parameter(view, result, address):
    """What was parsed_links, under the names that stand in addresses, and the address as it is written again."""
    axes = [build_axis(result.all_runs, text.partition(":")[0]) for text in view.range]
    conditions, ranges = [facets.parse_facet(text) for text in view.facet], parse_ranges(view.range, axes)
    told = {
        "view": {name: value for name, value in by_parameter(view).items() if value},
        "filter": [[one.kind, one.name, one.comparator, one.value] for one in parse_filter(view.filter)],
        "facet": [facet_as_list(one) for one in conditions],
        "range": [[one.column, one.low, one.high] for one in ranges],
        "runs": list(result.runs.ids),
    }
    again = {"facet": [facets.format_facet(one) for one in conditions], "range": [format_range(one) for one in ranges]}
    said = parse_qs(address.partition("?")[2])
    return told, said | {name: texts for name, texts in again.items() if texts}


def by_parameter(view):
    """The parts of a view under the names by which an address carries them; the code may call them as it likes."""
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
    """A condition as a list that names no class."""
    match facet:
        case facets.RangeFacet():
            return ["range", facet.column, facet.least, facet.most]
        case facets.AnyOfFacet():
            return ["any of", facet.column, list(facet.values)]
        case facets.ContainsFacet():
            return ["holds", facet.column, facet.part]


def test_every_name_of_an_address_of_compare_is_in_one_of_the_links():
    assert {name for link in COMPARE_LINKS for name in link["query"]} == {*by_parameter(ViewState()), "backend"}


@pytest.mark.parametrize("number", range(len(COMPARE_LINKS)))
def test_compare_understands_a_link_as_it_did_and_writes_the_same(parsed_links, number):
    link = COMPARE_LINKS[number]
    address = {name: value for name, value in link["query"].items() if name != "backend"}
    assert parsed_links[number] == (link["understood"], address)


def test_a_saved_view_is_listed_and_opens(untouched, parsed_links):
    told = EXPECTED["views"]
    found = saved_views.read_saved_views(untouched, told[0]["experiment"])
    kept = [
        {
            "key": one.key,
            "experiment": one.experiment_id,
            "name": one.name,
            "query": one.query,
            "by": one.by,
            "at": str(one.at),
        }
        for one in found.views
    ]
    assert (kept, found.skipped_count) == (told, 0)
    assert parsed_links[-1] == (COMPARE_LINKS[0]["understood"], parse_qs(told[0]["query"]))


@pytest.mark.parametrize("link", PAGE_LINKS, ids=case_id)
def test_a_page_opens_by_a_link_and_shows_what_it_showed(app, store, tmp_path, link):
    """There is nothing at the default backend: whatever is shown came from the one that the link names."""
    at_home = tmp_path / "podium"
    shutil.copytree(FOLDER / "job", at_home / "jobs")
    for ordered in at_home.glob("jobs/*/spec.json"):
        ordered.write_text(ordered.read_text().replace("/podium/mlflow.db", str(store.path)))
    add_backend(at_home / "backends.toml", parse_configured_backend("bank", store.uri, folder=tmp_path))
    page = app(link["page"], f"sqlite:///{tmp_path}/nothing.db", **link["query"])
    kinds = (page.selectbox, page.multiselect, page.text_input, page.date_input, page.time_input)
    boxes = {box.key: json_value(box.value) for kind in kinds for box in kind if box.key in link["query"]}
    first = {"register": page.text_area, "demo": page.selectbox}
    boxes |= {name: box[0].value for name, box in first.items() if name in link["query"]}
    titles = [html.unescape(one.value) for kind in (page.title, page.header) for one in kind]
    after = {name: [value] if isinstance(value, str) else list(value) for name, value in page.query_params.items()}
    assert after == link["after"]
    assert {"titles": titles, "boxes": boxes, "rows": [len(one.value) for one in page.dataframe]} == link["shown"]


def json_value(value):
    """A value of a widget as JSON has it."""
    return [json_value(one) for one in value] if isinstance(value, list | tuple) else str(value)


@pytest.mark.parametrize("model", CONTINUED_MODELS)
def test_a_book_is_continued_and_whole(continued, model):
    before = entries_before(model)
    now = run_command(continued, "history", model)["entries"]
    assert now[: len(before)] == before
    assert [one["type"] for one in now[len(before) :]].count("APPLIED") >= 1
    assert ledger_findings(run_command(continued, "verify", model)) == []


@pytest.mark.parametrize(
    ("model", "note"),
    [
        ("latter", "The model was renamed from former to latter"),
        ("restored", "The book itself was deleted, and restored"),
    ],
)
def test_what_befell_a_book_since_that_commit_looked_is_recorded(continued, model, note):
    added = run_command(continued, "history", model)["entries"][len(entries_before(model)) :]
    assert [one["note"] for one in added if one["type"] == "OBSERVED"] == [note]


def test_a_head_that_is_noted_on_a_version_tells_that_the_end_of_a_book_was_cut_off(store):
    told = EXPECTED["cut"]
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(told["sql"])
    assert answer_of(told["line"], "--backend", store.uri) | {"sql": told["sql"]} == told
    assert ledger_findings(told["answer"]) != []


def test_the_heads_that_were_noted_elsewhere_fit_the_books_that_went_on(continued):
    heads = (FOLDER / "heads.txt").read_text(encoding="utf-8")
    assert run_command(continued, "verify", "--against", str(FOLDER / "heads.txt")) == run_command(continued, "verify")
    assert len(heads.splitlines()) == len(run_command(continued, "verify")["models"])


def test_a_head_is_noted_in_git_under_the_same_name():
    assert [[model, place, tag_name(model, place)] for model, place, _ in EXPECTED["git_tags"]] == EXPECTED["git_tags"]


def test_today_is_written_under_the_names_of_then(untouched, continued):
    """No tag of ours has a name that commit does not know, and what each entry of a type said then, each of that type says today."""
    assert podium_tags(continued) <= podium_tags(untouched)
    then, now = bodies_by_id(untouched), bodies_by_id(continued)
    assert len(now) > len(then)
    for entry_id in now.keys() - then.keys():
        said = [set(body) for body in then.values() if body["type"] == now[entry_id]["type"]]
        assert set.intersection(*said) <= set(now[entry_id])


def podium_tags(store):
    """The names of Podium's own tags, without the ids at their ends."""
    tables = ("tags", "experiment_tags", "registered_model_tags", "model_version_tags")
    with closing(sqlite3.connect(store.path)) as db:
        keys = [key for table in tables for (key,) in db.execute(f"select key from {table} where key like 'podium.%'")]
    return {".".join(key.split(".")[:2]) for key in keys}


def bodies_by_id(store):
    """Every entry as it stands in the store, by its id; one that goes on in a second parameter is left out."""
    with closing(sqlite3.connect(store.path)) as db:
        rows = db.execute("select value from params where length(key) = 6 and key > '0' and key < '1'").fetchall()
    parts = [value.split(" ", 3) for (value,) in rows]
    return {part[0]: json.loads(part[3]) for part in parts if part[3].endswith("}")}


def test_a_new_volume_follows_those_that_were_there(continued):
    then = [one["type"] for one in entries_before("churn")].count("VOLUME")
    now = [one["type"] for one in run_command(continued, "history", "churn")["entries"]].count("VOLUME")
    assert (then, now > then) == (2, True)


def test_a_decision_that_was_left_open_is_carried_out(store):
    intent = entries_before("wine")[-1]["id"]
    assert run_command(store, "recover", "--by", "zoe")["closed"] == [{"model": "wine", "entry": intent, "outcome": "applied"}]
    assert run_command(store, "current", "wine")["version"] == "2"
    assert ledger_findings(run_command(store, "verify")) == []


def test_drift_that_nobody_had_seen_is_adopted(store):
    assert run_command(store, "drift", "pricing", "--adopt", *REASON)["findings"][0]["done"]["outcome"] == "applied"
    assert [one["type"] for one in run_command(store, "history", "pricing")["entries"]][-4:] == [
        "OBSERVED",
        "REGISTERED",
        "DECIDED",
        "APPLIED",
    ]
    assert ledger_findings(run_command(store, "verify")) == []


def test_lines_that_were_imported_are_known_again(store, old_tree):
    history = old_tree / "docs" / "examples" / "fraud-history.csv"
    done = run_command(store, "import", "card-fraud", str(history), "--by", "zoe")
    assert (done["added"], done["already_there"]) == ([], 15)


def test_a_run_that_was_logged_is_registered_as_a_further_version(store):
    run_id = EXPECTED["job"]["runs"][0]["run_id"]
    assert run_command(store, "register", run_id, "--model", "wine-forest", "--by", "zoe")["version"] == "2"
    assert ledger_findings(run_command(store, "verify")) == []


def test_the_old_code_reads_and_verifies_what_todays_code_continued(continued, old_code):
    found = old_code(*OLD_COMMAND, "verify", "--backend", continued.uri, "--json")
    assert ledger_findings(found) == []
    assert found == run_command(continued, "verify")


@pytest.mark.parametrize("name", ["today.json", "today.html"])
def test_the_old_code_finds_a_packet_of_today_whole(continued, tmp_path, old_code, name):
    run_command(continued, "packet", "export", "churn", "--entry", "3", "--out", str(tmp_path / name), "--by", "zoe")
    assert old_code(*OLD_COMMAND, "packet", "verify", str(tmp_path / name), "--json")["findings"] == []


def test_the_old_code_reads_entries_views_backends_and_jobs_of_today_and_its_decision_is_read_today(
    continued, tmp_path, old_code
):
    here = sqlite_backend(Path(shutil.copy(continued.path, tmp_path)))
    experiment = EXPECTED["views"][0]["experiment"]
    view = saved_views.save(here, saved_views.SavedView("", experiment, "Of today", "plot=Box", "zoe", datetime.now(UTC)))
    backends = Path(shutil.copy(FOLDER / "backends.toml", tmp_path))
    add_backend(backends, parse_configured_backend("today", "https://today.example.org", folder=tmp_path))
    (tmp_path / "hello.py").write_text("print('run 1/1 hello')")
    settings = read_job_settings({**os.environ, "PODIUM_HOME": str(tmp_path / "home")}, tmp_path)
    started = job_queue.start_job(
        settings, job_queue.JobSpec("first-run", "Hello", tmp_path / "hello.py"), here, datetime.now(UTC)
    )
    done = job_queue.wait(settings, started.id, 120)
    log, places = run_command(here, "log"), (str(here.path), experiment, str(backends), str(done.folder))
    told = old_code(sys.executable, "-c", OLD_LOOK, *places, "promote", "churn", "2", "--to", "Production", *REASON)
    assert told == {
        "log": log,
        "views": [[one.name, one.query, one.by] for one in saved_views.read_saved_views(here, experiment).views],
        "backends": [[one.name, one.kind, one.uri, one.repository] for one in read_config(backends).backends],
        "job": ["Hello", "finished", 0, "run 1/1 hello"],
        "outcome": "applied",
    }
    assert [view.name, view.query, view.by] in told["views"]
    assert run_command(here, "current", "churn")["version"] == "2"
    assert ledger_findings(run_command(here, "verify")) == []
