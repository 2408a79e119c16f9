"""A filter evaluated on a table keeps the same runs, in the same order, as MLflow's own search on the store."""

import math
import re
import sqlite3
from contextlib import closing, suppress
from itertools import count
from time import perf_counter

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from lib.backends.mlflow_client import client
from lib.errors import BadInput
from lib.runs.filters.evaluate import compile_like, matching_run_ids
from lib.runs.reading import run_reader
from lib.runs.reading.filter_parser import parse_filter
from lib.runs.table.types import Search
from tests.support.run_factories import NOON, log_run, make_experiment, make_run, make_run_table

ODD_CHARACTERS = "aAbB%_\\\n\0'\"` éÉſK�￿😀9"
NAMES = ("n", "log loss", "a/b", "created", "run name", "été")
ONE_STORE_SETTINGS = settings(
    deadline=None,
    phases=(Phase.generate,),  # shrinking a failure would log thousands of runs
    max_examples=30,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UNDECIDED = re.compile(r"user_id|metrics\.\S.* != |context (!= |LIKE|ILIKE|NOT IN|=|IN)", re.IGNORECASE)
numbers = [0.0, -0.0, 1.0, 0.5, -2.25, 1e-320, 1e15, math.inf, -math.inf, math.nan]
times = ["1700000000000", "1700000060000", "1700000002500", "1700000002500.5", "0", "-1", "99999999999999999999"]
texts = st.text(alphabet=ODD_CHARACTERS, max_size=4) | st.sampled_from(["5", "05", "", "%", "_", "a%", "abc"])


def dictionaries_of(values):
    return st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


run_specs = st.fixed_dictionaries(
    {
        "params": dictionaries_of(texts),
        "tags": dictionaries_of(texts),
        "metrics": dictionaries_of(st.sampled_from(numbers)),
        "minute": st.integers(0, 1),
        "name": st.text("aA%_é", min_size=1, max_size=3),
        "data": st.lists(st.tuples(st.sampled_from(["wine", "WINE", "w_"]), st.sampled_from([None, "", "train"])), max_size=2),
        "status": st.sampled_from(["FINISHED", "FAILED", "KILLED", ""]),
    }
)


def field_names(kind):
    return st.sampled_from(NAMES).map(lambda name: f"{kind}.`{name}`")


def quote(text):
    return f'"{text}"' if "'" in text else f"'{text}'"


quoted_texts = texts.map(quote)
patterns = (st.text("aA%_é\\", max_size=4) | texts).map(quote)
comparators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
equality_operators = st.sampled_from(["=", "!="])
like_operators = st.sampled_from(["LIKE", "ILIKE", "like"])
text_attributes = st.sampled_from(
    ["run_name", "status", "user_id", "artifact_uri", "run_id", "attributes.`Run name`", "run.status"]
)
dataset_fields = st.sampled_from(["dataset.name", "dataset.digest", "dataset.context"])
value_lists = st.lists(st.sampled_from(["wine", "WINE", "train", "d", "other"]), min_size=1, max_size=3).map(
    lambda values: f"({', '.join(map(repr, values))})"
)
stored_text_fields = field_names("params") | field_names("tags")
condition = st.one_of(
    st.tuples(field_names("metrics"), comparators, st.sampled_from(["0", "1", "0.5", "-2.25", "1" + "0" * 15, "1" * 320])),
    st.tuples(stored_text_fields | text_attributes | dataset_fields, equality_operators, quoted_texts),
    st.tuples(stored_text_fields | text_attributes | dataset_fields, like_operators, patterns),
    st.tuples(stored_text_fields, st.sampled_from(["IS NULL", "IS NOT NULL", "is null"])),
    st.tuples(st.sampled_from(["start_time", "end_time", "Created", "attributes.end_time"]), comparators, st.sampled_from(times)),
    st.tuples(dataset_fields, st.sampled_from(["IN", "NOT IN"]), value_lists),
    st.tuples(st.just("status"), equality_operators, st.sampled_from(["'FINISHED'", "'RUNNING'", "'finished'"])),
).map(" ".join)
filters = st.lists(condition, min_size=1, max_size=3).map(" and ".join)
experiment_numbers = count()


@pytest.fixture
def store(fresh_store):
    return fresh_store


def log_generated_run(store, experiment, run):
    mlflow, start = client(store), NOON + run["minute"] * 60_000
    tags = {"mlflow.user": "ana"}
    run_id = mlflow.create_run(experiment, start_time=start, run_name=run["name"], tags=tags).info.run_id
    mlflow.log_batch(
        run_id,
        [Metric(name, value, start, 0) for name, value in run["metrics"].items()],
        [Param(name, value) for name, value in run["params"].items()],
        [RunTag(name, value) for name, value in run["tags"].items()],
    )
    for name, context in run["data"]:
        context_tags = [] if context is None else [InputTag("mlflow.data.context", context)]
        mlflow.log_inputs(run_id, datasets=[DatasetInput(Dataset(name, "d", "code", "{}"), context_tags)])
    if run["status"]:
        mlflow.set_terminated(run_id, run["status"], end_time=start + 2_500)


def search_with_mlflow(store, experiment, filter_text):
    """The client's result in its own order: newest first."""
    return [run.info.run_id for run in client(store).search_runs([experiment], filter_text, max_results=1000)]


def check_agreement(store, experiment, table, filter_text):
    """Whether the filter is valid and can be evaluated on the table; asserts that the results are then the same."""
    with suppress(BadInput):
        run_ids = matching_run_ids(parse_filter(filter_text), table)
        if run_ids is None:
            assert UNDECIDED.search(filter_text) or "9" * 20 in filter_text
        elif "9" * 20 not in filter_text:
            assert run_ids == search_with_mlflow(store, experiment, filter_text), filter_text
        return run_ids is not None
    return False


@ONE_STORE_SETTINGS
@given(st.lists(run_specs, min_size=1, max_size=4), st.lists(filters, min_size=12, max_size=12))
def test_a_filter_on_a_table_leaves_what_mlflow_finds_in_the_store(store, runs, filter_texts):
    experiment = make_experiment(store, f"e{next(experiment_numbers)}")
    for run in runs:
        log_generated_run(store, experiment, run)
    table = run_reader.read_runs(store, Search((experiment,)))
    decided = [check_agreement(store, experiment, table, filter_text) for filter_text in filter_texts]
    assume(any(decided))  # a parser that refuses everything leaves no example


@pytest.fixture
def odd_runs(fresh_store):
    """Three runs whose values differ only in ways that a careless comparison misses."""
    experiment = make_experiment(fresh_store, "odd")
    log_run(fresh_store, experiment, "a_c", params={"t": "5", "note": ""}, metrics={"m": math.nan, "k": 1}, tags={"v": "it's"})
    log_run(fresh_store, experiment, "abc", params={"t": "05"}, metrics={"m": math.inf, "k": 2}, data="d1", minute=1)
    log_run(fresh_store, experiment, "ABC", params={"t": "É"}, metrics={"m": 0.5, "k": 3}, status="FAILED", minute=2, model=False)
    return fresh_store, experiment, run_reader.read_runs(fresh_store, Search((experiment,)))


@pytest.mark.parametrize(
    ("filter_text", "names"),
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
def test_a_condition_leaves_these_runs_and_mlflow_agrees(odd_runs, filter_text, names):
    store, experiment, table = odd_runs
    run_ids = matching_run_ids(parse_filter(filter_text), table)
    assert run_ids is not None
    assert [table.identity.name[run_id] for run_id in run_ids] == names
    assert run_ids == search_with_mlflow(store, experiment, filter_text)


@pytest.mark.parametrize("filter_text", ["user_id = 'ana'", "metrics.m != 1", f"start_time > {10**20}"])
def test_what_a_table_does_not_hold_has_to_be_asked_of_the_backend(odd_runs, filter_text):
    assert matching_run_ids(parse_filter(filter_text), odd_runs[2]) is None


def test_a_run_is_found_by_a_list_of_ids(odd_runs):
    store, experiment, table = odd_runs
    first, second, third = table.ids
    for filter_text in (f"run_id IN ('{third}', '{first}')", f"attributes.run_id NOT IN ('{second}')"):
        assert (
            matching_run_ids(parse_filter(filter_text), table)
            == [first, third]
            == search_with_mlflow(store, experiment, filter_text)
        )


def test_a_table_without_runs_leaves_none():
    assert (
        matching_run_ids(
            parse_filter("metrics.m > 1 and params.n = '5' and dataset.name = 'w' and end_time > 5 and run_id = 'a'"),
            make_run_table(),
        )
        == []
    )


def test_the_place_of_artifacts_is_judged_where_a_run_has_one():
    run_filter = parse_filter("artifact_uri LIKE '%/b'")
    assert matching_run_ids(
        run_filter, make_run_table(make_run("a", artifact_uri="s3://x/a"), make_run("b", artifact_uri="s3://x/b"))
    ) == ["b"]
    assert matching_run_ids(run_filter, make_run_table(make_run("a"), make_run("b", artifact_uri="s3://x/b"))) is None


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.text(ODD_CHARACTERS, max_size=5), st.text(ODD_CHARACTERS, max_size=6)), min_size=20))
def test_like_is_that_of_sqlite(pairs):
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA case_sensitive_like = true")
        for pattern, text in pairs:
            matches, matches_folded = db.execute(
                "SELECT :a LIKE :b, lower(:a) LIKE lower(:b)", {"a": text, "b": pattern}
            ).fetchone()
            assert compile_like(pattern)(text) is bool(matches)
            assert compile_like(pattern, re.IGNORECASE)(text) is bool(matches_folded)


def test_no_pattern_takes_long():
    started = perf_counter()
    assert not compile_like("%a" * 40 + "b")("a" * 5000)
    assert perf_counter() - started < 1
