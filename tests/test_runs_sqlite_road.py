"""The two roads to the runs of an experiment give the same table, cell by cell; and when the SQLite road is left to the client."""

import math
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from posixpath import normpath

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param

from lib.backends.connect import client
from lib.backends.uri import sqlite_backend
from lib.errors import Busy
from lib.runs import reading, sqlite_road
from lib.runs.frames import table
from lib.runs.values import Search
from tests.conftest import copy_store
from tests.test_runs_reading import NOON, log_run, make_experiment

TABLES = ("identity", "metrics", "params", "texts", "tags", "inputs")


def by_client(store, experiment):
    return table(Search((experiment,)), reading._through_the_client(store, Search((experiment,))), None)


def by_sql(store, experiment):
    found = sqlite_road.active_runs(store, experiment)
    assert found is not None, "the SQLite road was left"
    return table(Search((experiment,)), found, None)


def same(store, experiment):
    """Both roads give the same runs, whole, and the same tables: ids, order, columns, types and every cell. Gives the table."""
    slow, fast = by_client(store, experiment), by_sql(store, experiment)
    assert fast.ids == slow.ids
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(slow, name), check_exact=True)
    runs = zip(reading._through_the_client(store, Search((experiment,))), sqlite_road.active_runs(store, experiment), strict=True)
    assert [(repr(there), repr(here)) for there, here in runs if plain(there) != plain(here)] == []
    return fast


def plain(run):
    """A run as a value that can be compared: NaN equals NaN, and the order of a mapping is nobody's business."""
    facts = vars(run) | {name: sorted(vars(run)[name].items()) for name in ("params", "tags")}
    return facts | {"metrics": sorted((key, repr(value)) for key, value in run.metrics.items())}


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
        ["", "7", "007", "nan", "inf", "1e400", "-3.50", "x" * 500, "12345678901234567890", "\n", "=1+1", "1١", "😀é", "None"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
POINTS = st.lists(st.tuples(NAMES, NUMBERS, st.integers(0, 3), st.integers(0, 3)), max_size=6)
DATA = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["1", "2"]), st.sampled_from(["", "train", "tést"])), max_size=3
)
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "minute": st.integers(0, 2),
            "status": st.sampled_from(["", "FINISHED", "FAILED", "KILLED", "SCHEDULED"]),
            "points": POINTS,
            "params": st.dictionaries(NAMES, TEXTS, max_size=4),
            "tags": st.lists(
                st.tuples(st.one_of(NAMES, st.sampled_from(["mlflow.user", "mlflow.parentRunId"])), TEXTS), max_size=4
            ),
            "data": DATA,
            "model_steps": st.lists(st.integers(0, 2), max_size=3),
            "spoil": st.sampled_from(["", "deleted", "elsewhere", "no end", "no name", "null tag", "no artifacts"]),
        }
    ),
    max_size=5,
)
SPOILT = {
    "no end": "update runs set end_time = null where run_uuid = ?",
    "no name": "update runs set name = null where run_uuid = ?",
    "null tag": "insert into tags (key, value, run_uuid) values ('null tag', null, ?)",
    "no artifacts": "update runs set artifact_uri = null where run_uuid = ?",
}


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
    if told["status"]:
        here.set_terminated(run_id, told["status"], end_time=NOON + 9)
    if told["spoil"] == "deleted":
        here.delete_run(run_id)
    if statement := SPOILT.get(told["spoil"]):
        write(store, (statement, run_id))


@given(told=RUNS)
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example is a database: to shrink a failing one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_both_roads_give_the_same_table_whatever_was_logged(told, empty_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    store = copy_store(empty_database, folder)
    here, elsewhere = make_experiment(store, "here"), make_experiment(store, "elsewhere")
    for one in told:
        log_odd(store, elsewhere if one["spoil"] == "elsewhere" else here, one)
    assert len(same(store, here)) == sum(one["spoil"] not in ("deleted", "elsewhere") for one in told)
    same(store, elsewhere)
    client(store)._tracking_client.store.engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture
def experiment(fresh_store):
    return make_experiment(fresh_store, "wine")


def test_both_roads_agree_on_every_oddity_at_once(fresh_store, experiment):
    """The cases that chance may miss, in one store."""
    here = client(fresh_store)
    odd = {"minute": 0, "status": "", "points": [], "params": {}, "tags": [], "data": [], "model_steps": [], "spoil": ""}
    values = [("nan", math.nan, 0, 0), ("inf", math.inf, 0, 0), ("-inf", -math.inf, 0, 0), ("tiny", 1e-320, 0, 0)]
    logged_again = [("acc", 5.0, 2, 0), ("acc", 9.0, 1, 0), ("acc", math.nan, 2, 0), ("acc", 4.0, 2, 0)]
    tags = [("dup", "first"), ("dup", "second"), ("ünï/k ey", "é\n😀"), ("mlflow.user", "")]
    log_odd(fresh_store, experiment, odd | {"name": "values", "points": values, "params": {"p" * 250: "x" * 500, "n": "007"}})
    log_odd(fresh_store, experiment, odd | {"name": "again", "points": logged_again, "tags": tags, "params": {"n": "7", "e": ""}})
    log_odd(fresh_store, experiment, odd | {"name": "data", "data": [("x", "2", "train"), ("x", "1", ""), ("a", "1", "test")]})
    log_odd(fresh_store, experiment, odd | {"name": "models", "model_steps": [0, 2, 1, 2], "status": "FINISHED"})
    for spoil in ("", "deleted", "elsewhere", *SPOILT):
        log_odd(fresh_store, experiment, odd | {"name": "nothing", "spoil": spoil})
    found = same(fresh_store, experiment)
    assert len(found) == 10
    assert sorted(len(ids) for ids in found.identity.model_ids)[-1] == 4
    assert here.search_runs([experiment], run_view_type=2)[0].info.lifecycle_stage == "deleted"


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
    found = same(fresh_store, experiment)
    assert found.identity.parent.tolist() == [parent, parent, parent, ""]
    assert found.identity.has_model.tolist() == [True, True, True, False]
    assert found.inputs.digest.tolist() == ["d", "d", "d"]


def test_more_runs_than_a_page_are_the_same(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    for n in range(5):
        log_run(fresh_store, experiment, f"r{n}", minute=n // 2, metrics={"m": n}, data=f"d{n}", model=n % 2 == 0)
    assert len(same(fresh_store, experiment)) == 5


def test_reading_takes_the_sqlite_road_without_a_filter_and_the_client_with_one(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first", params={"n": 1})
    asked = []
    through = reading._through_the_client
    monkeypatch.setattr(reading, "_through_the_client", lambda *given: asked.append(given[1].filter) or through(*given))
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    plainly = reading.runs(fresh_store, Search((experiment,)), at=moment)
    assert (plainly.ids, plainly.read_at, plainly.search.filter, asked) == ((run_id,), moment, "", [])
    assert reading.runs(fresh_store, Search((experiment,), "params.n = '1'")).ids == (run_id,)
    assert asked == ["params.n = '1'"]


def test_a_run_without_a_user_or_a_start_does_not_hide_the_others(fresh_store, experiment):
    ids = [log_run(fresh_store, experiment, f"r{n}", minute=n, model=False) for n in range(3)]
    write(
        fresh_store,
        ("delete from tags where key = 'mlflow.user'",),
        ("update runs set user_id = null where run_uuid = ?", ids[1]),
    )
    write(fresh_store, ("update runs set start_time = null where run_uuid = ?", ids[2]))
    found = reading.runs(fresh_store, Search((experiment,)))
    assert found.ids == (ids[1], ids[0], ids[2])
    assert found.identity.user.tolist()[0] == ""
    assert pd.isna(found.identity.started.iloc[2])


def test_an_unknown_schema_is_left_to_the_client(fresh_store, experiment, monkeypatch):
    run_id = log_run(fresh_store, experiment, "first")
    monkeypatch.setattr(sqlite_road, "KNOWN_SCHEMAS", frozenset({"another"}))
    assert sqlite_road.active_runs(fresh_store, experiment) is None
    assert reading.runs(fresh_store, Search((experiment,))).ids == (run_id,)


@pytest.mark.parametrize(
    "statement", ["delete from alembic_version", "insert into alembic_version values ('another')", "drop table alembic_version"]
)
def test_a_schema_that_is_not_told_or_told_twice_is_left_to_the_client(fresh_store, experiment, statement):
    write(fresh_store, (statement,))
    assert sqlite_road.active_runs(fresh_store, experiment) is None


@pytest.mark.parametrize("asked", ["", "wine", "1 or 1=1", "-1", "1" * 40, "١"])
def test_an_id_that_is_no_number_is_left_to_the_client(fresh_store, asked):
    assert sqlite_road.active_runs(fresh_store, asked) is None


def test_an_unknown_experiment_has_no_runs_on_either_road(fresh_store):
    assert len(same(fresh_store, "4711")) == 0


def test_a_server_and_a_missing_file_are_left_to_the_client(mlflow_server, tmp_path):
    assert sqlite_road.active_runs(mlflow_server, "0") is None
    assert sqlite_road.active_runs(sqlite_backend(tmp_path / "none.db"), "0") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_to_the_client(tmp_path):
    (tmp_path / "text.db").write_text("not a database " * 100)
    assert sqlite_road.active_runs(sqlite_backend(tmp_path / "text.db"), "0") is None


@pytest.mark.parametrize("folder", ["what?mode=rwc", "50% off", "a#b", "ünï cøde", "%41", "q?x=1&y#z%20"])
def test_a_path_with_marks_of_an_address_is_read_all_the_same(fresh_store, experiment, tmp_path, folder):
    run_id = log_run(fresh_store, experiment, "first")
    (tmp_path / folder).mkdir()
    shutil.copy(fresh_store.path, tmp_path / folder / "ml%20f?l#ow.db")
    found = sqlite_road.active_runs(sqlite_backend(tmp_path / folder / "ml%20f?l#ow.db"), experiment)
    assert [run.run_id for run in found] == [run_id]
    assert [path.name for path in (tmp_path / folder).iterdir()] == ["ml%20f?l#ow.db"]


def test_reading_changes_no_byte_and_works_in_a_file_nobody_may_write(fresh_store, experiment):
    log_run(fresh_store, experiment, "first")
    fresh_store.path.chmod(0o444)
    before = (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir()))
    assert len(by_sql(fresh_store, experiment)) == 1
    assert (fresh_store.path.read_bytes(), sorted(fresh_store.path.parent.iterdir())) == before


def test_a_locked_database_is_told_as_busy(fresh_store, experiment, monkeypatch):
    monkeypatch.setattr(sqlite_road, "LOCKED_SECONDS", 0.05)
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin exclusive")
        with pytest.raises(Busy, match="locked by another program"):
            reading.runs(fresh_store, Search((experiment,)))
        db.execute("rollback")
    assert len(reading.runs(fresh_store, Search((experiment,)))) == 0


def test_a_writer_in_the_middle_of_its_work_is_not_seen(fresh_store, experiment):
    run_id = log_run(fresh_store, experiment, "first")
    with closing(sqlite3.connect(fresh_store.path, isolation_level=None)) as db:
        db.execute("begin immediate")
        db.execute("update runs set name = 'half done'")
        assert by_sql(fresh_store, experiment).identity.loc[run_id, "name"] == "first"
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
    assert sqlite_road.active_runs(sqlite_backend(killed / "mlflow.db"), experiment) is None
    found = reading.runs(sqlite_backend(killed / "mlflow.db"), Search((experiment,)))
    assert (found.ids, found.params.loc[run_id].unique().tolist()) == ((run_id,), ["x" * 500])


def test_a_write_ahead_log_is_read_too(fresh_store, experiment):
    with closing(sqlite3.connect(fresh_store.path)) as db:
        db.execute("pragma journal_mode = wal")
        log_run(fresh_store, experiment, "first")
        assert len(same(fresh_store, experiment)) == 1
