"""The two roads to the runs of an experiment give the same table, cell by cell; and when the SQLite road is left to the client."""

import math
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from posixpath import normpath

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param
from mlflow.exceptions import MlflowException

from lib.backends.backend import sqlite_backend
from lib.backends.mlflow_client import client
from lib.errors import Busy
from lib.runs.reading import run_reader, sqlite_reader
from lib.runs.table.frames import build_run_table
from lib.runs.table.types import Search
from tests.conftest import copy_store
from tests.support.run_factories import NOON, log_run, make_experiment

TABLES = ("identity", "metrics", "params", "texts", "tags", "inputs")
EVERY_STATE = ("active", "deleted", "all")


def of(*experiments, **more):
    return Search(experiments, **more)


def by_client(store, search):
    return build_run_table(search, run_reader._read_through_client(store, search), None)


def by_sql(store, search):
    found = sqlite_reader.read_run_columns(store, search)
    assert found is not None, "the SQLite road was left"
    return build_run_table(search, found, None)


def same(store, search):
    """Both roads give the same tables: ids, order, columns, types and every cell, and the same total where both know it. Gives the table."""
    slow, fast = by_client(store, search), by_sql(store, search)
    assert fast.ids == slow.ids
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(slow, name), check_exact=True)
    assert fast.nans == slow.nans
    assert slow.total in (None, fast.total)
    assert slow.is_complete == fast.is_complete
    return fast


def write(store, *statements):
    """What only other writers than MLflow's client leave behind."""
    with closing(sqlite3.connect(store.path)) as db, db:
        for statement, *values in statements:
            db.execute(statement, values)


NAMES = st.one_of(
    st.sampled_from(["a", "A", "val/acc", "log loss", "ünï", "it:s", "name", "run_id", "metrics.a", "μ" * 200, "k.1-2_3"]),
    st.text(alphabet="aZ9 _-/:üλ", min_size=1, max_size=12).map(lambda text: normpath(f"k{text}k")),
)
NUMBERS = st.one_of(st.sampled_from([math.nan, math.inf, -math.inf, 1e-320, 2.0**53 + 1, -0.0]), st.floats())
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "7",
            "007",
            "nan",
            "inf",
            "1e400",
            "e5",
            "-3.50",
            "x" * 500,
            "12345678901234567890",
            "\n",
            "=1+1",
            "1١",
            "😀é",
            "None",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
POINTS = st.lists(st.tuples(NAMES, NUMBERS, st.integers(0, 3), st.integers(0, 3)), max_size=6)
DATA = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["1", "2"]), st.sampled_from(["", "train", "tést"])), max_size=3
)
ORIGINS = ("run", "model", "runless model", "another model", "nowhere", "deleted", "prompt", "no stage")
"""How a registered version tells where it came from."""
OWN_TAGS = ("mlflow.user", "mlflow.parentRunId", "mlflow.runName", "mlflow.source.name", "mlflow.log-model.history")
LONG = "replace(hex(zeroblob(250)), '00', 'kü')"
SPOILT = {
    "no end": "update runs set end_time = null where run_uuid = ?1",
    "no name": "update runs set name = null where run_uuid = ?1",
    "null tag": "insert into tags (key, value, run_uuid) values ('null tag', null, ?1)",
    "no history": "insert or replace into tags (key, value, run_uuid) values ('mlflow.log-model.history', null, ?1)",
    "no artifacts": "update runs set artifact_uri = null where run_uuid = ?1",
    "mad clock": "update runs set start_time = 99999999999999999, end_time = -99999999999999999 where run_uuid = ?1",
    "long param": f"insert into params (key, value, run_uuid) values ({LONG}, '1', ?1)",
    "long tag": f"insert into tags (key, value, run_uuid) values ({LONG}, {LONG}, ?1)",
    "long metric": f"insert into latest_metrics (key, value, step, is_nan, run_uuid) values ({LONG}, 1, 0, 0, ?1)",
    "infinity": "insert into latest_metrics (key, value, step, is_nan, run_uuid) values ('infinity', 9e999, 0, 0, ?1)",
}
"""What no client lets through, but other programs write: half a run, keys of 500 characters, a true infinity."""
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "place": st.sampled_from(["here", "here", "there", "elsewhere"]),
            "minute": st.integers(0, 2),
            "status": st.sampled_from(["", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]),
            "points": POINTS,
            "params": st.dictionaries(NAMES, TEXTS, max_size=4),
            "tags": st.lists(st.tuples(st.one_of(NAMES, st.sampled_from(OWN_TAGS)), TEXTS), max_size=4),
            "data": DATA,
            "model_steps": st.lists(st.integers(0, 2), max_size=3),
            "versions": st.lists(st.tuples(st.sampled_from(["wine", "ünï model"]), st.sampled_from(ORIGINS)), max_size=3),
            "spoil": st.lists(st.sampled_from(list(SPOILT)), max_size=2, unique=True),
            "deleted": st.booleans(),
        }
    ),
    max_size=5,
)
SEARCHES = st.builds(
    Search,
    experiments=st.sampled_from([("here",), ("there",), ("here", "there"), ("there", "here", "there"), ("here", "unknown")]),
    state=st.sampled_from(EVERY_STATE),
    most=st.sampled_from([1, 2, 3, 50_000]),
)
PLAIN_RUN = {
    "name": "plain",
    "place": "here",
    "minute": 0,
    "status": "",
    "points": [],
    "params": {},
    "tags": [],
    "data": [],
    "model_steps": [],
    "versions": [],
    "spoil": [],
    "deleted": False,
}
DISOWNED = "update model_versions set run_id = null where name = ? and version = ?"


def log_odd(store, experiment, told):
    """Log one generated run through the client, then spoil it as another program could."""
    here = client(store)
    run_id = here.create_run(experiment, start_time=NOON + told["minute"], run_name=told["name"]).info.run_id
    for key, value, step, moment in told["points"]:
        here.log_metric(run_id, key, value, timestamp=NOON + moment, step=step)
    here.log_batch(run_id, params=[Param(key, value) for key, value in told["params"].items()])
    for key, value in told["tags"]:
        here.set_tag(run_id, key, value)
    used = [
        DatasetInput(Dataset(name, digest, "code", "{}"), [InputTag("other", "1"), InputTag("mlflow.data.context", context)])
        for name, digest, context in told["data"]
    ]
    here.log_inputs(run_id, datasets=used)
    for step in told["model_steps"]:
        model = here.create_logged_model(experiment_id=experiment, source_run_id=run_id)
        here.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, step)])
    for name, origin in told["versions"]:
        register(store, run_id, name, origin)
    if told["status"]:
        here.set_terminated(run_id, told["status"], end_time=NOON + 9)
    if told["deleted"]:
        here.delete_run(run_id)
    for spoil in told["spoil"]:
        write(store, (SPOILT[spoil], run_id))
    return run_id


def register(store, run_id, name, origin):
    """Register a version that tells its origin well, badly or not at all; or one that MLflow's search does not give."""
    here, run = client(store), client(store).get_run(run_id)
    name = f"prompt {name}" if origin == "prompt" else name
    with suppress(MlflowException):  # there already
        here.create_registered_model(name)
    made = here.create_model_version(name, "/somewhere", None if origin == "nowhere" else run_id)
    here_from = [f"models:/{model.model_id}" for model in run.outputs.model_outputs][:1]
    source = {"model": here_from, "runless model": here_from, "another model": ["models:/m-gone"]}.get(origin)
    if source:  # by SQL: the client would ask the process-wide backend for the model
        write(store, ("update model_versions set source = ? where name = ? and version = ?", source[0], name, int(made.version)))
    if origin in ("runless model", "another model"):
        write(store, (DISOWNED, name, int(made.version)))
    if origin == "deleted":
        here.delete_model_version(name, made.version)
    if origin == "prompt":
        here.set_model_version_tag(name, made.version, "mlflow.prompt.is_prompt", "true")
    if origin == "no stage":
        write(store, ("update model_versions set current_stage = null where name = ? and version = ?", name, int(made.version)))


@given(told=RUNS, searches=st.lists(SEARCHES, min_size=1, max_size=4))
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example is a database: to shrink a failing one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_both_roads_give_the_same_table_whatever_was_logged(told, searches, empty_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    store = copy_store(empty_database, folder)
    ids = {name: make_experiment(store, name) for name in ("here", "there", "elsewhere")} | {"unknown": "4711"}
    for one in told:
        log_odd(store, ids[one["place"]], one)
    for search in searches:
        same(store, replace(search, experiments=tuple(ids[name] for name in search.experiments)))
    every = same(store, of(*ids.values(), state="all"))
    assert len(every) == every.total == len(told)
    client(store)._tracking_client.store.engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture
def experiment(fresh_store):
    return make_experiment(fresh_store, "wine")


def test_both_roads_agree_on_every_oddity_at_once(fresh_store, experiment):
    """The cases that chance may miss, in one store."""

    def log(name, **odd):
        return log_odd(fresh_store, experiment, PLAIN_RUN | {"name": name} | odd)

    values = [("nan", math.nan, 0, 0), ("inf", math.inf, 0, 0), ("-inf", -math.inf, 0, 0), ("tiny", 1e-320, 0, 0)]
    logged_again = [("acc", 5.0, 2, 0), ("acc", 9.0, 1, 0), ("acc", math.nan, 2, 0), ("acc", 4.0, 2, 0)]
    tags = [("dup", "first"), ("dup", "second"), ("ünï/k ey", "é\n😀"), ("mlflow.user", "")]
    log("values", points=values, params={"p" * 250: "x" * 500, "n": "007"})
    log("again", points=logged_again, tags=tags, params={"n": "7", "e": ""})
    log("data", data=[("x", "2", "train"), ("x", "1", ""), ("a", "1", "test")])
    log("models", model_steps=[0, 2, 1, 2], status="FINISHED")
    log("versions", model_steps=[1], versions=[("wine", origin) for origin in ORIGINS])
    log("gone", deleted=True, versions=[("wine", "run")])
    for spoil in SPOILT:
        log(spoil, spoil=[spoil])
    found = same(fresh_store, of(experiment))
    assert (len(found), found.total) == (5 + len(SPOILT), 5 + len(SPOILT))
    assert sorted(len(ids) for ids in found.identity.model_ids)[-1] == 4
    for frame in (found.params, found.tags, found.metrics):
        assert max(len(str(name)) for name in frame) == 500
    assert found.metrics["infinity"].max() == math.inf
    by_name = found.identity.set_index("name")
    assert [made.version for made in by_name.versions["versions"]] == ["1", "2", "3"]
    assert pd.isna(by_name.started["mad clock"])
    assert same(fresh_store, of(experiment, state="deleted")).identity.lifecycle.tolist() == ["deleted"]
    assert same(fresh_store, of(experiment, state="all")).total == 6 + len(SPOILT)


def test_the_newest_of_several_experiments_are_given_and_all_are_counted(fresh_store, experiment):
    other = make_experiment(fresh_store, "other")
    ids = [log_run(fresh_store, (experiment, other)[n % 2], f"r{n}", minute=n, params={"n": n}, model=False) for n in range(5)]
    found = same(fresh_store, of(experiment, other, most=3))
    assert (found.ids, found.total, found.is_complete) == ((ids[4], ids[3], ids[2]), 5, False)
    assert by_client(fresh_store, of(experiment, other, most=3)).total is None
    assert found.identity.experiment.tolist() == [experiment, other, experiment]
    assert same(fresh_store, of(experiment, other, most=5)).is_complete
    for most in (0, -1):
        assert (len(same(fresh_store, of(experiment, most=most))), by_sql(fresh_store, of(experiment, most=most)).total) == (0, 3)


def test_both_roads_agree_on_runs_as_the_demos_log_them(fresh_store, experiment):
    parent = log_run(fresh_store, experiment, "sweep", params={"search": "grid"}, model=False)
    for n in range(3):
        log_run(
            fresh_store,
            experiment,
            f"child {n}",
            params={"n": n, "lr": 0.1 * n},
            metrics={"acc": n / 3},
            data="d",
            minute=n + 1,
            parent=parent,
        )
    here = client(fresh_store)
    model = here.create_logged_model(experiment_id=experiment, name="second", source_run_id=parent)
    here.log_batch(
        parent,
        metrics=[Metric("acc", 0.5, NOON, 0, model_id=model.model_id, dataset_name="wine", dataset_digest="d", run_id=parent)],
    )
    here.log_inputs(parent, models=[LoggedModelInput(model.model_id)])
    found = same(fresh_store, of(experiment))
    assert found.identity.parent.tolist() == [parent, parent, parent, ""]
    assert found.identity.has_model.tolist() == [True, True, True, False]
    assert found.inputs.digest.tolist() == ["d", "d", "d"]


def test_more_runs_than_a_page_are_the_same(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    for n in range(5):
        log_run(fresh_store, experiment, f"r{n}", minute=n // 2, metrics={"m": n}, data=f"d{n}", model=n % 2 == 0)
    assert len(same(fresh_store, of(experiment))) == 5


def test_reading_takes_the_sqlite_road_without_a_filter_and_the_client_with_one(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first", params={"n": 1})
    asked = []
    through = run_reader._read_through_client
    monkeypatch.setattr(run_reader, "_through_the_client", lambda *given: asked.append(given[1].filter) or through(*given))
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    plainly = run_reader.read_runs(fresh_store, of(experiment), at=moment)
    assert (plainly.ids, plainly.read_at, plainly.search.filter, asked) == ((run_id,), moment, "", [])
    assert run_reader.read_runs(fresh_store, Search((experiment,), "params.n = '1'")).ids == (run_id,)
    assert asked == ["params.n = '1'"]


def test_a_run_without_a_user_or_a_start_does_not_hide_the_others(fresh_store, experiment):
    ids = [log_run(fresh_store, experiment, f"r{n}", minute=n, model=False) for n in range(3)]
    write(
        fresh_store,
        ("delete from tags where key = 'mlflow.user'",),
        ("update runs set user_id = null where run_uuid = ?", ids[1]),
    )
    write(fresh_store, ("update runs set start_time = null where run_uuid = ?", ids[2]))
    found = run_reader.read_runs(fresh_store, of(experiment))
    assert found.ids == (ids[1], ids[0], ids[2])
    assert found.identity.user.tolist()[0] == ""
    assert pd.isna(found.identity.started.iloc[2])
    assert run_reader.find_newest_experiment(fresh_store, run_reader.read_experiments(fresh_store)) == experiment


def test_an_unknown_schema_is_left_to_the_client(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first")
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset({"another"}))
    assert sqlite_reader.read_run_columns(fresh_store, of(experiment)) is None
    assert run_reader.read_runs(fresh_store, of(experiment)).ids == (run_id,)


@pytest.mark.parametrize(
    "statement", ["delete from alembic_version", "insert into alembic_version values ('another')", "drop table alembic_version"]
)
def test_a_schema_that_is_not_told_or_told_twice_is_left_to_the_client(fresh_store, experiment, statement):
    write(fresh_store, (statement,))
    assert sqlite_reader.read_run_columns(fresh_store, of(experiment)) is None


@pytest.mark.parametrize(
    "statement",
    [
        "insert into experiments (experiment_id, name, workspace) values (99, 'theirs', 'other')",
        "insert into model_versions (name, version, workspace) values ('theirs', 1, 'other')",
    ],
)
def test_a_file_of_several_workspaces_is_left_to_the_client(fresh_store, experiment, statement):
    write(fresh_store, (statement,))
    assert sqlite_reader.read_run_columns(fresh_store, of(experiment)) is None
    assert sqlite_reader.count_started_after(fresh_store, [experiment], 0) is None


def test_both_roads_name_the_same_newest_experiment(fresh_store, experiment, monkeypatch):
    other = make_experiment(fresh_store, "other")
    among = run_reader.read_experiments(fresh_store)
    for wanted, place, minute in ((other, None, 0), (experiment, experiment, 1), (experiment, other, 0), (other, other, 2)):
        gone = [log_run(fresh_store, place, "r", minute=minute, model=False)] if place else []
        assert run_reader.find_newest_experiment(fresh_store, among) == wanted
        with monkeypatch.context() as patched:
            patched.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())
            assert run_reader.find_newest_experiment(fresh_store, among) == wanted
    client(fresh_store).delete_run(gone[0])
    assert run_reader.find_newest_experiment(fresh_store, among) == experiment


def test_no_experiment_has_no_runs(fresh_store, experiment):
    log_run(fresh_store, experiment, "first")
    assert (len(same(fresh_store, of())), by_sql(fresh_store, of()).total) == (0, 0)


@pytest.mark.parametrize("asked", ["", "wine", "1 or 1=1", "-1", "1" * 40, "١"])
def test_an_id_that_is_no_number_is_left_to_the_client(fresh_store, asked):
    assert sqlite_reader.read_run_columns(fresh_store, of("1", asked)) is None


def test_an_unknown_experiment_has_no_runs_on_either_road(fresh_store):
    assert len(same(fresh_store, of("4711"))) == 0


def test_a_server_and_a_missing_file_are_left_to_the_client(mlflow_server, tmp_path):
    assert sqlite_reader.read_run_columns(mlflow_server, of("0")) is None
    assert sqlite_reader.read_run_columns(sqlite_backend(tmp_path / "none.db"), of("0")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_to_the_client(tmp_path):
    (tmp_path / "text.db").write_text("not a database " * 100)
    assert sqlite_reader.read_run_columns(sqlite_backend(tmp_path / "text.db"), of("0")) is None


@pytest.mark.parametrize("folder", ["what?mode=rwc", "50% off", "a#b", "ünï cøde", "%41", "q?x=1&y#z%20"])
def test_a_path_with_marks_of_an_address_is_read_all_the_same(fresh_store, experiment, tmp_path, folder):
    run_id = log_run(fresh_store, experiment, "first")
    (tmp_path / folder).mkdir()
    shutil.copy(fresh_store.path, tmp_path / folder / "ml%20f?l#ow.db")
    found = sqlite_reader.read_run_columns(sqlite_backend(tmp_path / folder / "ml%20f?l#ow.db"), of(experiment))
    assert found.ids == (run_id,)
    assert [path.name for path in (tmp_path / folder).iterdir()] == ["ml%20f?l#ow.db"]


def test_reading_changes_no_byte_and_works_in_a_file_nobody_may_write(fresh_store, experiment):
    log_run(fresh_store, experiment, "first")
    fresh_store.path.chmod(0o444)
    before = (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir()))
    assert len(by_sql(fresh_store, of(experiment))) == 1
    assert (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir())) == before


def test_a_locked_database_is_told_as_busy(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(sqlite_reader, "LOCK_TIMEOUT_SECONDS", 0.05)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin exclusive")
        with pytest.raises(Busy, match="locked by another program"):
            run_reader.read_runs(fresh_store, of(experiment))
        db.execute("rollback")
    assert len(run_reader.read_runs(fresh_store, of(experiment))) == 0


def test_a_writer_in_the_middle_of_its_work_is_not_seen(fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "first")
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin immediate")
        db.execute("update runs set name = 'half done'")
        assert by_sql(fresh_store, of(experiment)).identity.loc[run_id, "name"] == "first"
        db.execute("rollback")


def test_what_a_killed_writer_left_half_done_is_undone_by_the_client_before_anyone_reads_it(fresh_store, experiment, tmp_path):
    run_id = log_run(fresh_store, experiment, "first", params={f"p{n}": "x" * 500 for n in range(90)})
    killed = tmp_path / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("pragma cache_size = 1")  # pages spill into the file before the commit that never comes
        db.execute("begin exclusive")
        db.execute("update params set value = 'half done'")
        for suffix in ("", "-journal"):
            shutil.copy(f"{fresh_store.path}{suffix}", killed / f"mlflow.db{suffix}")
        db.execute("rollback")
    assert b"half done" in (killed / "mlflow.db").read_bytes()
    assert sqlite_reader.read_run_columns(sqlite_backend(killed / "mlflow.db"), of(experiment)) is None
    found = run_reader.read_runs(sqlite_backend(killed / "mlflow.db"), of(experiment))
    assert (found.ids, found.params.loc[run_id].unique().tolist()) == ((run_id,), ["x" * 500])


def test_a_write_ahead_log_is_read_too(fresh_store, experiment):
    with closing(sqlite3.connect(fresh_store.path)) as db:
        db.execute("pragma journal_mode = wal")
        log_run(fresh_store, experiment, "first")
        assert len(same(fresh_store, of(experiment))) == 1
