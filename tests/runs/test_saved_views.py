"""Views saved in the backend: none is lost, and no foreign tag breaks the list."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from lib.backends.length_limits import MAX_EXPERIMENT_TAG_LENGTH
from lib.backends.mlflow_client import client
from lib.errors import BadInput, NotFound
from lib.runs.edit.saved_views import (
    VIEW_TAG_PREFIX,
    SavedView,
    SavedViews,
    code_snippet,
    delete,
    read_saved_views,
    rename,
    save,
)
from tests.support.run_factories import make_experiment

NOON = datetime(2023, 3, 14, 12, tzinfo=UTC)
EVIL = "![x](http://evil/x) <img src=x onerror=alert(1)> :green-badge[ok]"


@pytest.fixture
def wine(fresh_store):
    return make_experiment(fresh_store, "wine")


def make_view(experiment, name="best forests", query="experiment=1&plot=Scatter") -> SavedView:
    return SavedView("", experiment, name, query, "Ana", NOON)


def read_tags(store, experiment) -> dict[str, str]:
    return client(store).get_experiment(experiment).tags


def test_a_view_comes_back_as_it_was_saved_with_who_and_when(fresh_store, wine):
    view = save(fresh_store, make_view(wine))
    assert read_saved_views(fresh_store, wine) == SavedViews((view,), 0)
    assert (view.name, view.by, view.at) == ("best forests", "Ana", NOON)
    assert view.key.startswith(VIEW_TAG_PREFIX)
    assert json.loads(read_tags(fresh_store, wine)[view.key])["schema"] == 1


def test_hostile_names_are_kept_as_they_were_typed_but_on_one_line(fresh_store, wine):
    assert save(fresh_store, make_view(wine, f"  {EVIL}\n\x00\u202e")).name == EVIL
    assert [view.name for view in read_saved_views(fresh_store, wine).views] == [EVIL]


def test_savers_at_the_same_time_never_lose_a_view(fresh_store, wine):
    names = [f"view {n}" for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: save(fresh_store, make_view(wine, name)), names))
    assert {view.name for view in read_saved_views(fresh_store, wine).views} == set(names)


def test_a_renamed_view_keeps_who_when_and_its_key(fresh_store, wine):
    view = save(fresh_store, make_view(wine))
    rename(fresh_store, view, "other")
    assert read_saved_views(fresh_store, wine).views == (replace(view, name="other"),)


def test_the_calls_that_are_shown_save_rename_and_delete_a_view(fresh_store, wine):
    view = make_view(wine)
    exec(code_snippet(fresh_store.uri, view, "Save"), {})
    (saved_view,) = read_saved_views(fresh_store, wine).views
    assert saved_view == replace(view, key=saved_view.key)
    exec(code_snippet(fresh_store.uri, replace(saved_view, name="other"), "Rename"), {})
    assert read_saved_views(fresh_store, wine).views == (replace(saved_view, name="other"),)
    exec(code_snippet(fresh_store.uri, saved_view, "Delete"), {})
    assert read_saved_views(fresh_store, wine) == SavedViews()


def test_a_deleted_view_is_gone_and_deleting_it_twice_is_no_error(fresh_store, wine):
    view = save(fresh_store, make_view(wine))
    delete(fresh_store, view)
    delete(fresh_store, view)
    assert read_saved_views(fresh_store, wine) == SavedViews()
    with pytest.raises(NotFound):
        rename(fresh_store, view, "again")


def test_a_store_that_cannot_drop_tags_marks_the_view_deleted(fresh_store, wine, monkeypatch):
    def refuse(*_):
        raise MlflowException("no such endpoint")

    view = save(fresh_store, make_view(wine))
    monkeypatch.setattr(client(fresh_store), "delete_experiment_tag", refuse)
    delete(fresh_store, view)
    assert read_saved_views(fresh_store, wine) == SavedViews()
    assert view.key in read_tags(fresh_store, wine)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "no json",
        "[1, 2]",
        "null",
        '{"schema": 2, "name": "x", "query": "", "by": "", "at": "2023-03-14T12:00:00Z"}',
        '{"schema": 1, "query": "plot=Box"}',
        '{"schema": 1, "name": ["x"], "query": "", "by": "", "at": "2023-03-14T12:00:00Z"}',
        '{"schema": 1, "name": "x", "query": "", "by": "", "at": "noon"}',
        '{"schema": 1, "name": "x", "query": "", "by": "", "at": "2023-03-14T12:00:00"}',
        json.dumps({"schema": 1, "name": "x" * 5000, "query": "", "by": "", "at": "2023-03-14T12:00:00Z"}),
        "[" * 4_900,
    ],
)
def test_an_invalid_view_is_skipped_and_counted(fresh_store, wine, value):
    view = save(fresh_store, make_view(wine))
    client(fresh_store).set_experiment_tag(wine, VIEW_TAG_PREFIX + "01", value)
    assert read_saved_views(fresh_store, wine) == SavedViews((view,), 1)


@settings(deadline=None, max_examples=30, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60), st.text(st.characters(codec="utf-8")))
def test_any_name_and_any_query_come_back(fresh_store, name, query):
    wine = make_experiment(fresh_store, f"wine {datetime.now(UTC).timestamp()}")
    if any(
        character.isprintable() and not character.isspace() for character in name
    ):  # otherwise there is no name: refused below
        view = save(fresh_store, make_view(wine, name, query))
        assert read_saved_views(fresh_store, wine) == SavedViews((view,), 0)
        assert view.query == query


@pytest.mark.parametrize("name", ["", " \n ", "x" * 81])
def test_a_name_that_does_not_fit_is_refused(fresh_store, wine, name):
    with pytest.raises(BadInput):
        save(fresh_store, make_view(wine, name))
    assert read_tags(fresh_store, wine) == {}


def test_a_taken_name_is_refused_whatever_its_case(fresh_store, wine):
    save(fresh_store, make_view(wine, "Best"))
    second = save(fresh_store, make_view(wine, "second"))
    with pytest.raises(BadInput, match="already"):
        save(fresh_store, make_view(wine, "best"))
    with pytest.raises(BadInput, match="already"):
        rename(fresh_store, second, "BEST")
    rename(fresh_store, second, "Second")


def test_a_view_that_is_too_long_is_refused_in_words(fresh_store, wine):
    with pytest.raises(BadInput, match="limit of a tag is 5,000"):
        save(fresh_store, make_view(wine, query="p" * MAX_EXPERIMENT_TAG_LENGTH))
    assert read_tags(fresh_store, wine) == {}


def test_an_experiment_that_is_gone_is_not_found(fresh_store):
    with pytest.raises(NotFound):
        read_saved_views(fresh_store, "4711")


def test_on_a_server_a_view_is_saved_renamed_and_deleted_and_everybody_sees_it(mlflow_server):
    experiment_id = make_experiment(mlflow_server, "views of a team")
    view = save(mlflow_server, make_view(experiment_id, EVIL))
    second_view = save(mlflow_server, make_view(experiment_id, "other", query="x=" + "ä" * 2000))
    assert read_saved_views(mlflow_server, experiment_id) == SavedViews((view, second_view), 0) or read_saved_views(
        mlflow_server, experiment_id
    ) == SavedViews((second_view, view), 0)
    rename(mlflow_server, view, "plain")
    assert {
        (saved_view.name, saved_view.by, saved_view.at) for saved_view in read_saved_views(mlflow_server, experiment_id).views
    } == {
        ("plain", "Ana", NOON),
        ("other", "Ana", NOON),
    }
    delete(mlflow_server, view)
    assert read_saved_views(mlflow_server, experiment_id) == SavedViews((second_view,), 0)
    assert [saved_view.key for saved_view in read_saved_views(mlflow_server, experiment_id).views] == [second_view.key]
