"""Searching for records while records begin: a writer's partial work is not mistaken for a lost record and blocks no one."""

import threading

import pytest

from lib.backends.mlflow_client import client
from lib.ledger.storage import inventory_reader
from lib.ledger.storage.inventory_reader import find_unexplained
from lib.registry.ledger_search import ledger_tags
from lib.registry.move_plan import MoveRequest
from lib.registry.promote import move_version
from lib.registry.reader import read_all_snapshots, read_book_state
from lib.registry.verify import verify_all
from tests.conftest import copy_store
from tests.support.ledger_stores import DECISION, book_id_of, make_registered_model, make_writer
from tests.support.ledger_tampering import plant_an_index
from tests.support.ledger_workers import open_first_book, run_together

WRITES = (
    *(
        "create_experiment",
        "set_experiment_tag",
        "create_run",
        "set_terminated",
        "log_param",
        "set_tag",
        "set_registered_model_tag",
    ),
    *("set_registered_model_alias", "transition_model_version_stage", "set_model_version_tag"),
)
READS = (
    "search_registered_models",
    "search_model_versions",
    "search_experiments",
    "search_runs",
    "get_experiment_by_name",
    "get_run",
)


@pytest.fixture(scope="module")
def databases(tmp_path_factory, empty_database):
    """Template databases, one without a record and one with the record of beer; wine is registered in both."""
    paths = {}
    for name in ("no ledger", "a ledger"):
        backend = copy_store(empty_database, tmp_path_factory.mktemp(name.replace(" ", "-")))
        make_registered_model(backend)
        if name == "a ledger":
            make_registered_model(backend, "beer")
            promote(backend, "beer")
        paths[name] = backend.path
    return paths


@pytest.fixture(params=["no ledger", "a ledger"])
def store(request, databases, tmp_path):
    """A function that returns a new copy of one of them."""

    def copy(number=0):
        return copy_store(databases[request.param], tmp_path / f"store-{number}")

    return copy


def promote(backend, model="wine"):
    return move_version(make_writer(backend), MoveRequest(model, "1", "Production"), DECISION).outcome


def around_each(monkeypatch, backend, names, act, *, before=False):
    """Call `act(number)` at each call of these client methods, but not recursively. Returns the numbers so far."""
    numbers, is_acting = [], threading.Lock()

    def wrap(method):
        def call(*args, **kwargs):
            result = None if before else method(*args, **kwargs)
            if is_acting.acquire(blocking=False):
                try:
                    numbers.append(len(numbers))
                    act(numbers[-1])
                finally:
                    is_acting.release()
            return method(*args, **kwargs) if before else result

        return call

    for name in names:
        monkeypatch.setattr(client(backend), name, wrap(getattr(client(backend), name)))
    return numbers


def test_after_every_write_of_a_first_promotion_the_search_finds_nothing(store, monkeypatch):
    backend, findings = store(), []
    numbers = around_each(
        monkeypatch, backend, WRITES, lambda _: findings.extend([*find_unexplained(backend), *_verdicts(backend)])
    )
    assert promote(backend) == "applied"
    assert len(numbers) >= 10
    assert findings == []


def _verdicts(backend):
    return [finding for verdict in verify_all(backend) for finding in verdict.findings]


@pytest.mark.slow
@pytest.mark.parametrize("search", [find_unexplained, _verdicts])
def test_a_first_promotion_between_any_two_reads_of_a_search_is_no_finding(store, monkeypatch, search):
    with monkeypatch.context() as counting:
        backend = store("count")
        numbers = around_each(counting, backend, READS, lambda _: None, before=True)
        search(backend)
        read_count = len(numbers)
    assert read_count >= 5
    for number in range(read_count):
        backend = store(number)
        around_each(monkeypatch, backend, READS, lambda n, at=number, b=backend: promote(b) if n == at else None, before=True)
        assert list(search(backend)) == [], f"promoted before read {number}"
        assert list(search(backend)) == []
        assert book_id_of(backend) is not None


@pytest.mark.slow
def test_processes_that_begin_a_first_ledger_at_once_are_stopped_by_no_search(databases, tmp_path):
    backend, findings = copy_store(databases["no ledger"], tmp_path / "store"), []
    is_done = threading.Event()

    def search():
        while not is_done.is_set():
            findings.extend(find_unexplained(backend))

    searcher = threading.Thread(target=search)
    searcher.start()
    try:
        books = run_together(open_first_book, [(backend,)] * 3)
    finally:
        is_done.set()
        searcher.join()
    assert len(set(books)) == 1
    assert findings == []
    assert _verdicts(backend) == []


def test_what_was_seen_only_once_stops_nobody(databases, tmp_path, monkeypatch):
    """A store that is a moment late: the first search sees a seal without its explanation."""
    backend = copy_store(databases["a ledger"], tmp_path / "store")
    real, answers = inventory_reader.find_unexplained, [("a seal whose tag is on its way",)]
    monkeypatch.setattr(inventory_reader, "find_unexplained", lambda b: answers.pop() if answers else real(b))
    assert promote(backend) == "applied"
    assert answers == []


def test_a_model_that_has_its_book_is_never_searched_for(databases, tmp_path, monkeypatch):
    from datetime import UTC, datetime

    from lib.ledger.queries.time_query import TimeQuery
    from lib.registry.audit_queries import AsOfQuery, query_as_of

    backend = copy_store(databases["a ledger"], tmp_path / "store")
    plant_an_index(client(backend), "f" * 32, client(backend).create_experiment("elsewhere"))

    def refuse(*_, **__):
        raise AssertionError("searched")

    monkeypatch.setattr(client(backend), "search_experiments", refuse)
    monkeypatch.setattr(client(backend), "search_runs", refuse)
    writer = make_writer(backend)
    assert move_version(writer, MoveRequest("beer", "2", "Production"), DECISION).outcome == "applied"
    now = datetime.now(UTC)
    assert query_as_of(backend, "beer", AsOfQuery("production", TimeQuery(now), now)).answer.holders[0].version == "2"
    assert read_book_state(backend, "beer").desired_holders()["production"].holder == "2"


def test_the_number_of_calls_does_not_grow_with_models_and_books(databases, tmp_path, monkeypatch):
    backend = copy_store(databases["a ledger"], tmp_path / "store")
    numbers = around_each(monkeypatch, backend, READS, lambda _: None)
    find_unexplained(backend)
    first_count = len(numbers)
    for name in ("cider", "gin"):
        make_registered_model(backend, name)
        promote(backend, name)
    del numbers[:]
    find_unexplained(backend)
    assert len(numbers) == first_count <= 12


def test_thousands_of_tags_cost_no_call_each(databases, tmp_path, monkeypatch):
    backend = copy_store(databases["a ledger"], tmp_path / "store")
    client(backend).create_registered_model("spam")
    for n in range(60):
        version = client(backend).create_model_version("spam", "s3://nowhere").version
        client(backend).set_model_version_tag("spam", version, "podium.head", f"1 {'a' * 64} {n:032x}")
    numbers = around_each(monkeypatch, backend, ("get_run",), lambda _: None, before=True)
    assert len(find_unexplained(backend)) == len(ledger_tags(read_all_snapshots(backend))) - 2 == 60
    assert 20 <= len(numbers) <= 25
