"""A filter judged on a table leaves the same runs, in the same order, as MLflow's own search on the store."""

import math
import re
import sqlite3
from contextlib import closing, suppress
from itertools import count
from time import perf_counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from lib.backends.mlflow_client import client
from lib.errors import BadInput
from lib.runs.filters.evaluate import compile_like, matching_run_ids
from lib.runs.reading import run_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.types import Search
from tests.support.run_factories import NOON, log_run, make_experiment, make_run, make_run_table

ODD = "aAbB%_\\\n\0'\"` éÉſK�￿😀9"
NAMES = ("n", "log loss", "a/b", "created", "run name", "été")
ONE_STORE = settings(
    deadline=None,
    phases=(Phase.generate,),  # to make a failure smaller would log thousands of runs
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UNDECIDED = re.compile(r"user_id|metrics\.\S.* != |context (!= |LIKE|ILIKE|NOT IN|=|IN)", re.IGNORECASE)
numbers = [0.0, -0.0, 1.0, 0.5, -2.25, 1e-320, 1e15, math.inf, -math.inf, math.nan]
times = ["1700000000000", "1700000060000", "1700000002500", "1700000002500.5", "0", "-1", "99999999999999999999"]
texts = st.text(alphabet=ODD, max_size=4) | st.sampled_from(["5", "05", "", "%", "_", "a%", "abc"])


def some(values):
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


one_run = st.fixed_dictionaries(
    {
        "params": some(texts),
        "tags": some(texts),
        "metrics": some(st.sampled_from(numbers)),
        "minute": st.integers(0, 1),
        "name": st.text("aA%_é", min_size=1, max_size=3),
        "data": st.lists(st.tuples(st.sampled_from(["wine", "WINE", "w_"]), st.sampled_from([None, "", "train"])), max_size=2),
        "status": st.sampled_from(["FINISHED", "FAILED", "KILLED", ""]),
    }
)


def name_of(kind):
    return st.sampled_from(NAMES).map(lambda name: f"{kind}.`{name}`")


def in_quotes(text):
    return f'"{text}"' if "'" in text else f"'{text}'"


quoted = texts.map(in_quotes)
patterns = (st.text("aA%_é\\", max_size=4) | texts).map(in_quotes)
compared = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
same = st.sampled_from(["=", "!="])
alike = st.sampled_from(["LIKE", "ILIKE", "like"])
some_text = st.sampled_from(["run_name", "status", "user_id", "artifact_uri", "run_id", "attributes.`Run name`", "run.status"])
data_field = st.sampled_from(["dataset.name", "dataset.digest", "dataset.context"])
listed = st.lists(st.sampled_from(["wine", "WINE", "train", "d", "other"]), min_size=1, max_size=3).map(
    lambda found: f"({', '.join(map(repr, found))})"
)
kept_text = name_of("params") | name_of("tags")
condition = st.one_of(
    st.tuples(name_of("metrics"), compared, st.sampled_from(["0", "1", "0.5", "-2.25", "1" + "0" * 15, "1" * 320])),
    st.tuples(kept_text | some_text | data_field, same, quoted),
    st.tuples(kept_text | some_text | data_field, alike, patterns),
    st.tuples(kept_text, st.sampled_from(["IS NULL", "IS NOT NULL", "is null"])),
    st.tuples(st.sampled_from(["start_time", "end_time", "Created", "attributes.end_time"]), compared, st.sampled_from(times)),
    st.tuples(data_field, st.sampled_from(["IN", "NOT IN"]), listed),
    st.tuples(st.just("status"), same, st.sampled_from(["'FINISHED'", "'RUNNING'", "'finished'"])),
).map(" ".join)
filters = st.lists(condition, min_size=1, max_size=3).map(" and ".join)
numbered = count()


@pytest.fixture
def store(fresh_store):
    return fresh_store


def log(store, experiment, run):
    here, start = client(store), NOON + run["minute"] * 60_000
    tags = {"mlflow.user": "ana"}
    run_id = here.create_run(experiment, start_time=start, run_name=run["name"], tags=tags).info.run_id
    here.log_batch(
        run_id,
        [Metric(name, value, start, 0) for name, value in run["metrics"].items()],
        [Param(name, value) for name, value in run["params"].items()],
        [RunTag(name, value) for name, value in run["tags"].items()],
    )
    for name, context in run["data"]:
        said = [] if context is None else [InputTag("mlflow.data.context", context)]
        here.log_inputs(run_id, datasets=[DatasetInput(Dataset(name, "d", "code", "{}"), said)])
    if run["status"]:
        here.set_terminated(run_id, run["status"], end_time=start + 2_500)


def by_mlflow(store, experiment, asked):
    """What the client finds, in its own order: newest first."""
    return [run.info.run_id for run in client(store).search_runs([experiment], asked, max_results=1000)]


def agrees(store, experiment, table, asked):
    """Is the filter readable, and decided on the table? Then the answers must be the same."""
    with suppress(BadInput):
        found = matching_run_ids(parse_filter(asked), table)
        if found is None:
            assert UNDECIDED.search(asked) or "9" * 20 in asked
        elif "9" * 20 not in asked:
            assert found == by_mlflow(store, experiment, asked), asked
        return found is not None
    return False


@ONE_STORE
@given(st.lists(one_run, min_size=1, max_size=4), st.lists(filters, min_size=12, max_size=12))
def test_a_filter_on_a_table_leaves_what_mlflow_finds_in_the_store(store, runs, asked):
    experiment = make_experiment(store, f"e{next(numbered)}")
    for run in runs:
        log(store, experiment, run)
    table = run_reader.read_runs(store, Search((experiment,)))
    for one in asked:
        agrees(store, experiment, table, one)


@pytest.fixture
def odd(fresh_store):
    """Three runs whose values differ only in what a careless comparison overlooks."""
    here = make_experiment(fresh_store, "odd")
    log_run(fresh_store, here, "a_c", params={"t": "5", "note": ""}, metrics={"m": math.nan, "k": 1}, tags={"v": "it's"})
    log_run(fresh_store, here, "abc", params={"t": "05"}, metrics={"m": math.inf, "k": 2}, data="d1", minute=1)
    log_run(fresh_store, here, "ABC", params={"t": "É"}, metrics={"m": 0.5, "k": 3}, status="FAILED", minute=2, model=False)
    return fresh_store, here, run_reader.read_runs(fresh_store, Search((here,)))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["ABC", "abc", "a_c"]),
        ("params.t = '5'", ["a_c"]),
        ("params.t != '5'", ["ABC", "abc"]),
        ("params.note != 'x'", ["a_c"]),
        ("params.note IS NULL", ["ABC", "abc"]),
        ("params.note is not null and params.note = ''", ["a_c"]),
        ("params.t ILIKE 'é'", []),
        ("params.none IS NULL", ["ABC", "abc", "a_c"]),
        ("params.none != 'x'", []),
        ("run_name LIKE 'a_c'", ["abc", "a_c"]),
        ("run_name ilike 'A_C'", ["ABC", "abc", "a_c"]),
        (r"run_name LIKE 'a\_c'", []),
        ("metrics.m > 0", ["ABC", "abc"]),
        ("metrics.m > 179" + "0" * 306, ["abc"]),
        ("metrics.none != 1", []),
        ('tags.v = "it\'s"', ["a_c"]),
        ("status = 'failed'", []),
        ("status LIKE 'FAIL%'", ["ABC"]),
        (f"start_time > {NOON} and end_time <= {NOON + 62_500}", ["abc"]),
        ("datasets.digest IN ('d1', 'd2')", ["abc"]),
        ("dataset.context = 'testing'", ["abc"]),
        ("dataset.name NOT IN ('wine')", []),
        ("metrics.m != 0.5 and run_name = 'abc'", ["abc"]),
        ("user_id = 'ana' and params.t = 'none'", []),
    ],
)
def test_a_condition_leaves_these_runs_and_mlflow_agrees(odd, asked, names):
    store, experiment, table = odd
    found = matching_run_ids(parse_filter(asked), table)
    assert found is not None
    assert [table.identity.name[run_id] for run_id in found] == names
    assert found == by_mlflow(store, experiment, asked)


@pytest.mark.parametrize("asked", ["user_id = 'ana'", "metrics.m != 1", f"start_time > {10**20}"])
def test_what_a_table_does_not_hold_has_to_be_asked_of_the_backend(odd, asked):
    assert matching_run_ids(parse_filter(asked), odd[2]) is None


def test_a_run_is_found_by_a_list_of_ids(odd):
    store, experiment, table = odd
    first, second, third = table.ids
    for asked in (f"run_id IN ('{third}', '{first}')", f"attributes.run_id NOT IN ('{second}')"):
        assert matching_run_ids(parse_filter(asked), table) == [first, third] == by_mlflow(store, experiment, asked)


def test_a_table_without_runs_leaves_none():
    assert (
        matching_run_ids(
            parse_filter("metrics.m > 1 and params.n = '5' and dataset.name = 'w' and end_time > 5 and run_id = 'a'"),
            make_run_table(),
        )
        == []
    )


def test_the_place_of_artifacts_is_judged_where_a_run_has_one():
    asked = parse_filter("artifact_uri LIKE '%/b'")
    assert matching_run_ids(
        asked, make_run_table(make_run("a", artifact_uri="s3://x/a"), make_run("b", artifact_uri="s3://x/b"))
    ) == ["b"]
    assert matching_run_ids(asked, make_run_table(make_run("a"), make_run("b", artifact_uri="s3://x/b"))) is None


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.text(ODD, max_size=5), st.text(ODD, max_size=6)), min_size=20))
def test_like_is_that_of_sqlite(pairs):
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA case_sensitive_like = true")
        for wanted, text in pairs:
            said, folded = db.execute("SELECT :a LIKE :b, lower(:a) LIKE lower(:b)", {"a": text, "b": wanted}).fetchone()
            assert compile_like(wanted)(text) is bool(said)
            assert compile_like(wanted, re.IGNORECASE)(text) is bool(folded)


def test_no_pattern_takes_long():
    started = perf_counter()
    assert not compile_like("%a" * 40 + "b")("a" * 5000)
    assert perf_counter() - started < 1
