"""Both readers return the same table cell by cell; and when the SQLite reader leaves the work to the client."""

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
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.frames import build_run_table
from lib.runs.table.types import Search
from tests.conftest import copy_store
from tests.support.run_factories import NOON, log_run, make_experiment

TABLES = ("identity", "metrics", "params", "texts", "tags", "inputs")
STATES = ("active", "deleted", "all")


def make_search(*experiment_ids, **options):
    return Search(experiment_ids, **options)


def read_by_client(store, search):
    return build_run_table(search, run_reader._read_through_client(store, search), None)


def read_by_sql(store, search):
    columns = sqlite_reader.read_run_columns(store, search)
    assert columns is not None, "the SQLite road was left"
    return build_run_table(search, columns, None)


def check_same_table(store, search):
    """Assert that both readers return the same ids, order, columns, types, cells, and total if both know it. Returns the table."""
    by_client, by_sql = read_by_client(store, search), read_by_sql(store, search)
    assert by_sql.ids == by_client.ids
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(by_sql, name), getattr(by_client, name), check_exact=True)
    assert by_sql.nans == by_client.nans
    assert by_client.total in (None, by_sql.total)
    assert by_client.is_complete == by_sql.is_complete
    return by_sql


def execute(store, *statements):
    """Data that only writers other than MLflow's client leave behind."""
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
"""The forms in which a registered version names its origin."""
OWN_TAGS = ("mlflow.user", "mlflow.parentRunId", "mlflow.runName", "mlflow.source.name", "mlflow.log-model.history")
LONG = "replace(hex(zeroblob(250)), '00', 'kü')"
SPOIL_STATEMENTS = {
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
"""Data that no client accepts but other programs write: half a run, keys of 500 characters, a true infinity."""
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
            "spoil": st.lists(st.sampled_from(list(SPOIL_STATEMENTS)), max_size=2, unique=True),
            "deleted": st.booleans(),
        }
    ),
    max_size=5,
)
SEARCHES = st.builds(
    Search,
    experiment_ids=st.sampled_from([("here",), ("there",), ("here", "there"), ("there", "here", "there"), ("here", "unknown")]),
    state=st.sampled_from(STATES),
    limit=st.sampled_from([1, 2, 3, 50_000]),
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
DROP_RUN_ID = "update model_versions set run_id = null where name = ? and version = ?"


def log_generated_run(store, experiment, spec):
    """Log one generated run through the client, then damage it as another program could."""
    mlflow = client(store)
    run_id = mlflow.create_run(experiment, start_time=NOON + spec["minute"], run_name=spec["name"]).info.run_id
    for key, value, step, moment in spec["points"]:
        mlflow.log_metric(run_id, key, value, timestamp=NOON + moment, step=step)
    mlflow.log_batch(run_id, params=[Param(key, value) for key, value in spec["params"].items()])
    for key, value in spec["tags"]:
        mlflow.set_tag(run_id, key, value)
    dataset_inputs = [
        DatasetInput(Dataset(name, digest, "code", "{}"), [InputTag("other", "1"), InputTag("mlflow.data.context", context)])
        for name, digest, context in spec["data"]
    ]
    mlflow.log_inputs(run_id, datasets=dataset_inputs)
    for step in spec["model_steps"]:
        model = mlflow.create_logged_model(experiment_id=experiment, source_run_id=run_id)
        mlflow.log_outputs(run_id, models=[LoggedModelOutput(model.model_id, step)])
    for name, origin in spec["versions"]:
        register(store, run_id, name, origin)
    if spec["status"]:
        mlflow.set_terminated(run_id, spec["status"], end_time=NOON + 9)
    if spec["deleted"]:
        mlflow.delete_run(run_id)
    for spoil in spec["spoil"]:
        execute(store, (SPOIL_STATEMENTS[spoil], run_id))
    return run_id


def register(store, run_id, name, origin):
    """Register a version that names its origin well, badly or not at all; or one that MLflow's search does not return."""
    mlflow, run = client(store), client(store).get_run(run_id)
    name = f"prompt {name}" if origin == "prompt" else name
    with suppress(MlflowException):  # there already
        mlflow.create_registered_model(name)
    version = mlflow.create_model_version(name, "/somewhere", None if origin == "nowhere" else run_id)
    model_uris = [f"models:/{model.model_id}" for model in run.outputs.model_outputs][:1]
    source = {"model": model_uris, "runless model": model_uris, "another model": ["models:/m-gone"]}.get(origin)
    if source:  # by SQL: the client would ask the process-wide backend for the model
        execute(
            store, ("update model_versions set source = ? where name = ? and version = ?", source[0], name, int(version.version))
        )
    if origin in ("runless model", "another model"):
        execute(store, (DROP_RUN_ID, name, int(version.version)))
    if origin == "deleted":
        mlflow.delete_model_version(name, version.version)
    if origin == "prompt":
        mlflow.set_model_version_tag(name, version.version, "mlflow.prompt.is_prompt", "true")
    if origin == "no stage":
        execute(
            store, ("update model_versions set current_stage = null where name = ? and version = ?", name, int(version.version))
        )


@given(run_specs=RUNS, searches=st.lists(SEARCHES, min_size=1, max_size=4))
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example is a database: shrinking a failing one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_both_roads_give_the_same_table_whatever_was_logged(run_specs, searches, empty_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    store = copy_store(empty_database, folder)
    ids = {name: make_experiment(store, name) for name in ("here", "there", "elsewhere")} | {"unknown": "4711"}
    for spec in run_specs:
        log_generated_run(store, ids[spec["place"]], spec)
    for search in searches:
        check_same_table(store, replace(search, experiment_ids=tuple(ids[name] for name in search.experiment_ids)))
    all_runs = check_same_table(store, make_search(*ids.values(), state="all"))
    assert len(all_runs) == all_runs.total == len(run_specs)
    client(store)._tracking_client.store.engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture
def experiment(fresh_store):
    return make_experiment(fresh_store, "wine")


def test_both_roads_agree_on_every_oddity_at_once(fresh_store, experiment):
    """The cases that random examples may miss, in one store."""

    def log(name, **odd):
        return log_generated_run(fresh_store, experiment, PLAIN_RUN | {"name": name} | odd)

    values = [("nan", math.nan, 0, 0), ("inf", math.inf, 0, 0), ("-inf", -math.inf, 0, 0), ("tiny", 1e-320, 0, 0)]
    logged_again = [("acc", 5.0, 2, 0), ("acc", 9.0, 1, 0), ("acc", math.nan, 2, 0), ("acc", 4.0, 2, 0)]
    tags = [("dup", "first"), ("dup", "second"), ("ünï/k ey", "é\n😀"), ("mlflow.user", "")]
    log("values", points=values, params={"p" * 250: "x" * 500, "n": "007"})
    log("again", points=logged_again, tags=tags, params={"n": "7", "e": ""})
    log("data", data=[("x", "2", "train"), ("x", "1", ""), ("a", "1", "test")])
    log("models", model_steps=[0, 2, 1, 2], status="FINISHED")
    log("versions", model_steps=[1], versions=[("wine", origin) for origin in ORIGINS])
    log("gone", deleted=True, versions=[("wine", "run")])
    for spoil in SPOIL_STATEMENTS:
        log(spoil, spoil=[spoil])
    table = check_same_table(fresh_store, make_search(experiment))
    assert (len(table), table.total) == (5 + len(SPOIL_STATEMENTS), 5 + len(SPOIL_STATEMENTS))
    assert sorted(len(ids) for ids in table.identity.model_ids)[-1] == 4
    for frame in (table.params, table.tags, table.metrics):
        assert max(len(str(name)) for name in frame) == 500
    assert table.metrics["infinity"].max() == math.inf
    by_name = table.identity.set_index("name")
    assert [version.version for version in by_name.versions["versions"]] == ["1", "2", "3"]
    assert pd.isna(by_name.started["mad clock"])
    assert check_same_table(fresh_store, make_search(experiment, state="deleted")).identity.lifecycle.tolist() == ["deleted"]
    assert check_same_table(fresh_store, make_search(experiment, state="all")).total == 6 + len(SPOIL_STATEMENTS)


def test_the_newest_of_several_experiments_are_given_and_all_are_counted(fresh_store, experiment):
    other = make_experiment(fresh_store, "other")
    ids = [log_run(fresh_store, (experiment, other)[n % 2], f"r{n}", minute=n, params={"n": n}, model=False) for n in range(5)]
    table = check_same_table(fresh_store, make_search(experiment, other, limit=3))
    assert (table.ids, table.total, table.is_complete) == ((ids[4], ids[3], ids[2]), 5, False)
    assert read_by_client(fresh_store, make_search(experiment, other, limit=3)).total is None
    assert table.identity.experiment.tolist() == [experiment, other, experiment]
    assert check_same_table(fresh_store, make_search(experiment, other, limit=5)).is_complete
    for limit in (0, -1):
        assert (
            len(check_same_table(fresh_store, make_search(experiment, limit=limit))),
            read_by_sql(fresh_store, make_search(experiment, limit=limit)).total,
        ) == (0, 3)


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
    mlflow = client(fresh_store)
    model = mlflow.create_logged_model(experiment_id=experiment, name="second", source_run_id=parent)
    mlflow.log_batch(
        parent,
        metrics=[Metric("acc", 0.5, NOON, 0, model_id=model.model_id, dataset_name="wine", dataset_digest="d", run_id=parent)],
    )
    mlflow.log_inputs(parent, models=[LoggedModelInput(model.model_id)])
    table = check_same_table(fresh_store, make_search(experiment))
    assert table.identity.parent.tolist() == [parent, parent, parent, ""]
    assert table.identity.has_model.tolist() == [True, True, True, False]
    assert table.inputs.digest.tolist() == ["d", "d", "d"]


def test_more_runs_than_a_page_are_the_same(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(run_reader, "PAGE_SIZE", 2)
    for n in range(5):
        log_run(fresh_store, experiment, f"r{n}", minute=n // 2, metrics={"m": n}, data=f"d{n}", model=n % 2 == 0)
    assert len(check_same_table(fresh_store, make_search(experiment))) == 5


def test_reading_takes_the_sqlite_road_without_a_filter_and_the_client_with_one(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first", params={"n": 1})
    filters = []
    read_through_client = run_reader._read_through_client
    monkeypatch.setattr(
        run_reader, "_read_through_client", lambda *args: filters.append(args[1].filter.text) or read_through_client(*args)
    )
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    table = run_reader.read_runs(fresh_store, make_search(experiment), at=moment)
    assert (table.ids, table.read_at, table.search.filter.text, filters) == ((run_id,), moment, "", [])
    assert run_reader.read_runs(fresh_store, Search((experiment,), parse_filter("params.n = '1'"))).ids == (run_id,)
    assert filters == ["params.n = '1'"]


def test_a_run_without_a_user_or_a_start_does_not_hide_the_others(fresh_store, experiment):
    ids = [log_run(fresh_store, experiment, f"r{n}", minute=n, model=False) for n in range(3)]
    execute(
        fresh_store,
        ("delete from tags where key = 'mlflow.user'",),
        ("update runs set user_id = null where run_uuid = ?", ids[1]),
    )
    execute(fresh_store, ("update runs set start_time = null where run_uuid = ?", ids[2]))
    table = run_reader.read_runs(fresh_store, make_search(experiment))
    assert table.ids == (ids[1], ids[0], ids[2])
    assert table.identity.user.tolist()[0] == ""
    assert pd.isna(table.identity.started.iloc[2])
    assert run_reader.find_newest_experiment(fresh_store, run_reader.read_experiments(fresh_store)) == experiment


def test_an_unknown_schema_is_left_to_the_client(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first")
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset({"another"}))
    assert sqlite_reader.read_run_columns(fresh_store, make_search(experiment)) is None
    assert run_reader.read_runs(fresh_store, make_search(experiment)).ids == (run_id,)


@pytest.mark.parametrize(
    "statement", ["delete from alembic_version", "insert into alembic_version values ('another')", "drop table alembic_version"]
)
def test_a_missing_or_ambiguous_schema_is_left_to_the_client(fresh_store, experiment, statement):
    execute(fresh_store, (statement,))
    assert sqlite_reader.read_run_columns(fresh_store, make_search(experiment)) is None


@pytest.mark.parametrize(
    "statement",
    [
        "insert into experiments (experiment_id, name, workspace) values (99, 'theirs', 'other')",
        "insert into model_versions (name, version, workspace) values ('theirs', 1, 'other')",
    ],
)
def test_a_file_of_several_workspaces_is_left_to_the_client(fresh_store, experiment, statement):
    execute(fresh_store, (statement,))
    assert sqlite_reader.read_run_columns(fresh_store, make_search(experiment)) is None
    assert sqlite_reader.count_started_after(fresh_store, [experiment], 0) is None


def test_both_roads_name_the_same_newest_experiment(fresh_store, experiment, monkeypatch):
    other = make_experiment(fresh_store, "other")
    experiments = run_reader.read_experiments(fresh_store)
    for expected, experiment_id, minute in (
        (other, None, 0),
        (experiment, experiment, 1),
        (experiment, other, 0),
        (other, other, 2),
    ):
        run_ids = [log_run(fresh_store, experiment_id, "r", minute=minute, model=False)] if experiment_id else []
        assert run_reader.find_newest_experiment(fresh_store, experiments) == expected
        with monkeypatch.context() as patched:
            patched.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())
            assert run_reader.find_newest_experiment(fresh_store, experiments) == expected
    client(fresh_store).delete_run(run_ids[0])
    assert run_reader.find_newest_experiment(fresh_store, experiments) == experiment


def test_no_experiment_has_no_runs(fresh_store, experiment):
    log_run(fresh_store, experiment, "first")
    assert (len(check_same_table(fresh_store, make_search())), read_by_sql(fresh_store, make_search()).total) == (0, 0)


@pytest.mark.parametrize("experiment_id", ["", "wine", "1 or 1=1", "-1", "1" * 40, "١"])
def test_an_id_that_is_no_number_is_left_to_the_client(fresh_store, experiment_id):
    assert sqlite_reader.read_run_columns(fresh_store, make_search("1", experiment_id)) is None


def test_an_unknown_experiment_has_no_runs_on_either_road(fresh_store):
    assert len(check_same_table(fresh_store, make_search("4711"))) == 0


def test_a_server_and_a_missing_file_are_left_to_the_client(mlflow_server, tmp_path):
    assert sqlite_reader.read_run_columns(mlflow_server, make_search("0")) is None
    assert sqlite_reader.read_run_columns(sqlite_backend(tmp_path / "none.db"), make_search("0")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_to_the_client(tmp_path):
    (tmp_path / "text.db").write_text("not a database " * 100)
    assert sqlite_reader.read_run_columns(sqlite_backend(tmp_path / "text.db"), make_search("0")) is None


@pytest.mark.parametrize("folder", ["what?mode=rwc", "50% off", "a#b", "ünï cøde", "%41", "q?x=1&y#z%20"])
def test_a_path_with_url_characters_is_still_read(fresh_store, experiment, tmp_path, folder):
    run_id = log_run(fresh_store, experiment, "first")
    (tmp_path / folder).mkdir()
    shutil.copy(fresh_store.path, tmp_path / folder / "ml%20f?l#ow.db")
    columns = sqlite_reader.read_run_columns(sqlite_backend(tmp_path / folder / "ml%20f?l#ow.db"), make_search(experiment))
    assert columns.ids == (run_id,)
    assert [path.name for path in (tmp_path / folder).iterdir()] == ["ml%20f?l#ow.db"]


def test_reading_changes_no_byte_and_works_in_a_file_nobody_may_write(fresh_store, experiment):
    log_run(fresh_store, experiment, "first")
    fresh_store.path.chmod(0o444)
    before = (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir()))
    assert len(read_by_sql(fresh_store, make_search(experiment))) == 1
    assert (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir())) == before


def test_a_locked_database_is_reported_as_busy(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(sqlite_reader, "LOCK_TIMEOUT_SECONDS", 0.05)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin exclusive")
        with pytest.raises(Busy, match="locked by another program"):
            run_reader.read_runs(fresh_store, make_search(experiment))
        db.execute("rollback")
    assert len(run_reader.read_runs(fresh_store, make_search(experiment))) == 0


def test_a_writer_in_the_middle_of_its_work_is_not_seen(fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "first")
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin immediate")
        db.execute("update runs set name = 'half done'")
        assert read_by_sql(fresh_store, make_search(experiment)).identity.loc[run_id, "name"] == "first"
        db.execute("rollback")


def test_what_a_killed_writer_left_half_done_is_undone_by_the_client_before_anyone_reads_it(fresh_store, experiment, tmp_path):
    run_id = log_run(fresh_store, experiment, "first", params={f"p{n}": "x" * 500 for n in range(90)})
    folder = tmp_path / "killed"
    folder.mkdir()
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("pragma cache_size = 1")  # pages spill into the file before the commit that never comes
        db.execute("begin exclusive")
        db.execute("update params set value = 'half done'")
        for suffix in ("", "-journal"):
            shutil.copy(f"{fresh_store.path}{suffix}", folder / f"mlflow.db{suffix}")
        db.execute("rollback")
    assert b"half done" in (folder / "mlflow.db").read_bytes()
    assert sqlite_reader.read_run_columns(sqlite_backend(folder / "mlflow.db"), make_search(experiment)) is None
    table = run_reader.read_runs(sqlite_backend(folder / "mlflow.db"), make_search(experiment))
    assert (table.ids, table.params.loc[run_id].unique().tolist()) == ((run_id,), ["x" * 500])


def test_a_write_ahead_log_is_read_too(fresh_store, experiment):
    with closing(sqlite3.connect(fresh_store.path)) as db:
        db.execute("pragma journal_mode = wal")
        log_run(fresh_store, experiment, "first")
        assert len(check_same_table(fresh_store, make_search(experiment))) == 1
