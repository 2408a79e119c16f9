"""The Run page under AppTest: complete, odd, deleted and unknown runs, and every action."""

import json
import math
import os
import pickle
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Metric

from lib.backends.mlflow_client import client
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.register import register
from lib.runs.edit.run_changes import NOTE_TAG
from lib.runs.reading.run_reader import read_run
from lib.ui.app.navigation import HIDDEN_PAGES, MENU_PAGES
from lib.ui.app.page_links import page_path
from lib.ui.pages.run import header, queries
from lib.ui.pages.run.queries import MetricHistory, best_value
from tests.support.ledger_stores import DECISION, book_id_of, make_trained_run, make_writer
from tests.support.run_factories import MODEL_FILE, NOON, log_run, log_run_with_model, make_experiment

EVIL = "![x](http://evil/x) <script>alert(1)</script> :material/home: $x$ `c` [l](javascript:1)"


def button(page, label):
    return next(element for element in page.button if element.label == label)


def button_labels(page):
    return [element.label for element in page.button]


def page_text(page):
    kinds = ("markdown", "caption", "success", "error", "warning", "info", "text")
    return " ".join(str(element.value) for kind in kinds for element in getattr(page, kind))


def table_text(page):
    return " ".join(" ".join(map(str, element.value.to_numpy().ravel())) for element in [*page.table, *page.dataframe])


@pytest.fixture
def experiment(fresh_store):
    return make_experiment(fresh_store, "wine")


@pytest.fixture
def run_id(fresh_store, experiment):
    tags = {
        "Author": "ana",
        NOTE_TAG: "Looked *fine*",
        "mlflow.source.git.commit": "c5a0e12f90aa",
        "mlflow.source.name": "/a/train.py",
    }
    return log_run(fresh_store, experiment, "forest", params={"n": 5}, metrics={"accuracy": 0.9444}, data="8b3ea1f1", tags=tags)


def test_a_run_is_shown_whole(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    assert page.title[0].value == "forest"
    text = table_text(page)
    for part in ("accuracy ↑", "0.9444", "wine", "testing", "8b3ea1f1", "train&#46;py", "ana", "c5a0e12f90aa"):
        assert part in text, part
    assert "Looked *fine*" in [element.value for element in page.markdown]
    assert run_id in [element.value for element in page.code]
    assert "Compare with siblings" in button_labels(page)


def test_the_page_hangs_in_the_navigation_but_not_in_the_sidebar():
    assert [entry.name for entry in HIDDEN_PAGES] == ["run"]
    assert page_path("run").is_file()
    assert "run" not in [entry.name for entry in MENU_PAGES]


@pytest.mark.parametrize("wanted", ["", "0" * 32, "../../etc/passwd", EVIL])
def test_an_unknown_run_is_told_and_leads_to_compare(app, fresh_store, wanted):
    page = app("run", fresh_store, **({"run": wanted} if wanted else {}))
    assert [title.value for title in page.title] == ["Run"]
    assert button_labels(page) == ["Compare runs"]
    assert "](" not in page_text(page)


def test_a_backend_without_any_run_opens_the_page(app, fresh_store):
    assert "No run selected" in page_text(app("run", fresh_store))


def test_hostile_names_stay_text(app, fresh_store, experiment):
    tags = {"evil": EVIL, NOTE_TAG: EVIL, "mlflow.source.name": EVIL, "mlflow.user": EVIL, "mlflow.source.git.commit": EVIL}
    parent = log_run(fresh_store, experiment, EVIL, params={"p": EVIL}, metrics={"m": 1.0}, tags=tags, data=EVIL[:30])
    log_run(fresh_store, experiment, EVIL, parent=parent)
    page = app("run", fresh_store, run=parent)
    texts = [element.value for kind in ("title", "markdown", "caption") for element in getattr(page, kind)]
    texts += [str(cell) for element in page.table for cell in element.value.to_numpy().ravel()] + button_labels(page)
    assert not [text for text in texts if "](" in text or "<script" in text or "material/home:" in text]


def test_odd_numbers_and_nothing_at_all_are_shown(app, fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "", metrics={"nan": math.nan, "inf": math.inf, "low": -math.inf}, model=False)
    page = app("run", fresh_store, run=run_id)
    assert set(page.dataframe[0].value["value"]) == {"NaN", "∞", "−∞"}
    empty_run_id = log_run(fresh_store, experiment, "bare", model=False)
    assert "No metrics yet" in page_text(app("run", fresh_store, run=empty_run_id))


def history_chart_spec(page):
    return json.loads(page.get("vega_lite_chart")[0].proto.spec)


def test_histories_show_best_and_extremes_and_one_is_drawn(app, fresh_store, run_id):
    values = [0.9, 0.4, math.nan, 0.2, 0.3]
    points = [Metric("log_loss", value, NOON + step, step) for step, value in enumerate(values)]
    client(fresh_store).log_batch(run_id, metrics=points)
    page = app("run", fresh_store, run=run_id)
    table = page.dataframe[0].value
    row = table[table.metric == "log_loss ↓"].iloc[0]
    assert (row["last"], row["best"], row["low"], row["high"], row["points"]) == ("0.3000", "0.2000", "0.2000", "0.9000", 5)
    assert list(row["history"]) == [0.9, 0.4, 0.2, 0.3]
    assert table.metric[0] == "log_loss ↓"
    assert history_chart_spec(page)
    assert "1\N{NO-BREAK SPACE}value is not a number and not shown" in page_text(page)


def test_a_long_history_is_thinned_and_says_so(app, fresh_store, run_id, monkeypatch):
    monkeypatch.setattr("lib.ui.pages.run.metrics.CHART_POINTS", 20)
    points = [Metric("loss", 1 / (step + 1), NOON + step, step) for step in range(100)]
    client(fresh_store).log_batch(run_id, metrics=points)
    page = app("run", fresh_store, run=run_id)
    assert re.search(r"Showing (18|19|20) of 100 points", page_text(page))


def test_thinning_keeps_ends_and_extremes():
    history = MetricHistory(tuple(range(1000)), tuple([5.0] * 500 + [9.0] + [5.0] * 200 + [-1.0] + [5.0] * 298))
    short_history = history.downsample(50)
    assert {short_history.steps[0], short_history.steps[-1]} == {0, 999}
    assert {9.0, -1.0} <= set(short_history.values)
    assert len(short_history.values) <= 50
    assert MetricHistory((), ()).downsample(50) == MetricHistory((), ())
    assert [best_value(history, direction) for direction in ("more", "less", "neither")] == [9.0, -1.0, None]


def test_more_metrics_than_are_read_are_shown_and_it_says_so(app, fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(queries, "MAX_HISTORIES", 2)
    run_id = log_run(fresh_store, experiment, "many", metrics={f"m{n}": n / 10 for n in range(5)}, model=False)
    page = app("run", fresh_store, run=run_id)
    assert len(page.dataframe[0].value) == 5
    assert "histories of 2 of 5" in page_text(page).replace("\N{NO-BREAK SPACE}", " ")


def test_a_model_is_told_from_its_mlmodel_file(app, fresh_store):
    run_id = log_run_with_model(fresh_store, MODEL_FILE, extra_files=[("requirements.txt", "numpy==2\n")])
    page = app("run", fresh_store, run=run_id)
    text = table_text(page)
    for part in ("sklearn 1&#46;9&#46;1 &#40;skops&#41;", "25.6", "alcohol", "int64"):
        assert part in text, part
    assert any(block.value.startswith("models:/m-") for block in page.code)


def test_a_model_without_files_says_so_in_its_card_only(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    assert len(page.error) == 1
    assert "0.9444" in table_text(page)


def test_a_model_of_mlflow_2_is_recognised(app, fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "old", model=False)
    client(fresh_store).log_text(run_id, MODEL_FILE, "forest/MLmodel")
    page = app("run", fresh_store, run=run_id)
    assert "Model" in [subheader.value for subheader in page.subheader]
    assert "forest" in table_text(page)
    assert "Register" in button_labels(page)


def test_parent_children_and_versions_are_linked(app, fresh_store, experiment):
    parent = make_trained_run(fresh_store)
    register(make_writer(fresh_store), parent, "forest")
    move_version(make_writer(fresh_store), MoveRequest("forest", "1", "Production"), DECISION)
    child = log_run(fresh_store, read_run(fresh_store, parent).experiment_id, "trial", parent=parent, model=False)
    page = app("run", fresh_store, run=parent)
    assert any(element.key == f"run.to.{child}" for element in page.button)
    links = [element.proto.label for element in page.get("page_link")]
    assert any("forest v1" in label and "Production" in label for label in links)
    page.button(key=f"run.to.{child}").click().run()
    assert not page.exception
    assert page.title[0].value == "trial"


def test_siblings_are_picked_when_they_are_few_and_listed_when_many(fresh_store, experiment):
    parent = log_run(fresh_store, experiment, "search", model=False)
    ids = [log_run(fresh_store, experiment, f"t{n}", parent=parent, minute=n, model=False) for n in range(3)]
    run = read_run(fresh_store, ids[0])
    query = header.compare_siblings_query(run, queries.related_runs.read_related_runs(fresh_store, run))
    assert (query["experiment"], query["parent"]) == (experiment, parent)
    assert (query["pick"][0], set(query["pick"])) == (ids[0], set(ids))
    log_run(fresh_store, experiment, "t4", parent=parent, minute=5, model=False)
    log_run(fresh_store, experiment, "t5", parent=parent, minute=6, model=False)
    assert header.compare_siblings_query(run, queries.related_runs.read_related_runs(fresh_store, run))["pick"] == [ids[0]]
    parent_run = read_run(fresh_store, parent)
    assert (
        header.compare_siblings_query(parent_run, queries.related_runs.read_related_runs(fresh_store, parent_run))["parent"] == ""
    )


def test_compare_with_its_siblings_is_one_click(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Compare with siblings").click().run()
    assert not page.exception
    assert page.title[0].value == "Compare"
    assert page.query_params["pick"] in (run_id, [run_id])


def test_register_leads_to_models_with_the_run(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    page = app("run", fresh_store, run=run_id)
    button(page, "Register").click().run()
    assert not page.exception
    assert page.query_params["register"] in (run_id, [run_id])


def test_long_names_values_and_notes_are_cut_on_the_page_and_can_be_changed(app, fresh_store, experiment):
    tags = {"long": "v" * 8000, NOTE_TAG: "n" * 8000, "k" * 200: "x"}
    run_id = log_run(
        fresh_store, experiment, "x" * 400, params={"p" * 250: "q" * 5000}, metrics={"m" * 250: 1.0}, tags=tags, model=False
    )
    page = app("run", fresh_store, run=run_id)
    assert len(page.title[0].value) < 120
    button(page, "Rename").click().run()
    page.text_input(key="run.name").set_value("short").run()
    page.button(key="run.confirm").click().run()
    assert not page.exception
    assert read_run(fresh_store, run_id).name == "short"


# Actions


def test_renaming_shows_before_and_after_and_the_call(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Rename").click().run()
    page.text_input(key="run.name").set_value("oak *1*").run()
    assert page.table[-1].value.iloc[0].tolist() == ["Name", "forest", "oak &#42;1&#42;"]
    assert f"client.update_run('{run_id}', name='oak *1*')" in page.code[-1].value
    page.button(key="run.confirm").click().run()
    assert not page.exception
    assert read_run(fresh_store, run_id).name == "oak *1*"
    assert page.title[0].value == "oak &#42;1&#42;"
    assert "Renamed to" in page.success[0].value


def test_a_name_that_says_nothing_new_is_answered_in_the_dialog(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Rename").click().run()
    page.button(key="run.confirm").click().run()
    assert "already the current value" in page_text(page)
    page.button(key="run.cancel").click().run()
    assert not any(element.key == "run.confirm" for element in page.button)


def test_the_note_is_written_changed_and_taken_away(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    for text, note in (("One\n*two*", "One\n*two*"), ("", None)):
        button(page, "Edit note").click().run()
        page.text_area(key="run.note.text").set_value(text).run()
        page.button(key="run.confirm").click().run()
        assert not page.exception
        assert read_run(fresh_store, run_id).tags.get(NOTE_TAG) == note
    assert "Add note" in button_labels(page)


def test_tags_are_added_changed_and_removed(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Edit tags").click().run()
    page.text_input(key="run.tag.key").set_value("purpose").run()
    page.text_area(key="run.tag.value.A new tag").set_value("teach").run()
    page.button(key="run.confirm").click().run()
    button(page, "Edit tags").click().run()
    page.selectbox(key="run.tag.which").set_value("Author").run()
    page.text_area(key="run.tag.value.Author").set_value("bo").run()
    page.button(key="run.confirm").click().run()
    assert not page.exception
    tags = read_run(fresh_store, run_id).tags
    assert (tags["purpose"], tags["Author"]) == ("teach", "bo")
    button(page, "Edit tags").click().run()
    page.selectbox(key="run.tag.which").set_value("purpose").run()
    page.toggle(key="run.tag.remove.purpose").set_value(True).run()
    page.button(key="run.confirm").click().run()
    assert "purpose" not in read_run(fresh_store, run_id).tags


def test_a_change_made_by_somebody_else_meanwhile_is_not_overwritten(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Rename").click().run()
    client(fresh_store).update_run(run_id, name="theirs")
    page.text_input(key="run.name").set_value("mine").run()
    page.button(key="run.confirm").click().run()
    assert "since you opened it" in page_text(page)
    assert read_run(fresh_store, run_id).name == "theirs"


def test_a_run_is_deleted_and_restored(app, fresh_store, run_id):
    page = app("run", fresh_store, run=run_id)
    button(page, "Delete").click().run()
    assert "it can be restored" in page_text(page)
    page.button(key="run.confirm").click().run()
    assert read_run(fresh_store, run_id).lifecycle == "deleted"
    assert page.warning[0].proto.title == "This run was deleted"
    assert not {"Rename", "Delete", "Compare with siblings"} & set(button_labels(page))
    button(page, "Restore").click().run()
    page.button(key="run.confirm").click().run()
    assert not page.exception
    assert read_run(fresh_store, run_id).lifecycle == "active"
    assert "Delete" in button_labels(page)


def test_the_source_of_the_champion_is_deleted_only_when_insisted_on(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "forest")
    move_version(make_writer(fresh_store), MoveRequest("forest", "1", "Production"), DECISION)
    page = app("run", fresh_store, run=run_id)
    button(page, "Delete").click().run()
    assert "forest v1" in table_text(page)
    page.button(key="run.confirm").click().run()
    assert "Versions in use that come from this run" in page_text(page)
    assert read_run(fresh_store, run_id).lifecycle == "active"
    page.text_input(key="run.typed").set_value(run_id[:8]).run()
    page.button(key="run.confirm").click().run()
    assert not page.exception
    assert read_run(fresh_store, run_id).lifecycle == "deleted"


def test_a_book_of_the_ledger_offers_no_actions(app, fresh_store):
    register(make_writer(fresh_store), make_trained_run(fresh_store), "forest")
    page = app("run", fresh_store, run=book_id_of(fresh_store, "forest"))
    assert "part of the ledger" in page_text(page)
    assert not {"Rename", "Delete", "Edit tags", "Add tag", "Add note"} & set(button_labels(page))


def test_a_dialog_of_one_run_does_not_open_on_another(app, fresh_store, experiment, run_id):
    other = log_run(fresh_store, experiment, "other", model=False)
    page = app("run", fresh_store, run=run_id)
    button(page, "Rename").click().run()
    assert any(element.key == "run.confirm" for element in page.button)
    page.query_params["run"] = other
    page.run()
    assert not any(element.key == "run.confirm" for element in page.button)


def test_a_running_run_says_so_and_is_not_registered(app, fresh_store):
    run_id = make_trained_run(fresh_store, status="RUNNING")
    page = app("run", fresh_store, run=run_id)
    assert "Running for" in page_text(page)
    assert "Register" not in button_labels(page)


def test_the_pulse_of_a_running_run_brings_news(app, fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "live", metrics={"loss": 1.0}, status="", model=False)
    page = app("run", fresh_store, run=run_id)
    client(fresh_store).log_metric(run_id, "loss", 0.25)
    page.run()
    assert "0.2500" in table_text(page)
    client(fresh_store).set_terminated(run_id, "FINISHED")
    page.run()
    assert "Running for" not in page_text(page)


def test_a_server_shows_and_changes_the_same(app, mlflow_server):
    run_id = log_run_with_model(mlflow_server, MODEL_FILE, extra_files=[("requirements.txt", "numpy\n"), ("x.txt", "y")])
    client(mlflow_server).log_batch(run_id, metrics=[Metric("loss", 1 / (n + 1), NOON, n) for n in range(4)])
    page = app("run", mlflow_server, run=run_id)
    assert not page.error
    assert "alcohol" in table_text(page)
    button(page, "Rename").click().run()
    page.text_input(key="run.name").set_value("served").run()
    page.button(key="run.confirm").click().run()
    assert not page.exception
    assert read_run(mlflow_server, run_id).name == "served"


def test_nothing_on_the_page_writes_before_it_is_confirmed(app, fresh_store, run_id):
    def read_whole_database():
        with closing(sqlite3.connect(fresh_store.path)) as database:
            return list(database.iterdump())

    page = app("run", fresh_store, run=run_id)
    database_before = read_whole_database()
    assert any(run_id in line for line in database_before)
    for label in ("Rename", "Edit note", "Edit tags", "Delete"):
        button(page, label).click().run()
        assert any(element.key == "run.confirm" for element in page.button), label
        page.button(key="run.cancel").click().run()
        assert not page.exception
    assert read_whole_database() == database_before


# Links to this page


def links(page):
    return {link.proto.label: link.proto.query_string for link in page.get("page_link")}


def test_models_and_audit_lead_to_the_run_a_version_was_made_from(app, fresh_store):
    run_id = make_trained_run(fresh_store)
    register(make_writer(fresh_store), run_id, "forest")
    assert links(app("models", fresh_store, model="forest"))["Open run"] == f"run={run_id}"
    assert links(app("audit", fresh_store))["Open source run"] == f"run={run_id}"


def test_overview_opens_the_run_of_the_row_that_was_clicked(app, fresh_store, experiment):
    for n in range(3):
        log_run(fresh_store, experiment, f"r{n}", minute=n)
    page = app("overview", fresh_store)
    table = next(table.value for table in page.dataframe if "open" in table.value)
    assert table.run.tolist() == ["r2", "r1", "r0"]
    assert set(table.open) == {"Open"}


OPEN_IT = """
import sys
from streamlit.testing.v1 import AppTest
from lib.ui.app.page_links import SHELL_SCRIPT, page_path
page = AppTest.from_file(str(SHELL_SCRIPT), default_timeout=60)
page.query_params["run"] = sys.argv[1]
page.switch_page(str(page_path("run")))
page.run()
assert not page.exception, page.exception
assert "Model" in [one.value for one in page.subheader]
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "skops", "joblib", "torch", "numexpr"}))
"""


class _Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_a_model_is_never_loaded_to_be_shown(fresh_store, tmp_path):
    run_id = log_run(fresh_store, make_experiment(fresh_store, "bombs"), "bomb")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}, python_function: {}}")
    for name in ("a.json", "model.pkl", "model.joblib"):
        (tmp_path / "model" / name).write_bytes(pickle.dumps(_Bomb(tmp_path / "went off")))
    client(fresh_store).log_model_artifacts(read_run(fresh_store, run_id).model_ids[0], str(tmp_path / "model"))
    process = subprocess.run(
        [sys.executable, "-c", OPEN_IT, run_id],
        env=os.environ | {"MLFLOW_TRACKING_URI": fresh_store.uri, "PODIUM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert process.stdout.strip() == "[]"
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize(
    "uri",
    ["", "s3://no-bucket/x", "ftp://ana:s3cret@host/x", "file://other/x", "/no/folder", "runs:/abc/x", "/a\0b", "http://[bad"],
)
def test_a_run_whose_files_are_nowhere_is_shown_all_the_same(app, fresh_store, uri):
    run_id = log_run(fresh_store, make_experiment(fresh_store, "odd"), "odd", model=False)
    with closing(sqlite3.connect(fresh_store.path)) as db, db:
        db.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (uri, run_id))
    page = app("run", fresh_store, run=run_id)
    assert "Lineage" in [subheader.value for subheader in page.subheader]
    assert "s3cret" not in page_text(page)
